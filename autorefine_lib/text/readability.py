"""How hard a text is to read: Flesch's reading ease and the Flesch-Kincaid grade, for English.

reading ease = 206.835 - 1.015 words/sentences - 84.6 syllables/words (Flesch, 1948, Journal of Applied Psychology
32(3), 221-233): about 100 for very easy and 0 for very hard text. Grade = 0.39 words/sentences + 11.8 syllables/words
- 15.59 (Kincaid, Fishburne, Rogers and Chissom, 1975, Research Branch Report 8-75, Naval Technical Training Command):
years of school in the United States.
"""

import math
import re
from functools import lru_cache

import pyphen

from autorefine_lib.text import sentences, tokens

_HYPHENATOR = pyphen.Pyphen(lang="en_US")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(r"[^aeiouyl](?:e|es|ed)$|[aeiouy]le[sd]?$")
_SOUNDED = re.compile(r"(?:[sxz]|[cs]h|[cg])es$|[td]ed$|[^aeiouy]les?$")  # "changes", "needed", "table"
_HIATUS = re.compile(r"(?:[^cst]ia|io|eo|ea)s?$")  # "media", "studio", "video", "area"


@lru_cache(maxsize=1 << 17)
def syllables(word: str) -> int:
    """Syllables of an English word; at least 1.

    pyphen hyphenates the word (Liang's patterns). Each piece has as many syllables as it has groups of vowels, without
    a silent e at the end. Hyphenation alone is too coarse: it has no break in "city".
    """
    pieces = _HYPHENATOR.inserted(word.lower()[:50]).replace("qu", "q").split("-")
    counts = [len(_VOWELS.findall(piece)) for piece in pieces]
    last = pieces[-1]
    if counts[-1] > 1 and _SILENT.search(last) and not _SOUNDED.search(last):
        counts[-1] -= 1
    total = sum(max(1, count) for count in counts)
    return total + (total > 1 and bool(_HIATUS.search(last)))


def counts(text: str) -> tuple[int, int, int]:
    """Sentences, words and syllables of `text`; a line is a sentence, a hyphenated word is one, a number is none."""
    words = [tokens.WORD.findall(part) for part in sentences.split(text)[::2]]
    return sum(map(bool, words)), sum(map(len, words)), sum(syllables(word) for part in words for word in part)


def flesch(text: str) -> tuple[float, float]:
    """Flesch's reading ease and the Flesch-Kincaid grade; both NaN for a text without a word."""
    n_sentences, n_words, n_syllables = counts(text)
    if not n_words:
        return math.nan, math.nan
    length, weight = n_words / n_sentences, n_syllables / n_words
    return 206.835 - 1.015 * length - 84.6 * weight, 0.39 * length + 11.8 * weight - 15.59
