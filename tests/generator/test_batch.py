"""A batch in a file: it goes on where it was stopped, and a file of something else is left as it is."""

import json

import pytest
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.generator import batch, deploy, pretrained
from autorefine_lib.generator.generator import Generator

ADS = [(str(number), f"We are looking for a driven nurse for ward {number}.") for number in range(7)]


class Fake(Generator):
    """Answers that depend on the place in the list: a model's last bits depend on the texts beside a text."""

    def complete(self, sources, temperature=0.0, seed=0, progress=True):
        words = ("devoted", "committed", "dedicated")
        return [source.replace("driven", words[place % 3]) for place, source in enumerate(sources)]


@pytest.fixture
def writer(monkeypatch):
    monkeypatch.setattr(deploy, "_ADS_AT_ONCE", 3)
    return Fake(tiny_model("llama"), tiny_tokenizer())


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "rewritten.jsonl"


def go_on(writer, out, ads=ADS, policy="aligned"):
    done = batch.count_done(out, ads, policy)
    batch.append_records(out, deploy.rewrite_ads(writer, ads, done), policy, done, len(ads))
    return done


def stop_after(records, number: int):
    for place, record in enumerate(records):
        if place == number:
            raise KeyboardInterrupt
        yield record


def test_a_file_holds_a_record_an_ad(writer, out):
    assert go_on(writer, out) == 0
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["job_id"] for record in records] == [job_id for job_id, _ in ADS]
    assert all(record["policy"] == "aligned" for record in records)
    assert len({record["rewrite"].partition("ward")[0] for record in records}) > 1, "the place in the group counts"
    before = out.read_bytes()
    assert go_on(writer, out) == 7 and out.read_bytes() == before


@pytest.mark.parametrize("number", range(7))
def test_what_was_stopped_gives_the_same_file(writer, out, number):
    go_on(writer, out)
    whole = out.read_bytes()
    out.unlink()
    with pytest.raises(KeyboardInterrupt) as stopped:
        batch.append_records(out, stop_after(deploy.rewrite_ads(writer, ADS), number), "aligned", 0, 7)
    assert str(stopped.value) == f"stopped: {number} of 7 ads are in {out}; the same command goes on"
    assert out.read_bytes() == b"".join(whole.splitlines(True)[:number])
    assert go_on(writer, out) == number and out.read_bytes() == whole


@pytest.mark.parametrize("cut", [1, 5, 12, 200])
def test_half_a_line_is_dropped(writer, out, cut):
    go_on(writer, out)
    whole = out.read_bytes()
    lines = whole.splitlines(True)
    out.write_bytes(b"".join(lines[:4]) + lines[4][:cut])
    assert go_on(writer, out) == 4 and out.read_bytes() == whole


def test_a_full_disk_loses_no_record(writer, out, monkeypatch):
    go_on(writer, out)
    whole = out.read_bytes()
    out.unlink()
    dumps = json.dumps

    def fail_at_the_fifth(record, **options):
        if record["job_id"] == "4":
            raise OSError(28, "No space left on device")
        return dumps(record, **options)

    monkeypatch.setattr(batch.json, "dumps", fail_at_the_fifth)
    with pytest.raises(OSError, match="No space left"):
        go_on(writer, out)
    monkeypatch.undo()
    monkeypatch.setattr(deploy, "_ADS_AT_ONCE", 3)
    assert go_on(writer, out) == 4 and out.read_bytes() == whole


@pytest.mark.parametrize(
    ("ads", "policy", "message"),
    [
        ([*ADS[:2], ("x", ADS[2][1]), *ADS[3:]], "aligned", "line 3 has another job_id than ad 3"),
        ([*ADS[:2], ("2", "Another ad."), *ADS[3:]], "aligned", "line 3 has another original than ad 3"),
        (ADS, "aligned 123", "line 1 has another policy than ad 1"),
        (ADS[:5], "aligned", "line 6 has another job_id than ad 6"),
    ],
)
def test_records_of_something_else_are_named_and_left(writer, out, ads, policy, message):
    go_on(writer, out)
    before = out.read_bytes()
    with pytest.raises(InputError, match=f"{message} of this command; give --out another name, or remove the file"):
        batch.count_done(out, ads, policy)
    assert out.read_bytes() == before


@pytest.mark.parametrize("content", [b"my notes", b"\n", b"[]\n", b"1\n", b"\xff\n", b'{"job_id": "0"}\n', b'{"a": 1}'])
def test_a_file_of_somebody_is_left(out, content):
    out.parent.mkdir()
    out.write_bytes(content)
    with pytest.raises(InputError, match="give --out another name"):
        batch.count_done(out, ADS, "aligned")
    assert out.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("x.txt", ["ad.txt"], "x.txt: give a name that ends in .jsonl"),
        ("x.docx", ["ad.txt"], "a .docx is written from one .docx"),
        ("x.docx", ["a.docx", "b.docx"], "a .docx is written from one .docx"),
        ("there.docx", ["ad.docx"], "is there already; give a new name"),
    ],
)
def test_where_nothing_can_be_written(tmp_path, name, files, message):
    (tmp_path / "there.docx").write_bytes(b"")
    with pytest.raises(InputError, match=message):
        batch.check_out(tmp_path / name, files)
    batch.check_out(tmp_path / "new.docx", ["ad.DOCX"])
    batch.check_out(tmp_path / "new.jsonl", ["ad.docx", "ads.csv"])


def test_a_policy_is_its_name_and_its_weights(tmp_path):
    writer = Generator(tiny_model("llama"), tiny_tokenizer())
    pretrained.save(writer, tmp_path)
    name = batch.name_policy(str(tmp_path))
    assert name.startswith(f"{tmp_path} ") and name == batch.name_policy(str(tmp_path))
    writer.model.lm_head.weight.data += 1
    pretrained.save(writer, tmp_path)
    assert batch.name_policy(str(tmp_path)) != name
    assert batch.name_policy("some/model") == "some/model" and len(batch.name_policy("aligned")) == len("aligned ") + 12
