"""The runner on toy notebooks: order, parameters, what is repeated, and how it fails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from autorefine_lib.errors import InputError
from autorefine_lib.reproduce import (
    PUBLISHED,
    NotebookFailed,
    Run,
    _parse_value,
    fingerprint,
    read_profiles,
    read_steps,
    reproduce,
    resolve_parameters,
)

PARAMETERS = 'run_dir: str = ""\ncommand: str = ""\nsteps: int = 3  # how many\nrate: float = 0.5\nname: str = "a"\n'


def write_notebook(folder: Path, stem: str, *sources: str, parameters: str = PARAMETERS) -> None:
    cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "autorefine", "display_name": "AutoRefine", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / f"{stem}.ipynb")


NOTE = "with open(f'{run_dir}/artefacts/log.txt', 'a') as log:\n    log.write('%s ' % steps)"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    write_notebook(notebooks, "01_first", NOTE)
    write_notebook(notebooks, "02_second", NOTE + "\nassert open(f'{run_dir}/artefacts/log.txt').read()")
    return Run("embedded", out=tmp_path / "run", notebooks=notebooks)


def log(run: Run) -> str:
    return (run.folder / "artefacts/log.txt").read_text().strip()


def test_runs_in_order_then_skips_then_repeats_what_changed(run: Run, capfd: pytest.CaptureFixture):
    before = {path.name: path.read_bytes() for path in run.notebooks.iterdir()}
    reproduce(run)
    assert log(run) == "3 3"
    reproduce(run)
    assert log(run) == "3 3", "unchanged notebooks are kept"
    assert "unchanged, kept" in capfd.readouterr().err
    run.overrides = ["steps=5"]
    reproduce(run)
    assert log(run) == "3 3 5 5", "a changed parameter repeats the notebooks that have it"
    reproduce(run, start="02")
    assert log(run) == "3 3 5 5 5", "--from repeats that notebook only"
    assert {path.name: path.read_bytes() for path in run.notebooks.iterdir()} == before, "notebooks/ is never written"
    copy = nbformat.read(run.folder / "notebooks/02_second.ipynb", as_version=4)
    assert any("steps = 5" in cell.source for cell in copy.cells)
    assert copy.metadata.papermill.input_path == "02_second.ipynb", "no path of this machine is published"
    state = json.loads((run.folder / "run.json").read_text())
    assert [item["status"] for item in state["notebooks"].values()] == ["done", "done"]
    assert state["command"].startswith("autorefine reproduce --profile embedded --set steps=5")


def test_a_copy_has_no_figures_of_the_published_run(run: Run):
    path = run.notebooks / "01_first.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for source, tags in (("![the published figure](figure.png)", [PUBLISHED]), ("What to look at", [])):
        notebook.cells.append(nbformat.v4.new_markdown_cell(source, metadata={"tags": tags}))
    nbformat.write(notebook, path)
    reproduce(run)
    copy = nbformat.read(run.folder / "notebooks/01_first.ipynb", as_version=4)
    assert [cell.source for cell in copy.cells if cell.cell_type == "markdown"] == ["What to look at"]


def test_without_artefacts_nothing_counts_as_finished(run: Run):
    reproduce(run)
    shutil.rmtree(run.folder / "artefacts")
    reproduce(run)
    assert log(run) == "3 3"


def test_a_changed_data_file_changes_the_fingerprint(run: Run, tmp_path: Path):
    data = tmp_path / "jobs.csv"
    step = resolve_parameters(read_steps(run.notebooks), "embedded", [f"name={data}"])[0]
    prints = []
    for text in ("a", "a", "b"):
        data.write_text(text)
        prints.append(fingerprint(step, "library", ""))
    assert prints[0] == prints[1] != prints[2]
    assert fingerprint(step, "library", "earlier") != prints[2] != fingerprint(step, "other library", "")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("step=5", "no notebook has a parameter 'step'; the nearest name is 'steps'"),
        ("run_dir=/tmp", "no notebook has a parameter 'run_dir'"),
        ("steps=many", "expected a whole number such as 3"),
        ("steps=true", "expected a whole number such as 3"),
        ("steps=1.5", "expected a whole number such as 3"),
        ("rate=fast", "expected a number such as 0.5"),
        ("steps", "write it as name=value"),
    ],
)
def test_bad_overrides_are_refused_before_anything_runs(run: Run, override: str, message: str):
    run.overrides = [override]
    with pytest.raises(InputError, match=message):
        reproduce(run)
    assert not run.folder.exists()


def test_overrides_take_the_type_of_the_default():
    assert _parse_value("rate", "1", 0.5) == 1.0 and isinstance(_parse_value("rate", "1", 0.5), float)
    assert _parse_value("name", "7", "a") == "7"
    assert _parse_value("seeds", "[0, 1]", [0]) == [0, 1]
    assert _parse_value("draw", "true", False) is True


def test_unknown_profile_and_start(run: Run):
    with pytest.raises(InputError, match="one of smoke, embedded, paper, local"):
        reproduce(Run("tiny", out=run.out, notebooks=run.notebooks))
    with pytest.raises(InputError, match="one of 01_first, 02_second"):
        reproduce(run, start="07")


def test_a_failing_cell_stops_the_run_and_says_how_to_resume(run: Run):
    write_notebook(run.notebooks, "02_second", "x = 1", "# why\nx / 0")
    write_notebook(run.notebooks, "03_third", NOTE)
    with pytest.raises(NotebookFailed) as caught:
        reproduce(run)
    first, second, *_, last = str(caught.value).splitlines()
    # Papermill's injected parameters are a cell too: the number is the one beside the cell in the executed copy.
    assert first == "02_second, cell 4: x / 0"
    assert second.strip() == "ZeroDivisionError: division by zero"
    assert last.strip() == f"to go on from there: {run.command}"
    assert run.command == f"autorefine reproduce --profile embedded --out {run.out} --notebooks {run.notebooks}"
    assert log(run) == "3", "nothing after the failure ran"
    write_notebook(run.notebooks, "02_second", "x = 1")
    reproduce(run)
    assert log(run) == "3 3", "the first notebook was not repeated"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("from autorefine_lib.errors import InputError\nraise InputError('no column text')", "^no column text .02_sec"),
        ("raise OSError(28, 'No space left on device')", "^the disk is full: free some space .02_sec"),
    ],
)
def test_input_errors_in_a_notebook_stay_one_line(run: Run, source: str, message: str):
    write_notebook(run.notebooks, "02_second", source)
    with pytest.raises(InputError, match=message) as caught:
        reproduce(run)
    assert "\n" not in str(caught.value) and "to go on from there" in str(caught.value)


@pytest.mark.parametrize("profile", read_profiles())
def test_profiles_name_parameters_that_the_notebooks_have(profile: str):
    steps = resolve_parameters(read_steps(Run(profile).notebooks), profile, [])
    assert set(read_profiles()[profile]["common"]) <= {name for step in steps for name in step.defaults}
    assert set(read_profiles()[profile]["notebooks"]) <= {step.name for step in steps}
    for step in steps:
        assert set(step.parameters) <= set(step.defaults)
        for name, value in step.parameters.items():
            kinds = (int, float) if isinstance(step.defaults[name], float) else type(step.defaults[name])
            assert step.defaults[name] is None or isinstance(value, kinds), (step.name, name)


def test_interrupt_keeps_the_state_and_prints_the_command(run: Run):
    sleep = "import time\nopen(run_dir + '/artefacts/begun', 'w').close()\ntime.sleep(60)"
    write_notebook(run.notebooks, "02_second", sleep)
    words = ["reproduce", "--profile", "embedded", "--out", str(run.out), "--notebooks", str(run.notebooks)]
    process = subprocess.Popen(
        [sys.executable, "-m", "autorefine_lib.cli", *words], stderr=subprocess.PIPE, text=True, env={**os.environ},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (run.folder / "artefacts/begun").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "stopped in 02_second; to go on: autorefine reproduce --profile embedded" in error
    state = json.loads((run.folder / "run.json").read_text())["notebooks"]
    assert [state[name]["status"] for name in ("01_first", "02_second")] == ["done", "interrupted"]
