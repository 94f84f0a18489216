"""Words that name a protected attribute: the one thing a rewrite may never bring in.

They are the cheapest way to move an embedding ("she" turns a ranking around) and the one that no employer
may use. The list with its legal sources is ``resources/protected.json``.
"""

import re
import unicodedata
from functools import cache

from autorefine_lib import resources

# Letters of other scripts that look like Latin ones, and digits and signs that stand for letters inside a word.
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһԛԝмтαεορυιν", "aeopcyxijsdhqwmtaeopuiv")
_LEET = str.maketrans("013457@$", "oieastas")
_SPELLED_OUT = re.compile(r"(?<![^\W_])[a-z](?:[^\w\s][a-z])+(?![^\W_])|(?<![^\W_])[a-z](?: [a-z]){2,}(?![^\W_])")
_TITLE = re.compile(r"\b(Ms|Miss)\.?\s+[A-Z][a-z]")


def protected_words(text: str) -> set[str]:
    """The listed words and phrases that `text` contains, lower case, hyphens as spaces.

    Seen through disguises: other scripts' lookalike letters, invisible characters, accents, full-width forms, digits
    for letters ("w0men") and spelled-out words ("s.h.e"). Phrases in which a listed word names nothing ("white
    paper") do not count; levels such as "senior engineer" are not listed.
    """
    plain = _plain(text)
    found = {title.lower() for title in _TITLE.findall(text)}
    spelled = " ".join(re.sub(r"[^a-z]", "", match) for match in _SPELLED_OUT.findall(plain))
    for form in (plain, spelled):
        words = re.findall(r"[a-z0-9@$]+", form)
        found |= _listed_in([word if word.isalpha() or word.isdigit() else word.translate(_LEET) for word in words])
    return found


@cache
def categories() -> dict[str, tuple[str, ...]]:
    """The listed words and phrases by the attribute they name."""
    return {name: tuple(words) for name, words in resources.load("protected")["categories"].items()}


@cache
def _phrases() -> dict[tuple[str, ...], str | None]:
    """Every listed phrase as a tuple of words; None for the exceptions."""
    listed = {tuple(phrase.split()): phrase for words in categories().values() for phrase in words}
    return listed | {tuple(phrase.split()): None for phrase in resources.load("protected")["exceptions"]}


@cache
def _longest() -> int:
    return max(map(len, _phrases()))


def _listed_in(words: list[str]) -> set[str]:
    found, start = set(), 0
    while start < len(words):
        for length in range(min(_longest(), len(words) - start), 0, -1):
            key = tuple(words[start : start + length])
            if key in _phrases():
                found.add(_phrases()[key])
                start += length - 1
                break
        start += 1
    return found - {None}


def _plain(text: str) -> str:
    """Lower case, without accents and invisible characters, lookalike letters made Latin."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).lower().translate(_LOOKALIKES)
    return "".join(char for char in decomposed if unicodedata.category(char) not in ("Mn", "Cf"))
