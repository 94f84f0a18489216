"""The command line: help, one line and exit code 2 for what a user can get wrong, numbers for what is right."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from docx import Document
from tiny_models import tiny_model, tiny_tokenizer
from typer.testing import CliRunner

from autorefine_lib import cli, reproduce
from autorefine_lib.errors import InputError
from autorefine_lib.evaluation.choose import NOT_MEASURED
from autorefine_lib.generator.generator import Generator
from autorefine_lib.ilql import ilql
from autorefine_lib.recommender.dense import DenseRecommender

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
    """A generator that turns "driven" into "committed", that into "motivated", and six into nine."""
    words = {"committed": "motivated", "driven": "committed", "six": "nine"}

    def complete(self, sources, temperature=0.0, seed=0, progress=True):
        return [re.sub("|".join(words), lambda found: words[found[0]], source) for source in sources]

    monkeypatch.setattr(Generator, "complete", complete)
    monkeypatch.setattr(ilql, "load_policy", lambda _: Generator(tiny_model("llama"), tiny_tokenizer()))


AD = "Nurse\n\nWe are looking for a driven nurse for our ward."


def test_rewrite_prints_the_ads_and_says_why_one_stays(tmp_path: Path, fake_policy):
    (tmp_path / "ad.txt").write_text(AD + "\n")
    (tmp_path / "empty.txt").write_text("")
    code, out, error = run("rewrite", tmp_path / "ad.txt", tmp_path / "empty.txt", tmp_path / "ad.txt")
    changed = AD.replace("driven", "committed")
    assert code == 0 and out == f"{changed}\n---\n\n---\n{changed}\n"
    assert error == f"empty.txt: the ad is empty\n{NOT_MEASURED}\n"


def test_rewrite_prints_one_object_an_ad(tmp_path: Path, fake_policy):
    (tmp_path / "ads.csv").write_text('\ufeffText;Job_ID\n"' + AD + '";2\nNurse;1\n', encoding="utf-8")
    code, out, error = run("rewrite", tmp_path / "ads.csv", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [record["job_id"] for record in records] == ["2", "1"]
    assert error == f"{NOT_MEASURED}\n" and "measured" not in records[0]
    assert [record["rewrite"] for record in records] == [AD.replace("driven", "committed"), "Nurse"]
    assert records[0]["edits"][0]["position"] == AD.index("We") and records[1]["note"].startswith("nothing to rewrite")


HTML = f"<h1>Nurse</h1>\n<p class='a'>{AD.splitlines()[2]}</p><p>We are <b>driven</b> and kind.</p>"


@pytest.fixture
def led_by_men(tmp_path: Path, monkeypatch) -> Path:
    """20 men and 20 women, ranked by a recommender that lifts the women where an ad says "committed"."""
    women = np.arange(40) % 2 == 1

    def rank(self, ads: list[str]) -> np.ndarray:
        return np.stack([np.linspace(1, 0, 40) - women * (0.1 if "committed" in ad else 0.4) for ad in ads])

    monkeypatch.setattr(DenseRecommender, "__init__", lambda self: None)
    monkeypatch.setattr(DenseRecommender, "fit", lambda self, people: self)
    monkeypatch.setattr(DenseRecommender, "rank", rank)
    monkeypatch.setattr(DenseRecommender, "embed", lambda self, texts: np.ones((len(texts), 1)))
    frame = pd.DataFrame({"candidate_id": range(40), "bio": "x", "gender": np.where(women, "1", "0")})
    frame.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


NAMES = ("--map", "text=bio", "--values", "gender:1=female", "--values", "gender:0=male", "--k", "8")


def test_rewrite_chooses_by_the_effect_on_candidates(tmp_path: Path, fake_policy, led_by_men: Path):
    files = {"ad.txt": AD, "ad.html": HTML, "away.txt": "We seek a committed nurse.", "empty.txt": ""}
    files["six.txt"] = "You will work in a team of six people."
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    words = ("rewrite", *(tmp_path / name for name in files), "--candidates", led_by_men, *NAMES)
    code, out, error = run(*words, "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [record["job_id"] for record in records] == list(files)
    assert [record["original"] for record in records] == list(files.values())
    keys = ["job_id", "original", "rewrite", "edits", "refused", "note", "measured"]
    assert all(list(record) == keys and record["measured"] is True for record in records)
    source = AD.splitlines()[2]
    for record, text in zip(records, (AD, HTML), strict=False):
        assert record["rewrite"] == text.replace(source, source.replace("driven", "committed"))
        [edit] = record["edits"]
        assert list(edit) == ["source", "rewrite", "position", "reason", "effect"] and edit["effect"] > 0
        assert text[edit["position"] :].startswith(edit["source"])
    notes = ["no accepted rewrite brings the groups closer", "the ad is empty", "rewrites refused: 1 (facts 1"]
    assert all(record["note"].startswith(note) for record, note in zip(records[2:], notes, strict=True))
    lines = error.splitlines()
    shown = error
    assert lines[0] == "measured with 40 candidates and all-MiniLM-L6-v2: 4 ads, k = 8"
    assert lines[1] == "sentences changed: 2, in 2 ads; rewrites refused: 1"
    assert lines.pop(2).startswith("gap by the soft selection, 0 at parity: ")
    assert lines[2].startswith("impact ratio, female to male: 0.") and " after" in lines[2]
    assert lines[3].startswith("of the 8 places of an ad the same people keep ") and "coarse" in lines[4]
    code, out, error = run(*words)
    assert code == 0 and out.count("---\n") == 4 and error.endswith(shown)
    assert error.startswith(f"ad.txt: effect {records[0]['edits'][0]['effect']:+.4f}, consider feminine-coded words in")


def test_rewrite_of_many_ads_has_intervals(tmp_path: Path, fake_policy, led_by_men: Path):
    for ads in ([AD] * 10, ["We seek a committed nurse."] * 10):
        pd.DataFrame({"job_id": "same", "text": ads, "occupation": "nurse"}).to_csv(tmp_path / "ads.csv", index=False)
        code, out, error = run("rewrite", tmp_path / "ads.csv", "--candidates", led_by_men, *NAMES, "--samples", 1)
        assert code == 0 and out.count("---\n") == 9 and "coarse" not in error and "after, change " in error
        assert "holds 0" not in error, "all ads change alike, or none does"
        assert ("sentences changed: 10" in error) == (ads[0] == AD)


def test_rewrite_writes_a_batch_and_a_document(tmp_path: Path, fake_policy):
    table, out = tmp_path / "ads.csv", tmp_path / "out.jsonl"
    pd.DataFrame({"job_id": ["1", "2"], "text": [AD, "Nurse"]}).to_csv(table, index=False)
    assert run("rewrite", table, "--out", out)[:2] == (0, "")
    first = out.read_text()
    assert [json.loads(line)["rewrite"] for line in first.splitlines()] == [AD.replace("driven", "committed"), "Nurse"]
    assert run("rewrite", table, "--out", out)[0] == 0 and out.read_text() == first
    code, _, error = run("rewrite", table, "--out", out, "--policy", "smollm2")
    assert code == 2 and "line 1 has another policy than ad 1" in error and error.count("\n") == 1
    document = Document()
    document.add_paragraph(AD.partition("\n\n")[2])
    document.save(tmp_path / "ad.docx")
    assert run("rewrite", tmp_path / "ad.docx")[1] == AD.partition("\n\n")[2].replace("driven", "committed") + "\n"
    assert run("rewrite", tmp_path / "ad.docx", "--out", tmp_path / "new.docx") == (0, "", NOT_MEASURED + "\n")
    assert Document(tmp_path / "new.docx").paragraphs[0].text.startswith("We are looking for a committed nurse")
    code, _, error = run("rewrite", tmp_path / "ad.docx", "--out", tmp_path / "new.docx")
    assert code == 2 and "new.docx: is there already; give a new name" in error and error.count("\n") == 1


def test_rewrite_writes_chosen_rewrites_at_the_end(tmp_path: Path, fake_policy, led_by_men: Path):
    (tmp_path / "ad.txt").write_text(AD)
    words = ("rewrite", tmp_path / "ad.txt", "--candidates", led_by_men, *NAMES)
    _, printed, said = run(*words, "--json")
    assert run(*words, "--out", tmp_path / "out.jsonl") == (0, "", said)
    assert (tmp_path / "out.jsonl").read_text() == printed
    code, _, error = run(*words, "--out", tmp_path / "out.jsonl")
    assert code == 2 and "out.jsonl: is there already" in error and error.count("\n") == 1


def test_rewrite_mistakes_are_one_line(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "ad.txt").write_text(AD)
    for words, message in (
        ((tmp_path / "none.txt",), "cannot be read"),
        ((tmp_path / "ad.txt", "--policy", tmp_path / "none"), "could not be loaded"),
    ):
        code, _, error = run("rewrite", *words)
        assert code == 2 and message in error and len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--k", "41"), "k=41 is not between 1 and 40"),
        (("--k", "40"), "k=40 selects every candidate"),
        (("--samples", "0"), "samples=0 is below 1"),
        (("--attribute", "gendr"), "no column 'gendr' among candidate_id, text, gender"),
        (("--values", "gender:2=x"), "'gender' has no value '2' for --values"),
        (("--values", "gender:1=male"), "'gender' has 'male' 40; a ratio compares two groups or more"),
        (("--candidates", "none.csv"), "none.csv: no such file"),
    ],
)
def test_rewrite_mistakes_with_candidates(
    words: tuple[str, str], message: str, tmp_path: Path, fake_policy, led_by_men: Path, monkeypatch
):
    (tmp_path / "ad.txt").write_text(AD)
    monkeypatch.chdir(tmp_path)
    code, out, error = run("rewrite", "ad.txt", "--candidates", led_by_men, *NAMES, *words)
    assert (code, out) == (2, "") and message in error and len(error.strip().splitlines()) == 1
    (tmp_path / "ad.txt").write_text("Wir suchen eine Pflegekraft für unsere Station.")
    assert "no ad with English text" in run("rewrite", "ad.txt", "--candidates", led_by_men, *NAMES)[2]


def test_a_policy_of_whole_ads_does_not_choose(tmp_path: Path, led_by_men: Path, monkeypatch):
    monkeypatch.setattr(ilql, "load_policy", lambda _: Generator(tiny_model("llama"), tiny_tokenizer(), "ad"))
    (tmp_path / "ad.txt").write_text(AD)
    code, _, error = run("rewrite", tmp_path / "ad.txt", "--candidates", led_by_men, *NAMES)
    assert code == 2 and "--candidates needs one that rewrites sentence by sentence" in error


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
        (IsADirectoryError(21, "Is a directory", "x"), 2, "error: x: Is a directory; give another path"),
        (PermissionError(13, "Permission denied", "x"), 2, "error: x: Permission denied; give another path"),
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
