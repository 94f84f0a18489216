"""Run the numbered notebooks in order with papermill and keep what they made under one run folder.

A notebook is not repeated while its inputs stay the same. Its inputs are its own source, its parameters, the files
those parameters name, the library's source and the notebook before it; their hash is the fingerprint in `run.json`.
`notebooks/` is only read: executed copies go to `<run>/notebooks/`.
"""

import ast
import difflib
import hashlib
import json
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autorefine_lib import provenance, resources
from autorefine_lib.errors import InputError, disk_is_full
from autorefine_lib.files import clock, sha256, write_json

NOTEBOOKS = provenance.ROOT / "notebooks"
KERNEL = "python3"  # the kernel that comes with ipykernel: it runs the Python that starts it
# Filled in by the runner for every notebook that has them; they say where and why, not what, so no fingerprint.
RUNNER_PARAMETERS = ("run_dir", "command")
PUBLISHED = "published"
"""Tag of the cells with figures of the published run: a bare notebook shows them, an executed copy has its own."""


class NotebookFailed(RuntimeError):
    """A notebook raised; the message names notebook, cell, error and the command that resumes."""


@dataclass
class Step:
    """One notebook of a run."""

    path: Path
    """the notebook in `notebooks/`"""
    defaults: dict[str, Any]
    """the literals of its `parameters` cell"""
    parameters: dict[str, Any] = field(default_factory=dict)
    """what the profile and `--set` change of them"""

    @property
    def name(self) -> str:
        """File name without its suffix, as in 04_ppo_finetuning."""
        return self.path.stem


@dataclass
class Run:
    """What was asked for, and the command that asks for it again."""

    profile: str
    """one of profiles.json"""
    overrides: Sequence[str] = ()
    """`key=value` as typed after --set"""
    out: Path | None = None
    """run folder; default reports/<profile>"""
    notebooks: Path = NOTEBOOKS
    """folder of the numbered notebooks"""

    @property
    def folder(self) -> Path:
        """Where the run is kept, as an absolute path."""
        return Path(self.out).resolve() if self.out else provenance.ROOT / "reports" / self.profile

    @property
    def command(self) -> str:
        """What to type to get this run, or to go on with it."""
        words = ["autorefine", "reproduce", "--profile", self.profile]
        for override in self.overrides:
            words += ["--set", override]
        if self.out:
            words += ["--out", str(self.out)]
        if self.notebooks != NOTEBOOKS:
            words += ["--notebooks", str(self.notebooks)]
        return shlex.join(words)


def read_profiles() -> dict[str, dict]:
    """The profiles of resources/profiles.json by name."""
    return resources.load("profiles")


