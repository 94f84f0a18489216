"""The sources: files in the Hub's own formats, local files good and bad, deterministic splits, near-duplicates."""

import json
import random

import pandas as pd
import pytest

from autorefine_lib.data import corpus, read_files, sources
from autorefine_lib.errors import InputError
from autorefine_lib.text import near_duplicates

WORDS = ("alpha", "beta", "water", "stone", "light", "paper", "river", "cloud", "house", "green", "quick", "north")


def ads(n=40, seed=0):
    rng = random.Random(seed)
    return [" ".join(rng.choice(WORDS) for _ in range(60)) for _ in range(n)]


def jobs_frame(n=40):
    return pd.DataFrame(
        {"job_id": range(n), "title": "Nurse", "text": ads(n), "occupation": ["nurse", "poet"] * (n // 2)}
    )


def candidates_frame():
    return pd.DataFrame(
        {
            "candidate_id": range(8),
            "text": [f"Biography {i}." for i in range(8)],
            "occupation": ["nurse"] * 4 + ["poet"] * 4,
            "gender": ["female", "male"] * 4,
        }
    )


@pytest.fixture
def local(tmp_path):
    jobs_frame().to_csv(tmp_path / "jobs.csv", index=False)
    candidates_frame().to_parquet(tmp_path / "candidates.parquet")
    return dict(jobs_path=tmp_path / "jobs.csv", candidates_path=tmp_path / "candidates.parquet")


def test_unknown_source():
    with pytest.raises(InputError, match="source='web' is not one of embedded, hub, local"):
        sources.load("web")


def test_embedded():
    loaded = sources.load(
        "embedded", jobs_per_occupation=2, candidates_per_occupation=10, attributes=["gender", "race"]
    )
    assert len(loaded.jobs) == 28 * 2 * 3 and len(loaded.candidates) == 28 * 10


def test_local_csv_and_parquet_are_split_by_hash(local):
    loaded = sources.load("local", **local)
    assert len(loaded.jobs) == 40 and set(loaded.jobs["split"]) == {"train", "validation", "test"}
    again = sources.load("local", **local)
    assert loaded.jobs["split"] == again.jobs["split"]


def test_split_does_not_depend_on_the_order_of_rows():
    jobs = jobs_frame().astype({"job_id": str})
    shuffled = jobs.sample(frac=1, random_state=1)
    one = dict(zip(jobs["job_id"], sources.split_by_group(jobs), strict=True))
    other = dict(zip(shuffled["job_id"], sources.split_by_group(shuffled), strict=True))
    assert one == other


def test_near_duplicates_and_companies_share_a_split():
    texts = ads(30)
    jobs = pd.DataFrame({"text": texts + [text + " 12 apply today" for text in texts]})
    split = sources.split_by_group(jobs)
    assert split[:30] == split[30:] and len(set(split)) == 3
    jobs = pd.DataFrame({"text": ads(30), "company": ["A", "B", "C"] * 10})
    assert (jobs.assign(split=sources.split_by_group(jobs)).groupby("company")["split"].nunique() == 1).all()


def test_near_duplicate_groups():
    base = ads(2, seed=4)
    assert near_duplicates.group_texts([base[0], base[1], base[0].upper() + " 2018!", ""]) == [0, 1, 0, 3]
    assert near_duplicates.normalize("See https://a.b/c NOW, 3 times\n[email]") == "see now times"


def test_repeated_ads_are_dropped_and_counted(local):
    frame = jobs_frame()
    frame.loc[39, "text"] = frame.loc[1, "text"].upper()
    frame.to_csv(local["jobs_path"], index=False)
    loaded = sources.load("local", **local)
    assert len(loaded.jobs) == 39 and loaded.dropped["ads that repeat another word for word"] == 1


def test_column_mapping_and_jsonl(local, tmp_path):
    lines = jobs_frame().rename(columns={"text": "description"}).to_dict("records")
    (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n", encoding="utf-8")
    options = local | dict(jobs_path=tmp_path / "jobs.jsonl")
    with pytest.raises(InputError, match="no column 'text'"):
        sources.load("local", **options)
    assert len(sources.load("local", **options, rename_columns=["text=description"]).jobs) == 40
    with pytest.raises(InputError, match="no column 'descripton' .*give --map text=description instead"):
        sources.load("local", **options, rename_columns=["text=descripton"])


def test_numbers_get_names_and_rows_get_numbers(local):
    table = candidates_frame().drop(columns="candidate_id").assign(gender=[1, 0] * 4)
    table.to_parquet(local["candidates_path"])
    renames = dict(rename_columns=["candidate_id=#"], rename_values=["gender:1=female", "gender:0=male"])
    people = sources.load("local", **local, **renames).candidates.to_pandas()
    assert people["candidate_id"].tolist() == list("12345678")
    assert people["gender"].tolist() == ["female", "male"] * 4


def test_ads_without_an_occupation_and_of_one_that_nobody_has_stay(local):
    jobs_frame().assign(occupation=[None, "nurse", "welder", "poet"] * 10).to_csv(local["jobs_path"], index=False)
    loaded = sources.load("local", **local)
    assert pd.Series(loaded.jobs["occupation"]).isna().sum() == 10 and len(loaded.jobs) == 40
    limited = sources.load("local", **local, jobs_per_occupation=1).jobs.to_pandas()
    assert limited.groupby(["split", "occupation"], dropna=False).size().eq(1).all()
    assert limited["occupation"].isna().sum() == limited["split"][limited["occupation"].isna()].nunique() > 0


def test_excluded_rows(local):
    jobs_frame().assign(source=["ads", "descriptions"] * 20).to_csv(local["jobs_path"], index=False)
    loaded = sources.load("local", **local, exclude_jobs={"source": ["descriptions"]})
    assert set(loaded.jobs["source"]) == {"ads"} and loaded.dropped["ads whose source is descriptions"] == 20
    with pytest.raises(InputError, match="no column 'origin'"):
        sources.load("local", **local, exclude_jobs={"origin": ["descriptions"]})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"job_id,text\n", "no column 'title'"),
        ("a.csv", b"job_id,title,text,occupation\n", "no rows"),
        ("a.csv", b"job_id,title\n1,caf\x81\n", r"byte 18 \(0x81, line 2\) is not UTF-8"),
        ("a.csv", "job_id,title\n1,né".encode() + b" caf\xe9\n", r"byte 22 \(0xe9, line 2\) is not UTF-8"),
        ("a.csv", "job_id,title\n1,Медсестра в больницу\n".encode("cp1251"), "not UTF-16 or cp1252; save it as UTF-8"),
        ("a.csv", "job_id,title\n1,x\n".encode("utf-16")[:-1], "is not UTF-8"),
        ("a.csv", "job_id,title\n1,x\n".encode("utf-16-le"), "has zero bytes, so it is no text"),
        ("a.csv", b"job_id,title,title\n1,x,y\n", "two columns have the name 'title'; rename one"),
        ("a.csv", b"Text,text \n1,x\n", "two columns have the name 'text'"),
        ("a.csv", b"job_id,text\n1,x\n2,\"=cmd|' /C calc'!A0\"\n", "row 2 of 'text' is a formula .*save values"),
        ("a.csv", b"job_id,text\n1,#NAME?\n", "row 1 of 'text' is a formula"),
        ("a.csv", b'job_id,title\n1,"open\n', "not readable as CSV"),
        ("a.jsonl", b'{"job_id": 1}\n{oops\n', "line 2 is not JSON"),
        ("a.jsonl", b"[1]\n", "line 1 is list, not an object"),
        ("a.parquet", b"PAR1 nonsense", "not a readable Parquet file"),
        ("a.xlsx", b"x", "suffix '.xlsx' is not one of .csv, .jsonl, .parquet"),
    ],
)
def test_bad_files(local, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        sources.load("local", **local | dict(jobs_path=tmp_path / name))
    assert "\n" not in str(error.value)


def test_missing_file_and_missing_path(local, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        sources.load("local", **local | dict(jobs_path=tmp_path / "none.csv"))
    with pytest.raises(InputError, match="needs candidates_path"):
        sources.load("local", jobs_path=local["jobs_path"])


def test_csv_keeps_words_that_pandas_takes_for_missing(tmp_path):
    (tmp_path / "a.csv").write_text("candidate_id,race\n1,NA\n2,None\n3,\n", encoding="utf-8")
    table = read_files.read_table(tmp_path / "a.csv")
    assert table["race"].tolist()[:2] == ["NA", "None"] and table["race"].isna().tolist() == [False, False, True]


ROWS = [["1", 'Nurse; "Pool"', "We’re a café – £2,400."], ["2", "Müller, DJ", "== Work ==\n=> clubs"]]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_table_reads_the_same_however_a_spreadsheet_saves_it(tmp_path, mark, encoding):
    table = pd.DataFrame(ROWS, columns=["job_id", "title", "text"])
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False, sep=mark, encoding=encoding)
    pd.testing.assert_frame_equal(read_files.read_table(path), table)
    path.write_bytes(f"sep={mark}\r\n".encode() + path.read_bytes() if encoding == "cp1252" else path.read_bytes())
    pd.testing.assert_frame_equal(read_files.read_table(path), table)


@pytest.mark.parametrize(
    ("columns", "values", "message"),
    [
        (["text"], [], "--map text: write it as OURS=YOURS"),
        ([], ["gender=male"], "--values gender=male: write it as COLUMN:YOURS=OURS"),
        (["text=body"], [], "no column 'body' among job_id, sex; give --map one of them"),
        ([], ["gender:0=male"], "no column 'gender' for --values"),
        ([], ["sex:2=male"], "'sex' has no value '2' for --values, only 0, 1"),
    ],
)
def test_mistakes_in_other_names(tmp_path, columns, values, message):
    (tmp_path / "a.csv").write_text("job_id,sex\n1,0\n2,1\n")
    with pytest.raises(InputError, match=message):
        read_files.read_table(tmp_path / "a.csv", columns, values)


def test_a_mapping_reaches_each_file_that_has_the_column(tmp_path):
    (tmp_path / "a.csv").write_text("text,sex\nx,0\n")
    (tmp_path / "b.jsonl").write_text('{"body": "y\u2028z", "text": "short"}\n')
    one, two = read_files.read_tables([tmp_path / "a.csv", tmp_path / "b.jsonl"], ["text=body"], ["sex:0=f"])
    assert one.to_dict("list") == {"text": ["x"], "sex": ["f"]} and two.to_dict("list") == {"text": ["y\u2028z"]}


def test_the_columns_of_bias_in_bios_are_known(tmp_path, capsys):
    (tmp_path / "bios.csv").write_text("hard_text,profession,gender\nShe sues.,2,1\nHe sues.,2,0\n")
    table = read_files.read_table(tmp_path / "bios.csv")
    assert table.values.tolist() == [
        ["bio-0", "She sues.", "attorney", "female"], ["bio-1", "He sues.", "attorney", "male"],
    ]  # fmt: skip
    assert "bios.csv: read as Bias in Bios" in capsys.readouterr().err
    (tmp_path / "bios.csv").write_text("hard_text,profession,gender\nShe sues.,28,1\n")
    with pytest.raises(InputError, match="label '28' is not among professions 0 to 27"):
        read_files.read_table(tmp_path / "bios.csv")


@pytest.fixture
def hub_dir(tmp_path, monkeypatch):
    """Tiny files in the formats of the two Hub data sets."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    bios = tmp_path / "bias_in_bios" / "data"
    bios.mkdir(parents=True)
    names = sorted(corpus.occupations())
    rows = [{"hard_text": f"Text {i}.", "profession": names.index(name), "gender": i % 2}
            for i, name in enumerate(["software_engineer"] * 6 + ["yoga_teacher"] * 4)]  # fmt: skip
    for split in ("train", "test", "dev"):
        pd.DataFrame(rows).to_parquet(bios / f"{split}-00000-of-00001.parquet")
    posts = tmp_path / "hacker-news-who-is-hiring-posts" / "data"
    posts.mkdir(parents=True)
    texts = [
        f"Acme {i} | Senior Software Engineer | Berlin<p>{ad} &amp; <a href='x'>more</a>"
        for i, ad in enumerate(ads(30))
    ]
    comments = [{"by": "x", "id": i, "text": text} for i, text in enumerate(texts)]
    comments.append({"by": "y", "id": 99, "text": "Zeta | Office Manager | Rome<p>No occupation of ours."})
    comments.append({"by": "z", "id": 100, "text": None})
    months = pd.DataFrame({"month": ["May 2018", "June 2018"], "comments": [comments[:10], comments[10:]]})
    months.to_parquet(posts / "train-00000-of-00001.parquet")
    return tmp_path


def test_hub_files(hub_dir):
    loaded = sources.load("hub", hub_dir=hub_dir)
    jobs = loaded.jobs.to_pandas()
    assert len(jobs) == 31 and set(jobs["occupation"].dropna()) == {"software_engineer"}
    assert jobs["title"][0] == "Acme 0 | Senior Software Engineer | Berlin"
    assert "& more" in jobs["text"][0] and "<" not in jobs["text"][0]
    assert jobs["occupation"].isna().sum() == 1
    candidates = loaded.candidates.to_pandas()
    assert len(candidates) == 30 and set(candidates["occupation"]) == {"software_engineer", "yoga_teacher"}
    assert candidates["gender"].tolist()[:2] == ["male", "female"]


def test_hub_folder_missing_or_hub_unreachable(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no folder .*hacker-news.*put the files of https://huggingface.co"):
        sources.load("hub", hub_dir=tmp_path)

    def unreachable(*args, **kwargs):
        raise ConnectionError("no route")

    monkeypatch.setattr(sources, "load_dataset", unreachable)
    with pytest.raises(InputError, match="cannot be loaded .*hf download brusic/.* then set hub_dir to DIR") as error:
        sources.load("hub")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("title", "occupation"),
    [("Registered Nurses, ICU", "nurse"), ("Senior Full-Stack Developer", "software_engineer"),
     ("Yoga Instructor", "yoga_teacher"), ("Office Manager", None), ("Software Architect", "software_engineer")],
)  # fmt: skip
def test_occupation_of(title, occupation):
    assert sources.find_occupation(title) == occupation


def test_embedded_limits_of_occupations_and_rows():
    loaded = sources.load("embedded", occupations=4, jobs_per_occupation=2, candidates_per_occupation=20)
    assert set(loaded.jobs["occupation"]) == {"accountant", "filmmaker", "photographer", "yoga_teacher"}
    assert len(loaded.candidates) == 20 * len(corpus.occupations())
    assert {s: loaded.jobs["split"].count(s) for s in set(loaded.jobs["split"])} == {
        "train": 8, "validation": 8, "test": 8,
    }  # fmt: skip
