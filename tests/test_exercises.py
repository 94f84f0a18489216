"""The exercises are those of their sources, every solution runs and is right, and no check passes without an answer."""

import importlib.util
import warnings
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from autorefine_lib.reproduce import KERNEL, NOTEBOOKS

FOLDER = NOTEBOOKS / "exercises"
PATHS = sorted(FOLDER.glob("*.ipynb"))
# For each exercise a wrong answer, and a piece of what each check on it says.
WRONG = {
    "00_tour": [
        ("may_be_rewritten = [1, 2, 4, 6]", "line 6 is left alone, because it is a legal statement"),
        ("accepted = refused = SENTENCE", "the sentence itself"),
        ("likelier = {0, 2}", "you compare with 0"),
        ("before, times = 0.1, 1.1052", "the change of one token"),
    ],
    "02_baseline": [
        ("rate_of_women, rate_of_men, impact_ratio, fewest_women = 4 / 30, 0.3, 2.25, 5", "men against women", "0.67"),
        ("ratio_whole, ratio_qualified = 4, 0.44", "8 / 2 divides numbers"),
        ("whole_nurse, whole_surgeon, qualified_both = 7.36, 4, 1", "the surgeon's week"),
        ("def resample(selected):\n    return generator.permutation(selected)", "only put in another order"),
        ("factor = 0.25", "the variance a quarter"),
    ],
    "05_ilql": [
        ("expectile_50, expectile_90 = 0, 0.9", "0 is the median"),
        (
            "def find_loss(m, tau):\n    u = EARNED - m\n    return (np.where(u > 0, 1 - tau, tau) * u**2).mean()",
            "wrong way",
        ),
        ("def perturb(p, q, v, beta):\n    return p * np.exp(beta * (q - v))", "Divide by their sum"),
        ("the_curve = 'a'", "what Q promises"),
    ],
    "09_result_tables": [
        ("paired = before - after", "the sign is turned around"),
        ("adjusted = [0.04, 0.08, 0.088, 1]", "Bonferroni"),
        ("chance = 0.2", "counts twice"),
        ("allowed = {'B', 'C'}", "C goes too far"),
    ],
}


@pytest.fixture(scope="module")
def cutter():
    spec = importlib.util.spec_from_file_location("cut", FOLDER / "cut.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def test_a_stale_notebook_is_refused(cutter, tmp_path: Path):
    fresh = {path.relative_to(tmp_path): path.read_bytes() for path in cutter.cut_all(tmp_path)}
    stored = {path.relative_to(FOLDER): path.read_bytes() for path in [*PATHS, *FOLDER.glob("solutions/*.ipynb")]}
    assert stored.keys() == fresh.keys()
    assert [str(name) for name in fresh if fresh[name] != stored[name]] == [], "run `make exercises`"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_house_rules(path: Path, cutter):
    source = jupytext.read(FOLDER / f"source/{path.stem}.py", fmt="py:percent")
    code = [cell for cell in source.cells if cell.cell_type == "code"]
    assert not [cell.source.splitlines()[0] for cell in code if len(cell.source.splitlines()) > 15]
    kinds = [next(iter(cell.metadata.get("tags", [])), "") for cell in code]
    assert set(kinds) <= {"", "exercise", "solution", "check"}
    assert kinds.count("exercise") >= 2 and len(tagged(source, "check")) >= kinds.count("exercise")
    after = [(kind, following) for kind, following in zip(kinds, kinds[1:], strict=False)]
    assert all((kind == "exercise") == (following == "solution") for kind, following in after)
    assert (NOTEBOOKS / path.name).exists(), "named after the notebook that it belongs to"
    assert nbformat.read(path, as_version=4).cells[0].source.startswith(f"# Exercises {path.stem[:2]} ")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_solutions_are_right(path: Path):
    """Each runs in a kernel of its own, as a reader runs it."""
    notebook = nbformat.read(FOLDER / "solutions" / path.name, as_version=4)
    folder = {"metadata": {"path": str(FOLDER / "solutions")}}
    NotebookClient(notebook, timeout=120, kernel_name=KERNEL, resources=folder).execute()
    wrong = [cell.source + printed(cell) for cell in tagged(notebook, "check") if "Right" not in printed(cell)]
    assert not wrong, wrong[0]


def run_here(path: Path, capsys: pytest.CaptureFixture, answers: list[str] | None = None) -> list[str]:
    """What the checks say where the exercises are left as they are, or the solutions are replaced by `answers`."""
    notebook, names, said = nbformat.read(path, as_version=4), {"__name__": "exercises"}, []
    left = iter(answers or [])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            source = next(left) if answers and cell in tagged(notebook, "exercise") else cell.source
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a figure that no screen shows
                exec(compile(source, cell.id, "exec"), names)
            out = capsys.readouterr().out
            said += [out] * (cell in tagged(notebook, "check"))
    return said


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_check_passes_without_an_answer(path: Path, capsys):
    """A reader who runs all cells at once sees no traceback, and is not told that an empty answer is right."""
    said = run_here(path, capsys)
    assert said and all("No answer yet" in one and "Right" not in one for one in said), said


@pytest.mark.parametrize("stem", WRONG)
def test_a_common_wrong_answer_is_explained(stem: str, capsys):
    said = run_here(FOLDER / f"{stem}.ipynb", capsys, [answer for answer, *_ in WRONG[stem]])
    hints = [hint for _, *of_answer in WRONG[stem] for hint in of_answer]
    assert len(said) == len(hints)
    assert [one for one, hint in zip(said, hints, strict=True) if hint not in one or "Right" in one] == []
