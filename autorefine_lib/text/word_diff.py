"""What a rewrite changed, word by word, by difflib."""

import re
from difflib import SequenceMatcher
from itertools import groupby

from autorefine_lib.text import tokens, wording

Piece = tuple[str, str]
"""What stands in the original, and what stands in its place in the rewrite; both are equal where nothing changed."""
Unit = tuple[str, str]
"""A word or a mark, and the white space behind it."""

# A hyphenated or shortened word is one.
_UNIT = re.compile(r"(\w+(?:[-'’]\w+)*|[^\w\s]|)(\s*)")
_LONG = 1_000
"""Words from which on difflib starts no match at a word that makes up more than 1 % of the text: it would take minutes
for texts of thousands of words."""


def word_diff(original: str, rewrite: str) -> list[Piece]:
    """Both texts cut into (old, new) pieces in order, with as much kept as difflib finds.

    All old pieces joined are `original`, all new ones `rewrite`, to the letter. Words and marks are whole.
    """
    old, new = _units(original), _units(rewrite)
    words = [[word for word, _ in units] for units in (old, new)]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=len(new) > _LONG)
    pieces: list[Piece] = []
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            for (word, before), (_, after) in zip(old[i:i_end], new[j:j_end], strict=True):
                pieces += [(word, word), *_replaced([("", before)], [("", after)])]
        else:
            pieces += _replaced(old[i:i_end], new[j:j_end])
    # Neighbours that all changed, or all stayed, are one piece.
    groups = groupby((piece for piece in pieces if any(piece)), key=lambda piece: piece[0] == piece[1])
    olds_and_news = (zip(*group, strict=True) for _, group in groups)
    return [("".join(olds), "".join(news)) for olds, news in olds_and_news]


def _units(text: str) -> list[Unit]:
    return [unit for unit in _UNIT.findall(text) if unit != ("", "")]


def _replaced(old: list[Unit], new: list[Unit]) -> list[Piece]:
    """One passage for another; white space that both end in stays."""
    before, after = ("".join(unit + space for unit, space in units) for units in (old, new))
    space = old[-1][1] if old and new and old[-1][1] == new[-1][1] else ""
    return [(before.removesuffix(space), after.removesuffix(space)), (space, space)]


def changed_share(source: str, rewrite: str) -> float:
    """Share of the rewrite's content words that the source does not have, 0 to 1, by their first six letters.

    Inflections of the same word ("manage", "managing") count as kept, marks and function words not at all.
    """
    old, new = (
        {word[:6] for word in tokens.words(text) if word not in wording.FUNCTION_WORDS} for text in (source, rewrite)
    )
    return len(new - old) / max(1, len(new))
