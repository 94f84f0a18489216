"""A user's ads: every format in, one record an ad out in order, nothing but the wording changed, and reasons."""

import re

import pandas as pd
import pytest
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.generator import deploy
from autorefine_lib.generator.generator import Generator
from autorefine_lib.text.rewritable import sentences_to_rewrite

SOURCE = "We are looking for a driven nurse for our ward."
GOOD = "We are looking for a committed nurse for our ward."
AD = f"Nurse, Elm Clinic\n\n{SOURCE} You will work in a team of six people.\n\nSend your letter to jobs@example.org."


class Fake(Generator):
    """Answers with a known sentence where it has one, else with the sentence without all marks in it."""

    answers = {SOURCE: GOOD}

    def complete(self, sources, temperature=0.0, seed=0, progress=True):
        return [self.answers.get(source.strip()) or re.sub(r"[^\w\s,.]", "", source) for source in sources]


@pytest.fixture
def writer():
    return Fake(tiny_model("llama"), tiny_tokenizer())


def rewrite(writer: Generator, *ads: str) -> list[dict]:
    return list(deploy.rewrite_ads(writer, [(str(number), ad) for number, ad in enumerate(ads)]))


def test_a_record_has_the_edits_with_place_and_reason(writer):
    [record] = rewrite(writer, AD)
    assert list(record) == ["job_id", "original", "rewrite", "edits", "refused", "note"]
    assert (record["job_id"], record["original"], record["note"]) == ("0", AD, "")
    assert record["rewrite"] == AD.replace(SOURCE, GOOD)
    [edit] = record["edits"]
    assert (edit["source"], edit["rewrite"]) == (SOURCE, GOOD)
    assert AD[edit["position"] :].startswith(SOURCE)
    assert edit["reason"] == "feminine-coded words in: committed; reworded: 'driven' -> 'committed'"


def test_a_refused_rewrite_names_its_guard_and_the_ad_says_so(writer):
    source = "You will work in a team of six people."
    writer.answers = {source: "You will work in a team of nine people."}
    [record] = rewrite(writer, source)
    assert record["rewrite"] == source and not record["edits"]
    [refused] = record["refused"]
    assert refused["source"] == source and refused["rewrite"] == writer.answers[source] and "facts" in refused["guard"]
    assert record["note"].startswith("rewrites refused: 1 (") and "facts 1" in record["note"]


@pytest.mark.parametrize(
    ("ad", "note"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("123 / 456 🙂", "no words"),
        ("Nurse", "nothing to rewrite: a heading or a fragment 1"),
        ("Wir suchen eine Pflegekraft für unsere Station in Hamburg.", "not in English"),
        ("我们正在为上海的诊所 招聘 一名 护士 不需要 经验。", "not in English"),
        ("The | table | of | our | shifts\nMonday | early | the ward | and | more", "a row of a table 2"),
        ("Find the job and its details at https://example.org now.", "a link"),
        ("<p>We are looking for a nurse for the ward.</p>", "markup 1"),
        ("You will work with us in the small team.", "the model left as they are: 1"),
        ("word the " * 600_000, "5,400,000 bytes are no single ad"),
    ],
)
def test_an_ad_that_stays_says_why_in_one_line(writer, ad, note):
    [record] = rewrite(writer, ad)
    assert record["rewrite"] == ad and not record["edits"]
    assert note in record["note"] and "\n" not in record["note"]


MARKED_UP = {
    "html": f"<h1>Nurse &amp; carer</h1>\n<p class='the first\nand the best of all classes'>\n{SOURCE}\n</p><ul>\n"
    "<li>You'll work with the <b>whole</b> team.</li>\n</ul>\n<style>\n.ad the { color: red; and: more }\n</style>",
    "markdown": f"# Nurse at the clinic\n\n> {SOURCE}\n\n* You'll find **all** the benefits and more.\n"
    "1. See [the page](https://example.org) with your tasks.\n\n```\nthe code of our ward and yours\n```\n\n"
    "You will *really* like the team and `git` too.\n- [ ] You'll ask the people on the ward.",
    "emoji": f"🚀 You'll love the work with our team.\n✅ {SOURCE}\n\nYou will be with the best people 🎉 of all.\n🙂",
    "table": f"{SOURCE}\n\n| day | shift |\n|---|---|\n| the Monday of your week | early, with the team |\n"
    "the pay\tand the hours\tof your shifts\n",
    "windows": f"  {SOURCE}\r\n\r\nThe pay is good,\r\nand you will like the people.\r\n",
}


