"""Findings in a user's files: each kind by hand, none where there is nothing, and never a text in a message."""

import pandas as pd
import pytest

from autorefine_lib.data import check_files
from autorefine_lib.errors import InputError

AD = "{0} Our {1} ward is {1} and you like {1}. With {1} you get {1}."
WORDS = ["red", "blue", "green", "white", "black", "brown", "grey", "pink", "gold", "lime"]
TASKS = [
    "Write to the owners of the boats.", "Mend nets when it rains outside.", "Carry the boxes of that old kitchen.",
    "Count coins at night in our shop.", "Teach their children how to swim.", "Bake the bread before you open.",
    "Drive your van into the harbour.", "Paint those walls with other people.", "Sing while they wash the floors.",
    "Plant trees between both rivers.",
]  # fmt: skip


def ads() -> pd.DataFrame:
    texts = [AD.format(task, word) for task, word in zip(TASKS, WORDS, strict=True)]
    return pd.DataFrame({"job_id": range(10), "title": "Nurse", "text": texts, "occupation": "nurse"})


def people() -> pd.DataFrame:
    texts = [f"They like {word} and work here. {task}" for task, word in zip(TASKS, WORDS, strict=True)]
    return pd.DataFrame(
        {"candidate_id": range(10), "text": texts, "occupation": "nurse", "gender": ["female", "male"] * 5}
    )


def put(text: str, column: str = "text", row: int = 1):
    return lambda table: table.assign(**{column: [*table[column][:row], text, *table[column][row + 1 :]]})


def check(tmp_path, of_ads: pd.DataFrame, of_people: pd.DataFrame, **options) -> list[str]:
    of_ads.to_csv(tmp_path / "ads.csv", index=False, sep=";")
    of_people.to_json(tmp_path / "people.jsonl", orient="records", lines=True)
    found = check_files.check_files([f"{tmp_path}/ads.csv", f"{tmp_path}/people.jsonl"], **options)
    assert all("\n" not in line for line in found)
    return [line.replace(f"{tmp_path}/", "") for line in found]


def test_good_files_have_no_finding(tmp_path):
    assert check(tmp_path, ads(), people()) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (put(""), "the text is empty in row 2; fill it in or remove them"),
        (put(ads()["text"][0].upper() + " 7"), "the text repeats another word for word in row 2; remove the copies"),
        (put(ads()["text"][0] + " Apply today."), "the text is nearly the same as another in row 2; keep one of each"),
        (put("Wir suchen ab sofort eine Pflegekraft. Sie sind nett. Wir."), "the text is not in English in row 2;"),
        (put("نحن نبحث عن ممرضة للعمل في المستشفى"), "the text is not in English in row 2;"),
        (put("The ward and the team. Ask us for the job."), "the ad has fewer than 3 sentences in row 2; give"),
        (put("This is a job. It is for you. Research &amp; more."), "the text has left-overs of HTML in row 2;"),
        (put("<p>This is a job.</p>\nIt is for you.\nAnd for them."), "the text has left-overs of HTML in row 2;"),
        (put("A job. It is for you. Mail jane.roe@example.org."), "the text has a person's e-mail address in row 2;"),
        (put("A job. It is ours. Do " + "the word " * 254), "the text is longer than the 256 tokens that MiniLM"),
        (lambda t: t.drop(columns="job_id"), "no column 'job_id'; add it, or give --map job_id=YOURS"),
        (put("0", "job_id"), "'job_id' repeats another in row 2; give each row an id of its own"),
        (lambda t: t.assign(split="dev"), "split 'dev' is none of train, validation, test; rename it"),
    ],
)  # fmt: skip
def test_findings_in_ads(tmp_path, change, finding):
    found = check(tmp_path, change(ads()), people())
    assert [line for line in found if line.startswith(f"ads.csv: {finding}")], found
    assert len(found) == 1 or len(found) == 2 and "fewer than 3" in "".join(found), found


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (put("She was born in May 1980 and works with us."), "the text has a date of birth in row 2; take it out"),
        (put("See linkedin.com/in/jane for more of her."), "the text has a personal page in row 2; take it out"),
        (
            put("Her number is 123-45-6789 and she works."),
            "the text has a social security number in row 2; take it out",
        ),
        (put("Mail jane@example.org to work with her."), "the text has an e-mail address in row 2; take it out"),
        (put("Call them on +49 40 1234567 or that."), "the text has a telephone number in row 2; take it out"),
        (put("Call them on 415-555-0134 or that."), "the text has a telephone number in row 2; take it out"),
        (put(None, "gender"), "'gender' is empty or not text in row 2; fill it in"),
        (put("Female", "gender"), "'gender' has 'Female', 'female', which differ by capitals and spaces only; use one"),
        (lambda t: t.assign(gender="female"), "'gender' has the one group 'female'; a ratio compares two or more"),
        (put("diverse", "gender"), "'gender' has 1 of 'diverse' in all; at least 5 are needed"),
        (lambda t: t.assign(gender=range(11, 1, -1)), "'gender' has 1 of '11' in all"),
        (put("dj", "occupation"), "fewer than 5 candidates of a group of 'gender' in the occupation 'dj', 'nurse';"),
        (lambda t: t.drop(columns="gender"), "no column 'gender'; add it, or give --map gender=YOURS"),
    ],
)
def test_findings_in_candidates(tmp_path, change, finding):
    found = check(tmp_path, ads(), change(people()))
    assert [line for line in found if line.startswith(f"people.jsonl: {finding}")], found
    assert all(line.startswith("people.jsonl: ") for line in found)