def read_steps(notebooks: Path) -> list[Step]:
    """The notebooks `NN_*.ipynb` of a folder in order, with their default parameters."""
    import papermill

    paths = sorted(Path(notebooks).glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise InputError(f"no notebook named NN_*.ipynb in {notebooks}: run from a full clone of the repository")
    steps = []
    for path in paths:
        found = papermill.inspect_notebook(str(path))
        steps.append(Step(path, {name: ast.literal_eval(item["default"]) for name, item in found.items()}))
    return steps


def _parse_value(key: str, text: str, default: Any) -> Any:
    """Read the typed text of `--set key=text` as the type that `default` has."""
    try:
        value = text if isinstance(default, str) else json.loads(text)
    except json.JSONDecodeError:
        value = None
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        kind = {"bool": "true or false", "int": "a whole number", "float": "a number"}.get(type(default).__name__)
        raise InputError(f"--set {key}={text}: expected {kind or f'a {type(default).__name__}'} such as {default!r}")
    return value


def resolve_parameters(steps: list[Step], profile: str, overrides: Sequence[str]) -> list[Step]:
    """Give every step the parameters of the profile, then those of `--set`.

    Raises:
        InputError: an unknown profile, an override of a name that no notebook has or with a value of another type.
    """
    chosen = read_profiles().get(profile)
    if chosen is None:
        raise InputError(f"unknown profile '{profile}': one of {', '.join(read_profiles())}")
    steps = [step for step in steps if step.name not in chosen.get("leave_out", ())]
    for step in steps:
        common = {name: value for name, value in chosen["common"].items() if name in step.defaults}
        step.parameters = common | chosen["notebooks"].get(step.name, {})
    known = sorted({name for step in steps for name in step.defaults} - set(RUNNER_PARAMETERS))
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise InputError(f"--set {override}: write it as name=value, for example --set k=20")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise InputError(f"--set {override}: no notebook has a parameter '{name}'; the nearest name is {near[0]!r}")
        for step in steps:
            if name in step.defaults:
                step.parameters[name] = _parse_value(name, text, step.defaults[name])
    return steps


def _hash_file(value: Any) -> str | None:
    """Hash of the file that a parameter names; None where it names none."""
    if not isinstance(value, str) or not value or len(value) > 1000 or not Path(value).is_file():
        return None
    return sha256(Path(value))


def fingerprint(step: Step, library: str, before: str) -> str:
    """Hash of everything that a notebook's result depends on, as 64 hexadecimal digits."""
    cells = [(cell["cell_type"], cell["source"]) for cell in json.loads(step.path.read_text("utf-8"))["cells"]]
    files = {name: _hash_file(value) for name, value in step.parameters.items()}
    inputs = [cells, step.parameters, files, library, before]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()


@contextmanager
def _set_environment(offline: bool) -> Iterator[None]:
    """The kernels' environment: repeatable, without a screen and, where the profile says so, without the hub."""
    wanted = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0",
        "TOKENIZERS_PARALLELISM": "false",
        # Threads that wait give their core away: with another program beside it a run would take many times as long.
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    } | ({"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"} if offline else {})
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _execute(step: Step, target: Path, run: Run, cell_timeout: int) -> None:
    """Run one notebook into `target`; raise NotebookFailed, or InputError where the notebook raised one."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    # As `files.run_folder` reads it: inside the repository short and free of this machine's paths.
    inside = run.folder.is_relative_to(provenance.ROOT)
    run_dir = run.folder.relative_to(provenance.ROOT) if inside else run.folder
    filled = {"run_dir": str(run_dir), "command": run.command}
    parameters = step.parameters | {name: value for name, value in filled.items() if name in step.defaults}
    resume = f"to go on from there: {run.command}"
    try:
        papermill.execute_notebook(
            str(step.path),
            str(target),
            parameters=parameters,
            kernel_name=KERNEL,
            language="python",
            cwd=str(Path.cwd()),
            progress_bar=False,
            execution_timeout=cell_timeout,
            start_timeout=120,
            # An interrupted kernel would log its traceback to the terminal.
            extra_arguments=["--log-level=CRITICAL"],
        )
    except papermill.PapermillExecutionError as error:
        line = next((line.strip() for line in error.evalue.splitlines() if line.strip()), "")
        first = next((line for line in error.source.splitlines() if line.strip() and not line.startswith("#")), "")
        where = f"{step.name}, cell {error.exec_count}: {first.strip()}"
        if error.ename == "InputError":
            raise InputError(f"{line} [{where}; {resume}]") from None
        if disk_is_full(f"{error.ename}: {line}"):
            raise InputError(f"the disk is full: free some space [{where}; {resume}]") from None
        raise NotebookFailed(f"{where}\n  {error.ename}: {line}\n  executed copy: {target}\n  {resume}") from None
    except CellTimeoutError:
        raise NotebookFailed(f"{step.name}: a cell ran longer than {cell_timeout} s\n  {resume}") from None
    except DeadKernelError:
        raise NotebookFailed(f"{step.name}: the kernel died, most often for want of memory\n  {resume}") from None
    finally:
        if target.exists():
            _tidy_copy(target)


def _tidy_copy(target: Path) -> None:
    """No paths of this machine in papermill's metadata, and no figures of the published run beside the copy's own."""
    notebook = json.loads(target.read_text("utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if PUBLISHED not in cell["metadata"].get("tags", [])]
    noted = notebook["metadata"].get("papermill", {})
    noted |= {key: Path(noted[key]).name for key in ("input_path", "output_path") if noted.get(key)}
    write_json(target, notebook)


def _read_state(folder: Path) -> dict[str, dict]:
    """What earlier runs finished; nothing in a fresh clone, where the report is there but not the artefacts."""
    record = folder / "run.json"
    if not (folder / "artefacts").is_dir() or not record.is_file():
        return {}
    return json.loads(record.read_text("utf-8"))["notebooks"]


def reproduce(run: Run, force: bool = False, start: str | None = None) -> Path:
    """Run what is not finished yet and return the run folder.

    `force` repeats every notebook; `start` ("04" or the name) repeats that one and those after it.
    Raises InputError (bad parameters, bad input data, full disk), NotebookFailed, and KeyboardInterrupt with the
    command to go on.
    """
    from autorefine_lib.progress import NotebookLines

    steps = resolve_parameters(read_steps(run.notebooks), run.profile, run.overrides)
    chosen = read_profiles()[run.profile]
    starts = [step.name for step in steps if start and step.name.startswith(start)]
    if start and not starts:
        raise InputError(f"--from {start}: no such notebook; one of {', '.join(step.name for step in steps)}")

    folder = run.folder
    state = _read_state(folder)
    (folder / "artefacts").mkdir(parents=True, exist_ok=True)
    (folder / "notebooks").mkdir(exist_ok=True)
    facts: dict[str, Any] = {"profile": run.profile, "command": run.command, "commit": provenance.commit()}
    facts |= {"versions": provenance.versions(), "device": provenance.device()}

    def save() -> None:
        write_json(folder / "run.json", {**facts, "notebooks": state})

    library, before, repeat = provenance.library_hash(), "", force
    with _set_environment(chosen["offline"]), NotebookLines(len(steps)) as lines:
        for step in steps:
            repeat = repeat or step.name in starts
            before = fingerprint(step, library, before)
            target = folder / "notebooks" / step.path.name
            done = state.get(step.name, {})
            if not repeat and (done.get("status"), done.get("fingerprint")) == ("done", before) and target.exists():
                lines.skip(step.name)
                continue
            # Whatever comes after a notebook that ran reads new files, so it runs too.
            repeat = True
            state[step.name] = {"status": "running", "parameters": step.parameters, "seconds": done.get("seconds")}
            save()
            began = time.monotonic()
            lines.begin(step.name, done.get("seconds") or chosen["seconds"].get(step.name))
            try:
                _execute(step, target, run, chosen["cell_timeout"])
                seconds = round(time.monotonic() - began, 1)
                state[step.name] |= {"status": "done", "seconds": seconds, "fingerprint": before}
            except KeyboardInterrupt:
                state[step.name]["status"] = "interrupted"
                raise KeyboardInterrupt(f"stopped in {step.name}; to go on: {run.command}") from None
            except Exception:
                state[step.name]["status"] = "failed"
                raise
            finally:
                save()
            lines.finish(f"done in {clock(seconds)}")
    return folder