@pytest.mark.parametrize("kind", MARKED_UP)
def test_everything_but_the_wording_is_kept(writer, kind):
    ad = MARKED_UP[kind]
    [record] = rewrite(writer, ad)
    assert record["rewrite"] == ad.replace(SOURCE, GOOD) and len(record["edits"]) == 1


def test_an_html_file_changes_between_its_blocks_only(writer):
    ad = (
        f"<!DOCTYPE html>\r\n<html><head><title>{SOURCE}</title></head><body><!-- <p>{SOURCE}</p> -->\n"
        f"<h1>Nurse &amp; carer</h1><p class='a > b'>\n\t{SOURCE} The pay is good &ndash; you will like it.</p>"
        f"<ul><LI>{SOURCE}<li>{SOURCE} <b>Now</b></ul><pre>{SOURCE}</pre><p>1 < 2 and {SOURCE}<br/>{SOURCE}</p>\n"
    )
    [record] = deploy.rewrite_ads(writer, [("ad.HTML", ad)])
    places = [match.start() for match in re.finditer(re.escape(SOURCE), ad)]
    changed = [edit["position"] for edit in record["edits"]]
    assert changed == [places[2], places[3], places[7]]
    expected = ad
    for place in reversed(changed):
        expected = expected[:place] + GOOD + expected[place + len(SOURCE) :]
    assert record["rewrite"] == expected
    [record] = deploy.rewrite_ads(writer, [("ad.htm", f"<b>{SOURCE}</b>")])
    assert record["note"] == "nothing to rewrite: no text between tags of blocks"


def test_a_recommender_reads_html_without_its_tags_and_each_character_stays_at_its_place():
    ad = f"<h1 class='x'>The nurse</h1><p>{SOURCE}</p><!-- the --><p>You <b>and we</b> work.</p><style>a b</style>"
    plain = deploy.blank_tags("ad.html", ad)
    assert len(plain) == len(ad) and plain.split() == f"The nurse {SOURCE} You and we work.".split()
    assert plain[ad.index(SOURCE) :].startswith(SOURCE)
    assert [sentence for _, sentence in sentences_to_rewrite(plain)] == [SOURCE], "the last has tags inside"
    assert deploy.blank_tags("ad.txt", ad) == ad


def test_no_ad_is_lost_and_a_long_one_is_rewritten_where_it_is_read(writer):
    long = f"{SOURCE} " + "The ward is quiet and the people are kind. " * 2_500
    assert len(long.split()) > 20_000
    records = rewrite(writer, "", AD, long, "Nurse", *[AD] * deploy._ADS_AT_ONCE)
    assert [record["job_id"] for record in records] == [str(number) for number in range(len(records))]
    assert records[2]["rewrite"] == long.replace(SOURCE, GOOD)
    assert records[1]["edits"] == records[-1]["edits"] and records[3]["note"]


def test_a_whole_ad_longer_than_the_model_reads_is_left(writer):
    writer.level, writer.max_new_tokens = "ad", 8
    assert writer.model.config.max_position_embeddings == 64
    [record] = rewrite(writer, "the word " * 40)
    assert "more than the 64 that the model reads" in record["note"]


def test_a_real_model_of_noise_loses_nothing():
    noise = Generator(tiny_model("llama"), tiny_tokenizer(), max_new_tokens=4)
    records = rewrite(noise, AD, *MARKED_UP.values())
    assert [record["rewrite"] for record in records] == [AD, *MARKED_UP.values()]
    assert all(record["note"] for record in records)


@pytest.mark.parametrize(
    ("source", "changed", "reason"),
    [
        ("An aggressive, driven lead.", "A kind lead.", "masculine-coded words out: aggressive; feminine-coded words "
         "in: kind; reworded: 'An aggressive, driven' -> 'A kind'"),
        ("Help us grow.", "Help us, grow!", "only marks or letter case"),
        ("a b c d e f g h i", "1 b 2 d 3 f 4 h 5", "reworded: 'a' -> '1', 'c' -> '2', 'e' -> '3' and 2 more"),
        ("Help us to grow.", "Help us grow.", "reworded: 'to' -> ''"),
        ("word " * 20, "x", f"reworded: '{'word ' * 7}wo...' -> 'x'"),
    ],
)  # fmt: skip
def test_reasons_by_hand(source, changed, reason):
    assert deploy.explain_edit(source, changed) == reason


