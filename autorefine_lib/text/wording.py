"""Gender-coded wording: phrase sets, counting, and the context-safe word-swap baseline.

Job ads carry masculine-coded (agentic) and feminine-coded (communal) wording, and that wording
changes whom an ad appeals to (Gaucher, Friesen and Kay, 2011, JPSP 101(1), 109-128). The list in
``resources/wording.json`` was written for this project. It holds whole phrases in sets. The members of a set fit the
same place in a sentence, so that a replacement needs no grammar except "a" or "an".
"""

import random
import re
from dataclasses import dataclass
from functools import cache

from autorefine_lib import resources
from autorefine_lib.text.articles import mend_articles

CODINGS = ("masculine", "neutral", "feminine")


@dataclass(frozen=True)
class PhraseSet:
    """Phrases that fit the same place in a sentence, by coding. Those in `into_only` are brought in, never replaced."""

    masculine: tuple[str, ...]
    neutral: tuple[str, ...]
    feminine: tuple[str, ...]
    into_only: frozenset[str]

    def phrases(self, coding: str | None = None) -> tuple[str, ...]:
        """The phrases of one coding, or of all three."""
        return getattr(self, coding) if coding else self.masculine + self.neutral + self.feminine


FUNCTION_WORDS = frozenset(resources.load("wording")["function_words"])
"""Articles, pronouns, prepositions and the like: what a grammatical repair may bring in."""
PHRASE_SETS = {
    row["name"]: PhraseSet(
        **{coding: tuple(row[coding]) for coding in CODINGS}, into_only=frozenset(row.get("into_only", ()))
    )
    for row in resources.load("wording")["sets"]
}
"""All phrase sets of the list, by name."""
AD_WORDS = FUNCTION_WORDS.union(
    part
    for phrase_set in PHRASE_SETS.values()
    for phrase in phrase_set.phrases()
    for word in re.findall(r"[a-z]+(?:[-'][a-z]+)*", phrase)
    for part in (word, *word.split("-"))
)
"""All lower-case words that a replacement may bring in, hyphenated ones whole and in parts, and function words."""
# Each phrase that `find` looks for, in lower case, with its set and coding; None for phrases that are kept.
_LISTED: dict[str, tuple[PhraseSet, str] | None] = {
    phrase: (phrase_set, coding)
    for phrase_set in PHRASE_SETS.values()
    for coding in CODINGS
    for phrase in phrase_set.phrases(coding)
    if phrase not in phrase_set.into_only
}
_LISTED |= dict.fromkeys(resources.load("wording")["keep"])
# Where a listed phrase may begin. A hyphen is part of a word ("user-friendly" is not "friendly"), and so are the marks
# of addresses ("friendly.com").
_WORD = re.compile(r"(?<![\w\-@/.])\w+")


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """A pattern for each first word of a listed phrase; this is about ten times faster than one pattern for all."""
    by_first_word: dict[str, list[str]] = {}
    # The longest come first, so that "strong communication skills" wins over a shorter phrase at the same place.
    for phrase in sorted(_LISTED, key=len, reverse=True):
        spelled = re.escape(phrase).replace(r"\ ", r"\s+").replace("'", "['’]")
        by_first_word.setdefault(re.findall(r"\w+", phrase)[0], []).append(spelled)
    ends = r"(?![\w\-@/]|['’.]\w)"
    listed = {word: f"(?:{'|'.join(phrases)}){ends}" for word, phrases in by_first_word.items()}
    return {word: re.compile(pattern, re.IGNORECASE) for word, pattern in listed.items()}


def _key(phrase: str) -> str:
    return re.sub(r"\s+", " ", phrase.replace("’", "'").lower())


def _is_heading(phrase: str) -> bool:
    """Several words in Title Case are a heading or a name, which stays as it is."""
    words = phrase.split()
    return len(words) > 1 and all(word[0].isupper() for word in words[1:]) and not phrase.isupper()


@dataclass(frozen=True)
class Found:
    """A listed phrase in a text: where it stands, its set and its coding."""

    start: int
    end: int
    phrase: str
    phrase_set: PhraseSet
    coding: str


def find(text: str) -> list[Found]:
    """The listed phrases of `text`, left to right, never overlapping, the longest at each place."""
    found, end = [], 0
    for word in _WORD.finditer(text):
        pattern = _patterns().get(word.group().lower())
        match = pattern.match(text, word.start()) if pattern and word.start() >= end else None
        if match is None:
            continue
        end = match.end()
        entry = _LISTED[_key(match.group())]
        if entry is not None and not _is_heading(match.group()):
            found.append(Found(match.start(), end, match.group(), *entry))
    return found


def _in_case_of(source: str, phrase: str) -> str:
    if source.isupper() and len(source) > 1:
        return phrase.upper()
    return phrase[0].upper() + phrase[1:] if source[0].isupper() else phrase


def _alternatives(phrase_set: PhraseSet, source: str, coding: str, toward: str | None) -> tuple[str, ...]:
    if toward is None:
        return tuple(phrase for phrase in phrase_set.phrases() if phrase != source)
    if coding == toward:
        return ()
    # Where the set has no phrase of this coding, a neutral one is at least a step in its direction.
    return phrase_set.phrases(toward) or (phrase_set.neutral if coding != "neutral" else ())


def swap(sentence: str, rng: random.Random, toward: str | None = None, probability: float = 1.0) -> str:
    """Replace listed phrases by others of their set and mend "a" and "an" before them; the rest stays to the letter.

    Args:
        sentence: text of any length.
        rng: the source of every random choice.
        toward: "masculine", "neutral" or "feminine": phrases of another coding are replaced by one of this coding.
            None: a phrase is replaced by any other of its set, chosen uniformly. ``toward="neutral"`` is the
            gender-coded word-swap baseline.
        probability: chance that a given phrase is replaced.
    """
    swapped, end = "", 0
    for found in find(sentence):
        alternatives = _alternatives(found.phrase_set, _key(found.phrase), found.coding, toward)
        if not alternatives or rng.random() >= probability:
            continue
        phrase = rng.choice(alternatives)
        swapped += sentence[end : found.start] + _in_case_of(found.phrase, phrase)
        end = found.end
    return mend_articles(sentence, swapped + sentence[end:])


def coded_count(text: str) -> dict[str, int]:
    """How many masculine-coded, neutral and feminine-coded phrases of the list `text` holds."""
    codings = [found.coding for found in find(text)]
    return {coding: codings.count(coding) for coding in CODINGS}
