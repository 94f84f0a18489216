"""Split an ad into sentences and put it together again without losing a character.

Small generators rewrite one sentence at a time. Everything between the sentences (line breaks, bullets, blank lines)
stays as it is, so that ``join(split(text)) == text`` for every text.
"""

import re
from itertools import accumulate

# A sentence ends at a line break, or at . ! ? with optional closing quotes before white space and a
# capital, a digit or a bullet. "e.g. Python" and "Inc. is" stay whole: there is no boundary after a
# known abbreviation or before a small letter. No clause ends with an entity ("R&amp; D").
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|approx|dr|mr|mrs|ms|prof|st|no|inc|ltd|co|u\.s|ph|ph\.d)\.|&#?\w+;)$", re.IGNORECASE
)
# The last four are emoji, check marks and stars.
_BULLET = r"\s\-*•·–—>●○◦▪■▸►‣→\u2600-\u27bf\ufe0f\u200d\U0001f000-\U0001faff"
_BOUNDARY, _SMALL_BOUNDARY = (
    re.compile(rf"\n+[{_BULLET}]*|(?<=[.!?])[\"')\]]*\s+(?=[{capital}0-9\"'(•*\-])") for capital in ("A-Z", "a-z")
)
_CLAUSE = re.compile(r"(?<=;)\s+(?:(?:and|or)\s+)?")

LONGEST = 45
"""Words of a sentence that stays whole: longer ones, as in the bulletins of public employers, are cut at semicolons."""


def split(text: str) -> list[str]:
    """Split `text` into alternating sentences and separators.

    Returns a list of odd length: the even positions hold sentences (possibly empty), the odd
    positions the separators between them, verbatim. In a text without a capital, sentences begin
    with small letters. A sentence of more than `LONGEST` words is cut at its semicolons.
    """
    boundary = _BOUNDARY if any(map(str.isupper, text)) else _SMALL_BOUNDARY
    parts = _cut(text, boundary)
    for place in reversed(range(0, len(parts), 2)):
        if len(parts[place].split()) > LONGEST:
            parts[place : place + 1] = _cut(parts[place], _CLAUSE)
    return parts


def _cut(text: str, boundary: re.Pattern[str]) -> list[str]:
    parts, start = [], 0
    for found in boundary.finditer(text):
        sentence = text[start : found.start()]
        if "\n" not in found.group() and _NO_END.search(sentence):
            continue
        parts += [sentence, found.group()]
        start = found.end()
    return [*parts, text[start:]]


def find_starts(text: str) -> list[int]:
    """Where each part of `split` begins in `text`, and the end of the last one."""
    return [0, *accumulate(map(len, split(text)))]


def join(parts: list[str]) -> str:
    """Put together what `split` took apart."""
    return "".join(parts)
