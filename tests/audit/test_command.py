"""The audit command: a mistake in the files or options is one line, and the numbers come out in each form."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from autorefine_lib import cli

runner = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    ads = pd.DataFrame({"job_id": ["1", "2", "3"], "occupation": ["nurse", "nurse", "dj"]})
    genders = ["f", "m"] * 10
    men = pd.DataFrame({"candidate_id": range(20), "occupation": ["nurse", "nurse", "dj", "dj"] * 5, "gender": genders})
    ads.to_csv(tmp_path / "ads.csv", index=False)
    men.to_csv(tmp_path / "people.csv", index=False)
    np.save(tmp_path / "scores.npy", rng.random((3, 20)))
    return tmp_path


def run(folder: Path, *more: object, **options: object) -> tuple[int, str, str]:
    """The command on the files of `folder`; options replace or, with None, drop those of a good call."""
    good = {"jobs": folder / "ads.csv", "candidates": folder / "people.csv", "scores": folder / "scores.npy", "k": 3}
    words = [word for name, value in (good | options).items() if value is not None
             for word in (f"--{name.replace('_', '-')}", str(value))]  # fmt: skip
    result = runner.invoke(cli.app, ["audit", *words, *map(str, more)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def _write(name: str, content: bytes | str):
    data = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / name).write_bytes(data)


def _edit(name: str, change):
    def apply(folder: Path) -> None:
        table = change(pd.read_csv(folder / name, dtype=str, keep_default_na=False))
        table.to_csv(folder / name, index=False)

    return apply


def _save(array):
    return lambda folder: np.save(folder / "scores.npy", array)


def _pairs(change):
    def apply(folder: Path) -> None:
        scores = np.load(folder / "scores.npy")
        rows = [(str(j + 1), str(c), scores[j, c]) for j in range(3) for c in range(20)]
        table = pd.DataFrame(rows, columns=["job_id", "candidate_id", "score"])
        change(table).to_csv(folder / "scores.csv", index=False)

    return apply


PAIRS = {"scores": "scores.csv"}
MISTAKES = {
    "no such file": (None, {"jobs": "none.csv"}, "none.csv: no such file"),
    "no scores file": (None, {"scores": "none.npy"}, "none.npy: no such file"),
    "a spreadsheet": (_write("scores.xlsx", "x"), {"scores": "scores.xlsx"}, "suffix '.xlsx' is not one of .npy"),
    "empty file": (_write("people.csv", b""), {}, "the file is empty"),
    "header only": (_write("ads.csv", "job_id,occupation\n"), {}, "no rows"),
    "no encoding": (_write("ads.csv", b"job_id,occupation\n1,Krankenpfl\x81ger\n"), {}, "is not UTF-8"),
    "a formula": (
        _write("ads.csv", "job_id,occupation\n1,=cmd|'/C calc'!A0\n"),
        {},
        "row 1 of 'occupation' is a formula",
    ),
    "one name twice": (_write("people.csv", "gender;gender\nf;m\n"), {}, "two columns have the name 'gender'"),
    "a mapped column": (None, {"map": "text=body"}, "no column 'body' among job_id, occupation, candidate_id, gender"),
    "a value": (None, {"values": "gender:0=male"}, "'gender' has no value '0' for --values, only f, m"),
    "no id column": (_edit("people.csv", lambda t: t.rename(columns={"candidate_id": "id"})), {}, "'candidate_id'"),
    "no attribute": (None, {"groups": "gendr"}, "rename 'gender'"),
    "no groups": (None, {"groups": " , "}, "no attribute"),
    "all unknown": (_edit("people.csv", lambda t: t.assign(gender="")), {}, "all candidates are unknown in"),
    "doubled ids": (
        _edit("people.csv", lambda t: t.assign(candidate_id="7")),
        {},
        "'candidate_id' repeats another in 19 rows",
    ),
    "one occupation": (_edit("people.csv", lambda t: t.drop(columns="occupation")), {}, "no column 'occupation'"),
    "text missing": (None, {"scores": None}, "no column 'text'"),
    "long texts": (None, {"long_texts": "mean"}, "--long-texts mean: only for an embedding model"),
    "k of 0": (None, {"k": 0}, "k=0"),
    "negative k": (None, {"k": -1}, "k=-1"),
    "k above all": (None, {"k": 21}, "is not between 1 and 20, the size of the pool"),
    "k above the qualified": (None, {"k": 11}, "larger than the pool of every ad: the largest has 10"),
    "threshold": (None, {"threshold": 8}, "threshold=8"),
    "wrong shape": (_save(np.zeros((3, 19))), {}, "scores.npy gives shape (3, 19), not (3, 20)"),
    "transposed": (_save(np.zeros((20, 3))), {}, "this is the transpose"),
    "one row": (_save(np.zeros(20)), {}, "shape (20,)"),
    "NaN": (_save(np.full((3, 20), np.nan)), {}, "scores.npy: the score of ad '1', candidate '0' is missing"),
    "infinity": (_save(np.full((3, 20), np.inf)), {}, "score of ad '1', candidate '0' is missing or not"),
    "texts": (_save(np.full((3, 20), "high")), {}, "scores.npy gives something else instead of numbers"),
    "objects": (lambda f: np.save(f / "scores.npy", np.full((3, 20), None), allow_pickle=True), {}, "not a matrix"),
    "no matrix": (_write("scores.npy", "0.1 0.2"), {}, "not a matrix in NumPy's format"),
    "cut off": (lambda f: (f / "scores.npy").write_bytes((f / "scores.npy").read_bytes()[:300]), {}, "not a matrix"),
    "missing pair": (_pairs(lambda t: t.iloc[1:]), PAIRS, "ad '1', candidate '0' is missing or not a finite number"),
    "doubled pair": (_pairs(lambda t: pd.concat([t, t.head(2)])), PAIRS, "'1', '0' occurs twice (2 rows"),
    "another ad": (_pairs(lambda t: t.replace({"job_id": {"3": "9"}})), PAIRS, "job_id '9' in row 41"),
    "another person": (_pairs(lambda t: t.replace({"candidate_id": {"3": "x"}})), PAIRS, "'x' in row 4"),
    "no number": (
        _pairs(lambda t: t.assign(score="high")),
        PAIRS,
        "ad '1', candidate '0' is missing or not a finite number",
    ),
    "score column": (_pairs(lambda t: t.rename(columns={"score": "s"})), PAIRS, "no column 'score'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_code_2(folder: Path, case: str, monkeypatch):
    prepare, options, message = MISTAKES[case]
    if prepare:
        prepare(folder)
    monkeypatch.chdir(folder)
    code, out, error = run(folder, **options)
    assert code == 2 and not out
    assert len(error.strip().splitlines()) == 1 and error.startswith("error: ") and message in error, error


def test_out_that_is_a_file(folder: Path):
    code, _, error = run(folder, out=folder / "ads.csv")
    assert code == 2 and "is a file" in error


def test_exit_codes_text_json_and_page(folder: Path):
    code, out, _ = run(folder)
    assert code == 0 and "gender, qualified candidates" in out and "No finding at k = 3" in out
    scores = np.tile(np.where(np.arange(20) % 2, 1.0, 0.0), (3, 1))
    np.save(folder / "scores.npy", scores)
    code, out, _ = run(folder)
    assert code == 1 and "gender = f: impact ratio 0.000" in out
    code, out, _ = run(folder, "--json")
    result = json.loads(out)
    assert code == 1 and result["findings"] and result["groups"][0]["impact_ratio"] == 0 and result["k"] == 3
    assert run(folder, out=folder / "out")[2].startswith("page: ") and (folder / "out/audit.html").is_file()


def test_pairs_and_matrix_give_the_same_audit(folder: Path):
    _pairs(lambda table: table.sample(frac=1, random_state=0))(folder)
    files = ("scores.npy", "scores.csv")
    matrix, pairs = (json.loads(run(folder, "--json", scores=folder / name)[1]) for name in files)
    assert matrix["groups"] == pairs["groups"] and matrix["quality"] == pairs["quality"]


def test_other_names_and_the_files_of_a_european_spreadsheet(folder: Path, monkeypatch):
    plain = json.loads(run(folder, "--json")[1])
    for name, names in (("ads.csv", {"job_id": "id"}), ("people.csv", {"candidate_id": "key", "gender": "sex"})):
        table = pd.read_csv(folder / name, dtype=str).rename(columns=names).replace({"f": "0", "occupation": "Beruf"})
        table.to_csv(folder / name, index=False, sep=";", encoding="utf-16")
    scores = np.load(folder / "scores.npy")
    rows = [(j + 1, c, f"{scores[j, c]:.17f}".replace(".", ",")) for j in range(3) for c in range(20)]
    pairs = pd.DataFrame(rows, columns=["job_id", "candidate_id", "score"])
    pairs.to_csv(folder / "scores.csv", index=False, sep=";", encoding="utf-8-sig")
    words = ["--map", "candidate_id=key", "--map", "gender=sex", "--values", "gender:0=f"]
    monkeypatch.setattr("sys.argv", ["autorefine", "audit", "--k", "3"])
    code, _, error = run(folder, *words)
    assert code == 2 and error.endswith(
        "ads.csv: no column 'job_id' among id, occupation; rename 'id', or add --map job_id=id to the command: "
        "autorefine audit --k 3 --map job_id=id\n"
    )
    code, out, _ = run(folder, "--json", *words, "--map", "job_id=id", scores=folder / "scores.csv")
    assert json.loads(out)["groups"] == plain["groups"] and json.loads(out)["quality"] == plain["quality"]


def test_texts_that_nobody_reads_to_their_end_are_told_and_can_be_read(folder: Path):
    head = "They know the ward and plan the work of others. " * 30
    jobs = ["lead the ward" if number else head + "Lead." for number in range(3)]
    _edit("ads.csv", lambda table: table.assign(text=jobs))(folder)
    _edit("people.csv", lambda table: table.assign(text=[head + f"Town {number}." for number in range(20)]))(folder)
    code, out, _ = run(folder, scores=None)
    assert code == 0 and "\ncandidates: 20 of 20 longer than the 256 tokens that are read, " in out
    assert "; 20 differ from another only there and have its scores\nads: 1 of 3 longer" in out
    assert "ties across rank 3: qualified candidates: 3 ads; all candidates: 3 ads" in out
    code, out, _ = run(folder, "--json", scores=None, long_texts="mean")
    result = json.loads(out)
    assert result["ads_with_a_tie_across_k"] == {"qualified": 0, "all": 0}
    assert result["facts"]["Long texts"].endswith(
        "ads: 1 of 3 longer than the 256 tokens that are read at once; they are read in parts"
    )


def test_who_has_no_group_is_unknown(folder: Path):
    _edit("people.csv", lambda table: table.assign(gender=[" Unknown", "", "unknown", *table["gender"][3:]]))(folder)
    result = json.loads(run(folder, "--json")[1])
    assert {row["group"]: row["candidates"] for row in result["groups"][:3]} == {"f": 8, "m": 9, "unknown": 3}


def test_no_torch_where_scores_are_given(folder: Path):
    import subprocess
    import sys

    words = [f"--{name}={folder / file}" for name, file in
             (("jobs", "ads.csv"), ("candidates", "people.csv"), ("scores", "scores.npy"))]  # fmt: skip
    code = (
        "import sys; from autorefine_lib import cli; sys.argv[1:] = ['audit', '--k=3', *sys.argv[1:]]\n"
        "try: cli.main()\nexcept SystemExit: print(sorted({'torch', 'sentence_transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
