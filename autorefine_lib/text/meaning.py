"""Whether a rewrite says what its source says: polarity, modality, bounds, roles, conditions and content words.

Both are read by `clauses`. Content words are paired one to one: by lemma, by stem, by the listed synonyms, or by the
cosine of their static vectors. Everything else is compared along these pairs, or counted.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import permutations, product
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from autorefine_lib import resources
from autorefine_lib.models import static_embedding
from autorefine_lib.text import clauses, wording
from autorefine_lib.text.clauses import CAN, MAY, MUST, NEGATIVE_WORDS, SHOULD, SPEAKER, WAIVED, Reading, Word, read

NEAR = 0.5
"""Words that are not listed may stand for each other from this cosine of their static vectors on. Of 222 accepted
rewrites that were read, those that were wrong mostly had a verb for a near one: at 0.25 (verbs 0.1) 14 % of the wrong
ones are refused, at 0.5 and above 42 %."""
MOST = 1.0
"""From this weight of words without a counterpart on a sentence says something else. A noun weighs 1."""
_SUFFIX = re.compile(
    r"(?:ational|ization|isation|ations?|ators?|ating|ments?|ities|ness|ingly|ings?|ances?|ences?|ables?|ibles?"
    r"|ively|ives?|ional|ions?|ally|als?|ers?|ors?|ants?|ents?|ees?|ies|ied|ity|ed|ly|es|ic|ful|ed|y|e|s)$"
)
# Verbs that carry a sentence but say little; another verb may take their place.
_STRUCTURAL = frozenset(resources.load("meaning")["structural"])
# Some of them are acts of their own where no particle goes with them, as "give" in "We give people", not in "give up".
_ACTS, _PARTICLES = (frozenset(resources.load("meaning")[name]) for name in ("acts", "particles"))
# What people have and what grows: it is developed, and not created.
_GROWN = frozenset(resources.load("meaning")["grown"])
_LONGEST_PHRASE = 4  # tokens
_DOER = ("ee", "er", "or")  # who is trained is no trainer
_PREFIX = re.compile(r"^(?:un|in|im|ir|non|dis|mis)-?")


class Pairing(NamedTuple):
    """Which words say the same."""

    pairs: list[tuple[Word, Word]]
    gone: list[Word]
    new: list[Word]
    exchanged: tuple[set[int], set[int]]
    """Tokens of listed phrases that stand for each other, in the source and in the rewrite."""

    def images(self) -> dict[int, int]:
        """For each paired token of the source its token in the rewrite."""
        return {old.place: new.place for old, new in self.pairs}


@lru_cache(maxsize=8192)
def pair_words(source: str, rewrite: str) -> Pairing:
    """The content words of both texts, paired."""
    exchanged = _exchanged_phrases(read(source).lemmas, read(rewrite).lemmas)
    old, new = read(source).words, read(rewrite).words
    similar = np.array([[_likeness(a, b) for b in new] for a in old]).reshape(len(old), len(new))
    # Of words that are said several times those at the nearest places are paired.
    places = np.subtract.outer(np.arange(len(old)) / max(len(old), 1), np.arange(len(new)) / max(len(new), 1))
    pairs = [
        (old[i], new[j])
        for i, j in zip(*linear_sum_assignment(similar - 0.01 * np.abs(places), maximize=True), strict=True)
        if similar[i, j] >= NEAR
    ]
    paired = {id(word) for pair in pairs for word in pair}
    gone, fresh = (
        [word for word, row in zip(words, table, strict=True)
         if not (id(word) in paired or word.light or word.place in places or _covered(word, row, others))]
        for words, table, others, places in ((old, similar, new, exchanged[0]), (new, similar.T, old, exchanged[1]))
    )  # fmt: skip
    return Pairing(pairs, gone, fresh, exchanged)


def _exchanged_phrases(old: list[str], new: list[str]) -> tuple[set[int], set[int]]:
    """The places of listed phrases of one text of which the other has the partner instead, in each text."""
    before, after = _find_phrases(old), _find_phrases(new)
    places: tuple[set[int], set[int]] = set(), set()
    for phrase in before.keys() - after.keys():
        for partner in _phrases()[phrase] & (after.keys() - before.keys()):
            places[0].update(before[phrase])
            places[1].update(after[partner])
    return places


def _find_phrases(lemmas: list[str]) -> dict[str, list[int]]:
    """The places of the listed phrases, and of single words that are partners of one."""
    found: dict[str, list[int]] = {}
    for start in range(len(lemmas)):
        for end in range(start + 1, min(start + _LONGEST_PHRASE, len(lemmas)) + 1):
            phrase = " ".join(lemmas[start:end]).replace(" - ", " ")
            if phrase in _phrases():
                found.setdefault(phrase, []).extend(range(start, end))
    return found


@cache
def _phrases() -> dict[str, set[str]]:
    """What may stand for each listed phrase of several words, and the phrases that may stand for a word."""
    table: dict[str, set[str]] = {}
    for entry in resources.load("meaning")["synonyms"]:
        members = entry.replace("-", " ").split("|")
        for a, b in permutations(members, 2):
            if " " in a or " " in b:
                table.setdefault(a, set()).add(b)
    return table


def _covered(word: Word, similar: np.ndarray, others: list[Word]) -> bool:
    """Whether another word says the same, although it has a partner already."""
    if word.relation == "conj":
        return False  # "trucks and cars" says more than "trucks"
    return any(0.9 <= value < 1 and other.kind == word.kind for value, other in zip(similar, others, strict=True))


def polarity(source: str, rewrite: str) -> Iterator[str]:
    """Negations that are lost, brought in or moved to another word."""
    old, new = read(source), read(rewrite)
    pairs = pair_words(source, rewrite).pairs
    flips = sum(_negates_prefix(a.key, b.key) and not {a.key, b.key} & NEGATIVE_WORDS for a, b in pairs)
    before, after = len(old.negations), len(new.negations)
    apart = abs(before - after)
    if ("only" in old.quantifiers) != ("only" in new.quantifiers) and apart % 2 == 0:
        return  # "nobody without" says "only those with"
    if apart > old.waived + new.waived + flips or (apart == 0 and flips):
        yield f"has {after} negations for {before}"
    elif apart == 0 and before:
        images = pair_words(source, rewrite).images()
        negated = frozenset().union(*new.negations)
        kept = {images[place] for scope in old.negations for place in scope if place in images}
        others = set(images.values()) - kept
        # Both must be seen, because parses differ: what was negated no longer is, and something else is.
        if kept and not kept & negated and others & negated:
            yield "negates something else"


def modality(source: str, rewrite: str) -> Iterator[str]:
    """What must be, should be or may be."""
    strongest = (MUST, SHOULD, WAIVED, MAY, CAN)
    first, second = (next((one for one in strongest if one in read(text).modality), "") for text in (source, rewrite))
    allowed = ({MAY, WAIVED}, {"", WAIVED}, {"", CAN}, {MAY, CAN}, {"", MUST}, {"", SHOULD})
    if first != second and {first, second} not in allowed:
        yield f"turns what {first or 'is'} be into what {second or 'is'}"


def limits(source: str, rewrite: str) -> Iterator[str]:
    """Upper and lower bounds of numbers, quantifiers, "and" for "or", conditions and times."""
    old, new = read(source), read(rewrite)
    for name in sorted(old.bounds ^ new.bounds):
        other = new if name in old.bounds else old
        if name != "upper" or "before" not in other.conditions:  # "by Friday" for "no later than Friday"
            yield f"has another {name} bound"
    before, after = old.quantifiers, new.quantifiers
    if ("only" in before) != ("only" in after) and len(old.negations) == len(new.negations):
        yield "changes 'only'"
    elif (before - after - {"only"}) and (after - before - {"only"}):
        yield "changes how many"
    if (old.connectives["or"] > 0) != (new.connectives["or"] > 0) and not (old.negations and new.negations):
        more = new.connectives["and"] - old.connectives["and"]
        if (more > 0) if old.connectives["or"] else (more < 0):
            yield "says 'and' for 'or'" if old.connectives["or"] else "says 'or' for 'and'"
    yield from _conditions(old, new)


_OTHERWISE = {"before": "after", "after": "before", "if": "unless", "unless": "if"}


def _conditions(old: Reading, new: Reading) -> Iterator[str]:
    """Conditions and times that are lost or turned around."""
    gone, fresh = old.conditions - new.conditions, new.conditions - old.conditions
    for one in sorted(gone & set(_OTHERWISE)):
        if _OTHERWISE[one] in fresh and len(old.negations) == len(new.negations):
            yield f"says {_OTHERWISE[one]!r} for {one!r}"
    if gone & {"if", "unless"} and not new.conditions & {"if", "unless", "perhaps"}:
        yield "loses a condition"


def roles(source: str, rewrite: str) -> Iterator[str]:
    """Who does what to whom."""
    old, new = read(source), read(rewrite)
    if SPEAKER in new.persons - old.persons:
        yield "speaks in the first person"
    pairing = pair_words(source, rewrite)
    images = pairing.images()
    yield from (reason for a, b in pairing.pairs if (reason := _other_role(a, b, images, old)))


def _other_role(a: Word, b: Word, images: dict[int, int], old: Reading) -> str:
    """Why two paired words are not said of the same person or thing, or ""."""
    if a.owner and b.owner and a.owner != b.owner:
        return f"{b.text!r} belongs to {b.owner}, not to {a.owner}"
    if a.person and b.person and a.person != b.person and a.kind != "NOUN" and not _is_modal(a):
        return f"{b.text!r} is said of {b.person}, not of {a.person}"
    if b.person == SPEAKER != a.person and b.relation == "attr":
        return f"a first person is {b.text!r}"
    # Whom "We seek a nurse" is about is a nurse; who holds a degree is none.
    has_become = (a.relation, b.relation, b.person) == ("dobj", "attr", clauses.APPLICANT)
    if has_become and clauses.EMPLOYER not in old.persons:
        return f"{clauses.APPLICANT} is {b.text!r}, and does not have it"
    if a.kind == b.kind == "VERB" and _stem(a.key) == _stem(b.key):
        before = ({a.person} - {""}) | {images[place] for place in a.subjects if place in images}
        after = ({b.person} & old.persons) | (b.subjects & set(images.values()))
        if before and after and not before & after:
            return f"turns around who does what: {b.text!r}"
    return ""


def _is_modal(word: Word) -> bool:
    return any(word.key in resources.load("meaning")[strength] for strength in (MUST, SHOULD, MAY, CAN))


def content(source: str, rewrite: str) -> Iterator[str]:
    """Content words without a counterpart, on either side."""
    pairing = pair_words(source, rewrite)
    yield from _kept_apart(source, rewrite)
    known = {_stem(word.key) for word in read(source).words}
    for word in read(rewrite).words:
        if not (word.listed or word.key in _synonyms() or _stem(word.key) in known):
            yield f"{word.text!r} is no word"
    gone, new = (_not_of_manner(source, words) for words in (pairing.gone, pairing.new))
    yield from _other_acts(source, rewrite)
    yield from _said_again(source, rewrite)
    if sum(_weight(word, new) for word in gone) >= MOST:
        yield f"leaves out {', '.join(repr(w.text) for w in gone)}"
    if sum(_weight(word, gone) for word in new) >= MOST:
        yield f"brings in {', '.join(repr(w.text) for w in new)}"


def _kept_apart(source: str, rewrite: str) -> Iterator[str]:
    """Words that never stand for each other, though some of them mean nearly the same."""
    pairing = pair_words(source, rewrite)
    unpaired = {"opposites": (pairing.gone, pairing.new), "apart": _without_partner(source, rewrite)}
    for name, (old, new) in unpaired.items():
        yield from (f"says {b.text!r} for {a.text!r}" for a, b in product(old, new) if (a.key, b.key) in _apart(name))
    for a, b in pairing.pairs:  # "develop skills" is not "create skills"; software may be either
        if (a.key, b.key) == ("develop", "create") and _GROWN & set(read(source).lemmas[a.place + 1 : a.place + 6]):
            yield f"says {b.text!r} for {a.text!r}"


def _without_partner(source: str, rewrite: str) -> tuple[list[Word], list[Word]]:
    """The words of both texts without a partner; here words that come and go count too."""
    pairing = pair_words(source, rewrite)
    paired = {id(word) for pair in pairing.pairs for word in pair}
    old, new = (
        [word for word in _not_of_manner(source, read(text).words) if not (id(word) in paired or word.place in places)]
        for text, places in zip((source, rewrite), pairing.exchanged, strict=True)
    )
    return old, new


def _other_acts(source: str, rewrite: str) -> Iterator[str]:
    """Verbs of one place in the sentence that do not say the same."""
    after = read(rewrite).lemmas
    old, new = ([word for word in words if word.kind == "VERB"] for words in _without_partner(source, rewrite))
    for a, b in product(old, new):
        same_place = a.relation == b.relation not in ("aux", "auxpass")
        # "We value people" is not "We give people", nor "You need a licence" "You apply for a licence".
        alone = _PARTICLES.isdisjoint(after[b.place + 1 : b.place + 2])
        acts = alone and b.relation == "ROOT" and b.text.lower() in _ACTS
        if same_place and a.key not in _STRUCTURAL - {"need"} and (acts or b.key not in _STRUCTURAL):
            yield f"says {b.text!r} for {a.text!r}"


def _said_again(source: str, rewrite: str) -> Iterator[str]:
    """Words that the rewrite says more often than the source says them, or a word that is no longer there."""
    before, after = (
        Counter(_stem(word.key) for word in _not_of_manner(source, read(text).words) if not word.light)
        for text in (source, rewrite)
    )
    most = max((count for key, count in before.items() if key not in after), default=1)
    yield from (f"says {key!r} {count} times" for key, count in after.items() if count > max(most, before[key]))


def _weight(word: Word, others: list[Word]) -> float:
    """Adverbs, and verbs such as "ask" or "hold", come and go in paraphrases; one in the place of another is other."""
    exchanged = any(other.kind == word.kind for other in others)
    light = word.kind == "ADV" or (word.kind == "VERB" and word.relation != "conj")
    return 0.5 if light and not exchanged else 1.0


def _not_of_manner(source: str, words: list[Word]) -> list[Word]:
    """The words outside the phrase sets of which the source has a phrase: a person's manner may be put otherwise."""
    return [word for word in words if word.text.lower() not in _manner_words(source)]


