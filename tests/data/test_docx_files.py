"""Word documents: the text in order, edits that change their sentence alone, and files that are refused in one line."""

import io
import random
import zipfile

import pytest
from docx import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from autorefine_lib.data import check_files, docx_files
from autorefine_lib.errors import InputError

LINES = [
    "Nurse, Elm Clinic", "We seek a driven nurse for our ward. You like the team.", "Pay and hours", "The pay is good.",
    "You work in shifts.", "Mail us￼ soon to talk to the ward.", "See ￼the page of our ward for more.",
    "It is a full-time job with us.", "￼",
]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    """Runs of several formats, a table in a table, a picture-like object, a link, a text box, and a header."""
    document = Document()
    document.sections[0].header.paragraphs[0].text = "Elm Clinic"
    document.add_heading(LINES[0])
    paragraph = document.add_paragraph("We seek a ")
    paragraph.add_run("driven").bold = True
    paragraph.add_run(" nurse for our ward.").italic = True
    paragraph.add_run(" You like the team.")
    cells = document.add_table(1, 2).rows[0].cells
    cells[0].text = LINES[2]
    cells[1].paragraphs[0].text = LINES[3]
    cells[1].add_table(1, 1).cell(0, 0).text = LINES[4]
    for extra in cells[1].paragraphs[1:]:
        extra._p.getparent().remove(extra._p)
    paragraph = document.add_paragraph("Mail us")
    paragraph.runs[0]._r.append(parse_xml(f"<w:sym {nsdecls('w')} w:char='F04A'/>"))
    paragraph.add_run(" soon to talk to the ward.")
    paragraph = document.add_paragraph("See ")
    paragraph._p.append(
        parse_xml(f"<w:hyperlink {nsdecls('w')} w:anchor='x'><w:r><w:t>the page</w:t></w:r></w:hyperlink>")
    )
    paragraph.add_run(" of our ward for more.")
    paragraph = document.add_paragraph("It is a full")
    paragraph.runs[0]._r.append(parse_xml(f"<w:noBreakHyphen {nsdecls('w')}/>"))
    paragraph.add_run("time job with us.")
    box = "<w:pict><w:txbxContent><w:p><w:r><w:t>In a box.</w:t></w:r></w:p></w:txbxContent></w:pict>"
    document.add_paragraph()._p.append(parse_xml(f"<w:r {nsdecls('w')}>{box}</w:r>"))
    document.save(tmp_path / "ad.docx")
    return tmp_path / "ad.docx"


def read(path) -> str:
    return docx_files.read_docx(path.read_bytes(), str(path))


def edits(text: str, changes: dict[str, str]) -> list[dict]:
    return [{"source": old, "rewrite": new, "position": text.index(old)} for old, new in changes.items()]


def test_the_text_has_a_line_a_paragraph_in_order(path):
    assert read(path).split("\n") == LINES


def test_only_the_changed_sentences_change(path, tmp_path):
    text, out = read(path), tmp_path / "new.docx"
    changes = {
        "We seek a driven nurse for our ward.": "We look for a committed nurse.",
        "You like the team.": "The team is nice.",
        LINES[4]: "Shifts are yours.",
        LINES[7]: "This job is full-time.",
    }
    docx_files.write_docx(path, edits(text, changes), out)
    expected = text
    for old, new in changes.items():
        expected = expected.replace(old, new)
    assert read(out) == expected
    runs = Document(out).paragraphs[1].runs
    assert [run.text for run in runs] == ["We look for a committed nurse.", "", "", " The team is nice."]
    assert [bool(run.bold) for run in runs] == [False, True, False, False], "the format of the first letter"
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(out) as after:
        assert before.namelist() == after.namelist()
        same = [name for name in before.namelist() if before.read(name) == after.read(name)]
        assert set(before.namelist()) - set(same) == {"word/document.xml"}
        old, new = (file.read("word/document.xml").decode() for file in (before, after))
    assert old.count("<w:p>") == new.count("<w:p>") and "In a box." in new and "the page" in new


def test_without_edits_nothing_changes(path, tmp_path):
    docx_files.write_docx(path, [], tmp_path / "new.docx")
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(tmp_path / "new.docx") as after:
        assert all(before.read(name) == after.read(name) for name in before.namelist())


def test_an_edit_of_the_whole_ad_is_refused(path, tmp_path):
    with pytest.raises(InputError, match="rewrites whole ads"):
        docx_files.write_docx(path, edits(read(path), {read(path): "Short."}), tmp_path / "new.docx")
    assert not (tmp_path / "new.docx").exists()


@pytest.mark.parametrize("change", ["ins", "del", "moveTo"])
def test_tracked_changes_are_refused(path, change):
    document = Document(path)
    run = "<w:r><w:delText>more</w:delText></w:r>" if change == "del" else "<w:r><w:t>more</w:t></w:r>"
    xml = f"<w:{change} {nsdecls('w')} w:id='1' w:author='A'>{run}</w:{change}>"
    document.paragraphs[1]._p.append(parse_xml(xml))
    document.save(path)
    with pytest.raises(InputError, match=r"ad.docx: has tracked changes \(1\); accept or reject them in Word"):
        read(path)


def test_damaged_files_are_refused_in_one_line(path):
    good = path.read_bytes()
    rng = random.Random(0)
    bad = [b"", b"x", b"\xd0\xcf\x11\xe0" + b"x" * 600, good[:2000], good[:-30], zip_of("a.txt", b"x"), zip_of()]
    for _ in range(30):
        place = rng.randrange(len(good))
        bad.append(good[:place] + rng.randbytes(40) + good[place + 40 :])
    for name in zipfile.ZipFile(path).namelist():
        bad.append(zip_of(name, b"<a><b></a>", good))
    entity = b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"
    bad += [zip_of("word/document.xml", content, good) for content in (b"", b"<a/>", entity)]
    refused = 0
    for data in bad:
        try:
            docx_files.read_docx(data, "ad.docx")
        except InputError as error:
            assert "\n" not in str(error) and "damaged, with a password" in str(error)
            refused += 1
    assert refused >= 20, "a byte of a style need not matter"


def zip_of(name: str = "", content: bytes = b"", others: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        if others:
            with zipfile.ZipFile(io.BytesIO(others)) as source:
                for other in source.namelist():
                    if other != name:
                        file.writestr(other, source.read(other))
        if name:
            file.writestr(name, content)
    return made.getvalue()


def test_check_reads_documents_too(path):
    assert check_files.check_files([str(path)]) == []
