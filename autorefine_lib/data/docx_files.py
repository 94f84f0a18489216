"""Word documents (.docx): the text of an ad, and the same document with some of its sentences changed.

The text has a line a paragraph, those of tables included, in the order of the document. U+FFFC stands where something
is no text (a picture, a link, a field, a note): a sentence with it is never rewritten. Headers, footers, notes and text
boxes are not read, and stay as they are.
"""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docx import Document
from docx.oxml.ns import qn

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic

_TRACKED = "//w:ins | //w:del | //w:moveFrom | //w:moveTo | //w:cellIns | //w:cellDel"
_PARTS = (
    "//w:body//*[self::w:p or parent::w:r or self::w:hyperlink or self::w:fldSimple or self::m:oMath "
    "or self::w:sdt[ancestor::w:p]][not(ancestor::w:txbxContent)]"
)
_SIGNS = {"w:p": "\n", "w:br": "\n", "w:cr": "\n", "w:tab": "\t", "w:noBreakHyphen": "-"}
_NOTHING = ("w:rPr", "w:lastRenderedPageBreak")
_OBJECT = "\ufffc"


def read_docx(data: bytes, origin: str) -> str:
    """The text of a document; a message calls it `origin`.

    Raises:
        InputError: it is damaged, has a password, or has tracked changes: only people can say which of them hold.
    """
    return "".join(text for _, text in _take_apart(data, origin)[1])


def write_docx(path: Path, edits: Iterable[Mapping[str, Any]], out: Path) -> None:
    """Write the document at `path` to `out`, with the sentences of `edits` (source, rewrite, position) changed.

    A changed sentence has the format that its first letter had; all else is kept.

    Raises:
        InputError: as `read_docx`, or an edit goes over several paragraphs.
    """
    document, parts = _take_apart(path.read_bytes(), str(path))
    # From the last to the first: an edit moves only what stands after it.
    for edit in sorted(edits, key=lambda edit: -edit["position"]):
        if "\n" in edit["source"]:
            raise InputError(f"{path}: the policy rewrites whole ads; for a .docx give one that rewrites sentences")
        start, rest = edit["position"], edit["rewrite"]
        end = start + len(edit["source"])
        for place, (element, text) in enumerate(parts):
            if start < len(text) and end > 0 and text:
                element.tag, element.text = qn("w:t"), text[: max(0, start)] + rest + text[end:]
                element.set(qn("xml:space"), "preserve")
                parts[place], rest = (element, element.text), ""
            start, end = start - len(text), end - len(text)
    write_atomic(out, lambda place: document.save(str(place)))


def _take_apart(data: bytes, origin: str) -> tuple[Any, list[tuple[Any, str]]]:
    """The document, and its elements with the text of each."""
    try:
        document = Document(io.BytesIO(data))
        tracked, found = (document.element.xpath(path) for path in (_TRACKED, _PARTS))
    except Exception as error:  # what python-docx raises for a damaged file has no common class
        remedy = "open it in Word and save it anew"
        raise InputError(f"{origin}: damaged, with a password, or no .docx; {remedy}") from error
    if tracked:
        raise InputError(f"{origin}: has tracked changes ({len(tracked)}); accept or reject them in Word and save it")
    signs = {qn(name): sign for name, sign in (_SIGNS | dict.fromkeys(_NOTHING, "")).items()}
    texts = [each.text or "" if each.tag == qn("w:t") else signs.get(each.tag, _OBJECT) for each in found]
    return document, list(zip(found, texts, strict=True))[1:]
