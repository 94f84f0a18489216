"""Masculine- and feminine-coded words of job ads by the published list of Gaucher, Friesen and Kay (2011).

Journal of Personality and Social Psychology 101(1), 109-128, doi:10.1037/a0022530, Appendix A. The list is independent
of `wording`, which was written for this project and makes the rewrites. It is in ``resources/gender_coded.json``,
with remarks. Counting follows the published tool for it, Matfield's Gender Decoder: each entry is the beginning of a
word, and a hyphenated word that is not listed as such is split.
"""

from functools import lru_cache

from autorefine_lib import resources
from autorefine_lib.text.tokens import WORD

CODINGS = ("masculine", "feminine")


STEMS = {coding: tuple(entry.rstrip("*") for entry in resources.load("gender_coded")[coding]) for coding in CODINGS}
"""The listed beginnings of words by coding, lower case."""
_HYPHENATED = tuple(stem for listed in STEMS.values() for stem in listed if "-" in stem)


def coded_words(text: str) -> dict[str, list[str]]:
    """The masculine- and the feminine-coded words of `text`, lower case, in its order."""
    found: dict[str, list[str]] = {coding: [] for coding in CODINGS}
    for written in WORD.findall(text.lower()):
        for word in [written] if written.startswith(_HYPHENATED) else written.split("-"):
            if coding := _coding(word):
                found[coding].append(word)
    return found


def count(text: str) -> dict[str, int]:
    """How many masculine-coded and feminine-coded words `text` holds."""
    return {coding: len(words) for coding, words in coded_words(text).items()}


@lru_cache(maxsize=1 << 16)
def _coding(word: str) -> str | None:
    return next((coding for coding in CODINGS if word.startswith(STEMS[coding])), None)
