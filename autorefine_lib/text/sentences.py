"""Split an ad into sentences and put it together again without losing a character.

Small generators rewrite one sentence at a time. Everything between the sentences (line breaks, bullets, blank lines)
stays as it is, so that ``join(split(text)) == text`` for every text.
"""

import re
from itertools import accumulate

# A sentence ends at a line break, or at . ! ? with optional closing quotes before white space and a
# capital, a digit or a bullet. "e.g. Python" and "Inc. is" stay whole: there is no boundary after a
# known abbreviation or before a small letter.
_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|etc|vs|approx|dr|mr|mrs|ms|prof|st|no|inc|ltd|co|u\.s|ph\.d)\.$", re.IGNORECASE
)
# The last four are emoji, check marks and stars.
_BULLET = r"\s\-*•·–—>●○◦▪■▸►‣→\u2600-\u27bf\ufe0f\u200d\U0001f000-\U0001faff"
_BOUNDARY = re.compile(rf"\n+[{_BULLET}]*|(?<=[.!?])[\"')\]]*\s+(?=[A-Z0-9\"'(•*\-])")


def split(text: str) -> list[str]:
    """Split `text` into alternating sentences and separators.

    Returns a list of odd length: the even positions hold sentences (possibly empty), the odd
    positions the separators between them, verbatim.
    """
    parts, start = [], 0
    for boundary in _BOUNDARY.finditer(text):
        sentence = text[start : boundary.start()]
        if "\n" not in boundary.group() and _ABBREVIATION.search(sentence):
            continue
        parts += [sentence, boundary.group()]
        start = boundary.end()
    return parts + [text[start:]]


def find_starts(text: str) -> list[int]:
    """Where each part of `split` begins in `text`, and the end of the last one."""
    return [0, *accumulate(map(len, split(text)))]


def join(parts: list[str]) -> str:
    """Put together what `split` took apart."""
    return "".join(parts)