def test_files_of_every_kind_give_the_same_ads(tmp_path):
    rows = pd.DataFrame({"job_id": ["7", "a"], "text": ["One; two, and\nthree.", "Four"], "pay": ["1", "2"]})
    rows.to_csv(tmp_path / "comma.csv", index=False)
    rows.rename(columns={"job_id": "Job_ID ", "text": "TEXT"}).to_csv(
        tmp_path / "semicolon.csv", index=False, sep=";", encoding="utf-8-sig", lineterminator="\r\n"
    )
    rows.to_csv(tmp_path / "TAB.CSV", index=False, sep="\t")
    rows.rename(columns={"text": "Text"}).to_json(tmp_path / "lines.jsonl", orient="records", lines=True)
    expected = [(*row, "") for row in zip(rows["job_id"], rows["text"], strict=True)]
    for name in ("comma.csv", "semicolon.csv", "TAB.CSV", "lines.jsonl"):
        found = [(job_id, text.replace("\r\n", "\n"), job) for job_id, text, job in read(tmp_path / name)]
        assert found == expected, name


def read(*paths, **options):
    """The rows of `read_ads`, which found no other table."""
    ads, others = deploy.read_ads([str(path) for path in paths], **options)
    assert others == [] and list(ads) == ["job_id", "text", "occupation"]
    return list(ads.itertuples(index=False, name=None))


def test_a_text_is_one_ad_and_missing_texts_are_empty(tmp_path):
    (tmp_path / "ad.txt").write_bytes(b"\xef\xbb\xbfA nurse.\r\n")
    assert read(tmp_path / "ad.txt") == [("ad.txt", "A nurse.\r\n", "")]
    for encoding in ("utf-16", "cp1252"):
        (tmp_path / "ad.md").write_bytes("A café’s nurse.\r\n".encode(encoding))
        assert read(tmp_path / "ad.md", columns=["text=body"]) == [("ad.md", "A café’s nurse.\r\n", "")]
    (tmp_path / "ads.jsonl").write_text('{"job_id": 1, "text": null}\n{"job_id": 2, "text": "Nurse"}\n')
    assert read(tmp_path / "ads.jsonl") == [("1", "", ""), ("2", "Nurse", "")]


def test_files_are_read_in_order_with_one_set_of_names(tmp_path):
    (tmp_path / "a.csv").write_text("id,body,occupation\n7,Nurse,nurse\n8,,\n")
    (tmp_path / "b.csv").write_text("job_id,text\n9,Cook\n")
    (tmp_path / "ad.txt").write_text("A text")
    (tmp_path / "people.csv").write_text("candidate_id,bio,sex\n1,A nurse,0\n")
    names = [str(tmp_path / name) for name in ("a.csv", "ad.txt", "b.csv")]
    columns = ["job_id=id", "text=body", "text=bio", "gender=sex"]
    ads, [people] = deploy.read_ads(names, columns, ["gender:0=male"], [tmp_path / "people.csv"])
    rows = [("7", "Nurse", "nurse"), ("8", "", ""), ("ad.txt", "A text", ""), ("9", "Cook", "")]
    assert list(ads.itertuples(index=False, name=None)) == rows
    assert people.to_dict("list") == {"candidate_id": ["1"], "text": ["A nurse"], "gender": ["male"]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ad.txt", None, "cannot be read"),
        ("ad.txt", b"caf\x81", "not UTF-8"),
        ("ads.csv", b"id,text\n1,x\n", "no column 'job_id'"),
        ("ads.jsonl", b"{", "line 1 is not JSON"),
        ("ads.jsonl", b'{"job_id": 1, "text": "a", "text": "b"}', "two columns have the name 'text'"),
        ("ads.jsonl", b'{"job_id": 1, "text": "a\\ud800b"}', r"has half a character, '\\ud800'; write it anew"),
        ("ads.csv", b"job_id,text\n", "no rows; at least one is needed"),
        ("ads.CSV", b"job_id;text\n1;=cmd|x\n", "row 1 of 'text' is a formula"),
        ("ad.docx", b"PK", "damaged, with a password, or no .docx"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name)
