"""What `make test` does with the notebooks, on toy ones: a recorded output is compared, and a wrong one is caught."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from smoke_notebooks import MARK, prepare, record
from test_reproduce import write_notebook

from autorefine_lib.reproduce import read_profiles


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch) -> Path:
    smoke = read_profiles()["smoke"] | {"common": {"steps": 2}, "notebooks": {}}
    monkeypatch.setattr("autorefine_lib.reproduce.read_profiles", lambda: {"smoke": smoke})
    folder = tmp_path / "notebooks"
    folder.mkdir()
    write_notebook(folder, "01_first", f"{MARK}\nsteps * 10", "open(f'{run_dir}/artefacts/made', 'w').close()")
    write_notebook(folder, "beside", f"{MARK}\nsteps * 10")
    return folder


def nbval(folder: Path) -> subprocess.CompletedProcess:
    words = ["--nbval-lax", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval_sanitize.cfg", str(folder)]
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *words], capture_output=True, text=True)


def test_recorded_outputs_are_compared_in_the_smoke_profile(notebooks: Path, tmp_path: Path):
    record(notebooks)
    _, marked, other = nbformat.read(notebooks / "01_first.ipynb", as_version=4).cells
    assert marked.execution_count == 2 and marked.outputs[0]["data"]["text/plain"] == "20", "the smoke value, not 30"
    assert other.execution_count is None and not other.outputs
    beside = nbformat.read(notebooks / "beside.ipynb", as_version=4).cells[1]
    assert beside.outputs[0]["data"]["text/plain"] == "30", "no step of the smoke profile"
    path, other = prepare(tmp_path / "checked", notebooks)
    other.unlink()  # one is enough for what follows
    assert nbval(tmp_path / "checked").returncode == 0
    path.write_text(path.read_text().replace('"20"', '"21"'))
    tampered = nbval(tmp_path / "checked")
    assert tampered.returncode == 1 and "1 failed" in tampered.stdout
