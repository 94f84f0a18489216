"""What a rewrite changed, word by word, by difflib."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

from autorefine_lib.text import tokens, wording

Kind = Literal["equal", "delete", "insert"]
Unit = tuple[str, str]
"""A word or a mark, and the white space behind it."""

# A hyphenated or shortened word is one.
_UNIT = re.compile(r"(\w+(?:[-'’]\w+)*|[^\w\s]|)(\s*)")
_LONG = 1_000
"""Words from which on difflib starts no match at a word that makes up more than 1 % of the text: it would take minutes
for texts of thousands of words."""


def word_diff(original: str, rewrite: str) -> list[tuple[Kind, str]]:
    """The pieces of both texts in order, (kind, text), with as much kept as difflib finds.

    "equal" and "delete" pieces put together are exactly `original`, "equal" and "insert" pieces exactly `rewrite`.
    Of a replaced passage the "delete" piece comes first. Words and marks are whole.
    """
    old, new = _units(original), _units(rewrite)
    words = [[word for word, _ in units] for units in (old, new)]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=len(new) > _LONG)
    pieces: list[tuple[Kind, str]] = []
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            for (word, before), (_, after) in zip(old[i:i_end], new[j:j_end], strict=True):
                pieces += [("equal", word), *_replaced([("", before)], [("", after)])]
        else:
            pieces += _replaced(old[i:i_end], new[j:j_end])
    return list(_merged(pieces))


def _units(text: str) -> list[Unit]:
    return [unit for unit in _UNIT.findall(text) if unit != ("", "")]


def _replaced(old: list[Unit], new: list[Unit]) -> list[tuple[Kind, str]]:
    """One passage for another; white space that both end in stays."""
    before, after = ("".join(unit + space for unit, space in units) for units in (old, new))
    space = old[-1][1] if old and new and old[-1][1] == new[-1][1] else ""
    return [("delete", before.removesuffix(space)), ("insert", after.removesuffix(space)), ("equal", space)]


def _merged(pieces: list[tuple[Kind, str]]) -> Iterator[tuple[Kind, str]]:
    """Neighbours of one kind made one, deletions before insertions, empty pieces left out."""
    for equal, group in groupby((piece for piece in pieces if piece[1]), key=lambda piece: piece[0] == "equal"):
        together: dict[Kind, str] = {"equal": ""} if equal else {"delete": "", "insert": ""}
        for kind, text in group:
            together[kind] += text
        yield from ((kind, text) for kind, text in together.items() if text)


def changed_share(source: str, rewrite: str) -> float:
    """Share of the rewrite's content words that the source does not have, 0 to 1, by their first six letters.

    Inflections of the same word ("manage", "managing") count as kept, marks and function words not at all.
    """
    old, new = (
        {word[:6] for word in tokens.words(text) if word not in wording.FUNCTION_WORDS} for text in (source, rewrite)
    )
    return len(new - old) / max(1, len(new))
