"""Words that name a protected attribute: the one thing a rewrite may never bring in.

They are the cheapest way to move an embedding ("she" turns a ranking around) and the one that no employer
may use. The list with its legal sources is ``resources/protected.json``.
"""

import re
import unicodedata
from functools import cache

from confusable_homoglyphs.confusables import confusables_data

from autorefine_lib import resources

_ALSO_ALIKE = str.maketrans("мтτε", "mtte")  # what confusable-homoglyphs does not list
_LEET = str.maketrans("013457@$", "oieastas")
_SPELLED_OUT = re.compile(r"(?<![^\W_])[a-z](?:[^\w\s][a-z])+(?![^\W_])|(?<![^\W_])[a-z](?: [a-z]){2,}(?![^\W_])")
_TITLE = re.compile(r"\b(Ms|Miss)\.?\s+[A-Z][a-z]")


def _key(words: list[str]) -> tuple[str, ...]:
    """Words for comparison: "I" looks like "l" and "rn" like "m" in the same alphabet too."""
    return tuple(word.replace("l", "i").replace("rn", "m") for word in words)


CATEGORIES: dict[str, list[str]] = resources.load("protected")["categories"]
"""The listed words and phrases by the attribute they name."""
# Every listed phrase as a tuple of words; None for the exceptions.
_PHRASES: dict[tuple[str, ...], str | None] = {
    _key(phrase.split()): phrase for words in CATEGORIES.values() for phrase in words
}
_PHRASES |= dict.fromkeys(_key(phrase.split()) for phrase in resources.load("protected")["exceptions"])
_LONGEST = max(map(len, _PHRASES))


def protected_words(text: str) -> set[str]:
    """The listed words and phrases that `text` contains, lower case, hyphens as spaces.

    Seen through disguises: lookalike letters of any script (Unicode's list of confusables), invisible characters,
    accents, full-width forms, digits for letters ("w0men") and spelled-out words ("s.h.e"). Phrases in which a listed
    word names nothing ("white paper") do not count; levels such as "senior engineer" are not listed.
    """
    plain = _plain(text)
    found = {title.lower() for title in _TITLE.findall(text)}
    spelled = " ".join(re.sub(r"[^a-z]", "", match) for match in _SPELLED_OUT.findall(plain))
    for form in {plain, plain.replace("|", "l"), spelled}:
        words = re.findall(r"(?:[^\W_]|[@$])+", form)
        found |= _listed_in([word if word.isalpha() or word.isdigit() else word.translate(_LEET) for word in words])
    return found


def _listed_in(words: list[str]) -> set[str]:
    found: set[str] = set()
    start, keys = 0, _key(words)
    while start < len(words):
        lengths = range(min(_LONGEST, len(words) - start), 0, -1)
        length = next((length for length in lengths if keys[start : start + length] in _PHRASES), 0)
        if phrase := _PHRASES.get(keys[start : start + length]):
            found.add(phrase)
        start += length or 1
    return found


def _plain(text: str) -> str:
    """Lower case, without accents and invisible characters, lookalike letters made Latin."""
    if text.isascii():
        return text.lower()
    # Twice: a lookalike letter may come apart into others, or an accent may hide it.
    latin = _bare(text.translate(_lookalikes())).translate(_lookalikes())
    return latin.lower().translate(_ALSO_ALIKE)


@cache
def _lookalikes() -> dict[int, str]:
    """The characters that look like Latin letters (Unicode's confusables), with those letters."""
    pairs = [(char.strip("\u200e"), _bare(alike["c"])) for char, found in confusables_data.items() for alike in found]
    return {
        ord(char): latin
        for char, latin in pairs
        if len(char) == 1 and not char.isascii() and re.fullmatch("[A-Za-z]+", latin)
    }


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if unicodedata.category(char) not in ("Mn", "Cf"))
