"""The command line: help, one line and exit code 2 for what a user can get wrong, numbers for what is right."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from tiny_models import tiny_model, tiny_tokenizer
from typer.testing import CliRunner

from autorefine_lib import cli, reproduce
from autorefine_lib.errors import InputError
from autorefine_lib.generator.generator import Generator
from autorefine_lib.ilql import ilql

runner = CliRunner()


def run(*words: object) -> tuple[int, str, str]:
    result = runner.invoke(cli.app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def ads(tmp_path: Path) -> Path:
    frame = pd.DataFrame({"job_id": ["1", "2"], "occupation": ["nurse", "dj"]})
    frame["text"] = ["We seek a caring nurse for our hospital ward.", "A DJ for the weekend nights of our club."]
    frame.to_csv(tmp_path / "ads.csv", index=False)
    return tmp_path / "ads.csv"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rows = []
    for occupation, work in (
        ("nurse", "nurses patients on a hospital ward"),
        ("dj", "plays records in a club at night"),
    ):
        for number in range(4):
            gender = "female" if number % 2 else "male"
            name = f"{'She' if gender == 'female' else 'He'} {work} in town {number}."
            rows.append((f"{occupation}{number}", name, occupation, gender))
    frame = pd.DataFrame(rows, columns=["candidate_id", "text", "occupation", "gender"])
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def test_help_answers_fast_and_has_examples():
    began = time.monotonic()
    page = subprocess.run([sys.executable, "-m", "autorefine_lib.cli", "--help"], capture_output=True, text=True)
    assert page.returncode == 0 and time.monotonic() - began < 5
    assert all(command in page.stdout for command in ("reproduce", "audit", "check", "rewrite", "faithful", "bench"))
    for command in ("reproduce", "audit", "check", "rewrite", "faithful", "bench"):
        code, out, _ = run(command, "--help")
        assert code == 0 and f"autorefine {command}" in out and "Examples" in out


def test_audit_prints_ratios_with_intervals_and_n(ads: Path, people: Path):
    code, out, _ = run("audit", "--jobs", ads, "--candidates", people, "--k", 2)
    assert code == 0
    for words in ("2 ads, 8 candidates, k = 2", "gender, qualified candidates", "female", "MRR"):
        assert words in out
    code, out, _ = run("audit", "--jobs", ads, "--candidates", people, "--k", 2, "--json")
    result = json.loads(out)
    assert (result["ads"], result["candidates"], result["k"]) == (2, 8, 2)
    assert {(row["pool"], row["group"], row["candidates"]) for row in result["groups"]} == {
        (pool, group, n) for pool in ("qualified", "all") for group, n in (("female", 4), ("male", 4), ("unknown", 0))
    }
    known = [row for row in result["groups"] if row["group"] != "unknown"]
    for row in known:
        assert row["selection_rate"] == pytest.approx(row["selected"] / row["available"])
        assert row["impact_ratio"] == pytest.approx(row["selection_rate"] / row["reference_rate"])
    assert max(row["impact_ratio"] for row in known) == 1.0
    assert result["quality"][0]["value"] == 1.0, "each ad ranks its own occupation first"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--k", "5"), "k=5 is larger than the pool"),
        (("--groups", "gendr"), "rename 'gender'"),
        (("--recommender", "no/such-model"), "no/such-model"),
        (("--jobs", "none.csv"), "no such file"),
    ],
)
def test_audit_mistakes_are_one_line(ads: Path, people: Path, words: tuple[str, ...], message: str, monkeypatch):
    # Not the environment variable, which is read when the module is imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    options = {"--jobs": str(ads), "--candidates": str(people), "--k": "2"} | dict([words])
    code, _, error = run("audit", *[word for pair in options.items() for word in pair])
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert code == 2 and len(lines) == 1 and message in lines[0]


def test_reproduce_hands_other_names_to_the_notebooks(monkeypatch):
    seen = []
    monkeypatch.setattr("autorefine_lib.reproduce.reproduce", lambda run, force, start: seen.append(run) or Path("x"))
    monkeypatch.setattr("autorefine_lib.report.pages.write_index", lambda folder: folder)
    words = ("--set", "k=3", "--map", "text=Stellentext für", "--map", "job_id=#", "--values", "gender:0=male")
    assert run("reproduce", "--profile", "local", *words)[0] == 0
    lists = ['rename_columns=["text=Stellentext für", "job_id=#"]', 'rename_values=["gender:0=male"]']
    assert seen[0].overrides == ["k=3", *lists]
    steps = reproduce.resolve_parameters(reproduce.read_steps(reproduce.NOTEBOOKS), "local", lists)
    data = next(step for step in steps if step.name == "01_data_prep")
    assert data.parameters["rename_columns"] == ["text=Stellentext für", "job_id=#"]


def test_check_prints_findings_and_says_so_by_its_code(ads: Path, people: Path):
    code, out, _ = run("check", ads, people)
    assert code == 1 and len(out.splitlines()) == 6 and "fewer than 3 sentences in 2 rows" in out.splitlines()[0]
    text = "You will work with the team. You like it. They do too."
    ads.write_text(f"job_id,text\n1,{text}\n")
    assert run("check", ads) == (0, "no finding\n", "")
    code, out, error = run("check", ads, "--map", "text=body")
    assert (code, out, error.count("\n")) == (2, "", 1) and "no column 'body' among job_id, text" in error


@pytest.fixture
def fake_policy(monkeypatch):
    """A generator that turns "driven" into "committed"."""

    def complete(self, sources, temperature=0.0, seed=0, progress=True):
        return [source.replace("driven", "committed") for source in sources]

    monkeypatch.setattr(Generator, "complete", complete)
    monkeypatch.setattr(ilql, "load_policy", lambda _: Generator(tiny_model("llama"), tiny_tokenizer()))


AD = "Nurse\n\nWe are looking for a driven nurse for our ward."


def test_rewrite_prints_the_ads_and_says_why_one_stays(tmp_path: Path, fake_policy):
    (tmp_path / "ad.txt").write_text(AD + "\n")
    (tmp_path / "empty.txt").write_text("")
    code, out, error = run("rewrite", tmp_path / "ad.txt", tmp_path / "empty.txt", tmp_path / "ad.txt")
    changed = AD.replace("driven", "committed")
    assert code == 0 and out == f"{changed}\n---\n\n---\n{changed}\n"
    assert error == "empty.txt: the ad is empty\n"


def test_rewrite_prints_one_object_an_ad(tmp_path: Path, fake_policy):
    (tmp_path / "ads.csv").write_text('\ufeffText;Job_ID\n"' + AD + '";2\nNurse;1\n', encoding="utf-8")
    code, out, error = run("rewrite", tmp_path / "ads.csv", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and error == "" and [record["job_id"] for record in records] == ["2", "1"]
    assert [record["rewrite"] for record in records] == [AD.replace("driven", "committed"), "Nurse"]
    assert records[0]["edits"][0]["position"] == AD.index("We") and records[1]["note"].startswith("nothing to rewrite")


def test_rewrite_mistakes_are_one_line(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "ad.txt").write_text(AD)
    for words, message in (
        ((tmp_path / "none.txt",), "cannot be read"),
        ((tmp_path / "ad.txt", "--policy", tmp_path / "none"), "could not be loaded"),
    ):
        code, _, error = run("rewrite", *words)
        assert code == 2 and message in error and len(error.strip().splitlines()) == 1


def test_bench_of_something_else():
    code, _, error = run("bench", "speed")
    assert code == 2 and "one of rank, rewrite, ppo" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--profile", "tiny"), "unknown profile 'tiny': one of smoke, embedded, paper, local"),
        (("--set", "k"), "write it as name=value"),
    ],
)
def test_reproduce_mistakes(words: tuple[str, str], message: str, tmp_path: Path):
    code, _, error = run("reproduce", "--out", tmp_path / "run", *words)
    assert code == 2 and message in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("no column"), 2, "error: no column"),
        (OSError(28, "No space left on device"), 2, "error: the disk is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 2, "error: the disk is full"),
        (KeyboardInterrupt("stopped; to go on: x"), 130, "stopped; to go on: x"),
    ],
)
def test_errors_of_a_user_never_show_a_traceback(monkeypatch, error: BaseException, code: int, message: str):
    def fail(what: str, bf16: bool) -> None:
        raise error

    monkeypatch.setattr("autorefine_lib.bench.speed.measure", fail)
    found, _, printed = run("bench", "rank")
    assert found == code and printed.startswith(message) and len(printed.strip().splitlines()) == 1


def test_other_errors_are_not_hidden(monkeypatch):
    def fail(what: str, bf16: bool) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("autorefine_lib.bench.speed.measure", fail)
    assert isinstance(runner.invoke(cli.app, ["bench", "rank"]).exception, ZeroDivisionError)


def test_faithful_judges_a_file_as_users_save_it(tmp_path: Path):
    pairs = tmp_path / "pairs.csv"
    rows = ["Source;Rewrite", "No calls please;Calls please", "Repair trucks.;You will fix trucks.", ";x", "y;", ";"]
    pairs.write_text("\n".join(rows), encoding="utf-8-sig")
    code, out, _ = run("faithful", pairs, "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [record["accepted"] for record in records] == [False, True, False, False, False]
    assert records[0] == {"accepted": False, "reasons": ["has 0 negations for 1"], "guards": ["polarity"]}
    assert records[2]["reasons"] == ["the source is empty"] and records[3]["reasons"] == ["is empty"]
    code, out, _ = run("faithful", pairs)
    assert out.splitlines()[:2] == ["1: refused: has 0 negations for 1", "2: accepted"]
    assert out.splitlines()[-1] == "accepted: 1 of 5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("source,rewrite\n", "no pairs below the header"),
        ("a,b\n1,2\n", "no column 'source' among a, b"),
        ("source,rewrite\none, two,three\n", "put texts with ',' in quotes"),
        ("source,rewrite\na,b,c\nd,e\nf,g,h,i\n", "not readable as CSV"),
    ],
)
def test_faithful_mistakes_are_one_line(text: str, message: str, tmp_path: Path):
    (tmp_path / "pairs.csv").write_text(text)
    code, _, err = run("faithful", tmp_path / "pairs.csv")
    assert code == 2 and err.startswith("error: ") and message in err and err.count("\n") == 1