def test_leakage_between_splits_by_hand(tmp_path):
    table = put(ads()["text"][0] + " Apply today.", row=4)(ads())
    table["split"] = ["train"] * 4 + ["test"] * 3 + ["validation"] * 3
    table["company"] = ["A", None, "B", "B", None, "C", "C", "C", "C", "D"]
    leaks = [line for line in check(tmp_path, table, people()) if "splits" in line]
    assert leaks == [
        "ads.csv: ads with nearly the same text stand in several splits in 2 rows, the first is row 1; put them in one",
        "ads.csv: ads with the same company stand in several splits in 4 rows, the first is row 6; put them in one",
    ]


def test_texts_that_differ_only_where_nobody_reads(tmp_path):
    head = "the word " * 128
    table = put(f"{head} with a first end", row=0)(put(f"{head} or another {'tail ' * 200}", row=3)(people()))
    found = check(tmp_path, ads(), table)
    assert "people.jsonl: the part that MiniLM reads is the same as another's in row 4; shorten them" in found


def test_a_text_of_100_megabytes_is_told_and_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(check_files.schema, "LONGEST_TEXT", 3_000)
    found = check(tmp_path, put("The job is <b>yours. " + "It is for you and us. " * 50_000)(ads()), people())
    assert "ads.csv: the text has over 3,000 characters in row 2; check that each is a text of its own" in found
    seen = []
    monkeypatch.setattr(check_files, "find_window_end", lambda text: seen.append(len(text)) or len(text))
    check(tmp_path, put("The job is yours. " + "It is for you and us. " * 50_000)(ads()), people())
    assert max(seen) == 3_000


def test_other_names_and_an_occupation_that_nobody_has(tmp_path):
    table = people().rename(columns={"gender": "sex"}).replace({"female": 0, "male": 1})
    names = dict(columns=["gender=sex"], values=["gender:0=female", "gender:1=male"])
    found = check(tmp_path, ads().assign(occupation=["poet", *["nurse"] * 9]), table, **names)
    assert found == ["no candidate has the occupation 'poet' of the ads; use one name in both"]


def test_texts_are_ads_and_html_is_not_left_over_there(tmp_path):
    (tmp_path / "ad.html").write_text("<p>The job is for you.</p>\n<p>We like it.</p>\n<p>They do too.</p>")
    (tmp_path / "ad.txt").write_text("The job is for you.")
    found = check_files.check_files([f"{tmp_path}/ad.html", f"{tmp_path}/ad.txt"])
    assert found == [f"{tmp_path}/ad.txt: the ad has fewer than 3 sentences in row 1; give whole ads"]
    for name, message in (("none.txt", "cannot be read"), ("none.csv", "no such file")):
        with pytest.raises(InputError, match=message):
            check_files.check_files([f"{tmp_path}/{name}"])