@lru_cache(maxsize=8192)
def _manner_words(source: str) -> frozenset[str]:
    # Remembered: every check of content asks, for every rewrite of the same source.
    phrases = [phrase for found in wording.find(source) for phrase in found.phrase_set.phrases()]
    return frozenset(word for phrase in phrases for word in re.findall(r"\w+", phrase))


RULES = (polarity, modality, limits, roles, content)
"""The guards of meaning; their names are those of the functions."""


@cache
def _synonyms() -> dict[str, set[int]]:
    table: dict[str, set[int]] = {}
    for number, entry in enumerate(resources.load("meaning")["synonyms"]):
        for word in entry.split("|"):
            table.setdefault(word.replace("-", " "), set()).add(number)
    return table


@cache
def _apart(name: str) -> frozenset[tuple[str, str]]:
    """The pairs of words that never stand for each other, of `opposites` or `apart`."""
    found = set()
    for entry in resources.load("meaning")[name]:
        first, second = (half.replace("-", " ").split("|") for half in entry.split(" / "))
        found |= {pair for a in first for b in second for pair in ((a, b), (b, a))}
    return frozenset(found)


def _stem(word: str) -> str:
    shorter = _SUFFIX.sub("", word)
    shorter = _SUFFIX.sub("", shorter) if len(shorter) > 5 else shorter
    return shorter if len(shorter) >= 4 else word


def _negates_prefix(a: str, b: str) -> bool:
    return any(_PREFIX.match(x) and _PREFIX.sub("", x) == y for x, y in ((a, b), (b, a)))


def _likeness(a: Word, b: Word) -> float:
    return max(_similarity(a.key, b.key), _listed_alike(a.text.lower(), b.text.lower()))


def _listed_alike(a: str, b: str) -> float:
    return 0.95 if _synonyms().get(a, set()) & _synonyms().get(b, set()) else 0.0


@lru_cache(maxsize=1 << 18)
def _similarity(a: str, b: str) -> float:
    if a == b or _negates_prefix(a, b):
        return 1.0
    if _stem(a) == _stem(b):
        return 0.0 if a.endswith("ee") != b.endswith("ee") and a[-2:] in _DOER and b[-2:] in _DOER else 1.0
    if any((a, b) in _apart(name) for name in ("opposites", "apart")):
        return 0.0
    return _listed_alike(a, b) or min(0.9, float(_vector(a) @ _vector(b)))


@lru_cache(maxsize=1 << 15)
def _vector(word: str) -> np.ndarray:
    return static_embedding.embed([word])[0]
