"""What a job ad demands and states, and what a rewrite loses of it or makes up.

Skills, degrees, licences, places and benefits are looked up in ``resources/requirements.json``, which was written for
this project. `quantities` reads years, money and other numbers. Any other word with a capital inside a sentence is a
name. A rewrite may say a fact anywhere and in any form: order, case, number formats ("5+ years", "five years";
"$60,000", "60k") and the wording around it do not matter. The module does not check which skill a number belongs to.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

from autorefine_lib import resources
from autorefine_lib.text import quantities, wording
from autorefine_lib.text.tokens import Token, find_names, has_inner_capital, tokenize

KINDS = ("skill", "years", "degree", "licence", "money", "number", "place", "benefit", "name")
MUST, SHOULD = "must", "should"
_GLUED = re.compile(r"[a-z]{3,}[A-Z][a-z]{2,}")  # "tasksAbility": a line break got lost


class Requirement(NamedTuple):
    """A requirement or another fact of an ad."""

    kind: str  # one of KINDS
    value: str  # what is compared: the name of the listed fact, the amount with its unit, or the word in lower case
    text: str  # as the ad says it
    strength: str  # "must" or "should" where the sentence says so, else ""
    weak: bool  # an uncertain reading ("Go" at the start of a sentence, "one"): it can keep a fact but is never missed
    amount: quantities.Quantity | None  # where the fact is a number


def lost(source: str, rewrite: str) -> list[str]:
    """What `source` demands or states and `rewrite` does not: one reason for each, none when nothing is lost.

    A requirement that was a must and is now only welcome counts as lost.
    """
    old, new = _read(source), _read(rewrite)
    return _missing(old, new, "lost") + _shifted(old, new, MUST, SHOULD)


def invented(source: str, rewrite: str) -> list[str]:
    """What `rewrite` demands, states or offers and `source` does not: one reason for each, none when nothing is new.

    A requirement that was welcome only and is now a must counts as invented.
    """
    old, new = _read(source), _read(rewrite)
    return _missing(new, old, "brings in") + _shifted(old, new, SHOULD, MUST)


_Phrase = tuple[str, str, int, int, bool]  # kind, value, first token, last token, weak
_Row = tuple[str, str, int, int, bool, quantities.Quantity | None]


class _Ad(NamedTuple):
    facts: list[Requirement]
    amounts: list[quantities.Quantity]
    strengths: dict[tuple[str, str], set[str]]  # of each (kind, value)
    words: frozenset[str]
    beginnings: frozenset[str]  # of the words, so that "managing projects" keeps "project management"


@lru_cache(maxsize=2048)
def _read(text: str) -> _Ad:
    tokens = tokenize(text)
    starts = _line_starts(text, tokens)
    named = {i for i in find_names(tokens) if i not in starts or has_inner_capital(tokens[i].text)}
    listed = _listed(tokens, named)
    taken = {index for _, _, first, last, _ in listed for index in range(first, last + 1)}
    amounts, opaque = quantities.find(tokens, taken)
    taken |= {index for amount in amounts for index in range(amount.first, amount.last + 1)}
    strengths = _strengths(tokens, starts, listed)
    rows: list[_Row] = [(*phrase, None) for phrase in listed if phrase[0] in KINDS]
    rows += [(_kind(a), f"{a.value:.12g} {a.unit}".strip(), a.first, a.last, a.weak, a) for a in amounts]
    rows += [("number" if tokens[i].key[0].isdigit() else "name", tokens[i].key, i, i, False, None) for i in opaque]
    rows += [("name", tokens[i].key, i, i, False, None) for i in _plain_names(tokens, starts, named - taken)]
    facts = [
        Requirement(kind, value, text[tokens[first].start : tokens[last].end], strengths[first], weak, amount)
        for kind, value, first, last, weak, amount in sorted(rows, key=lambda row: row[2])
    ]
    by_value: dict[tuple[str, str], set[str]] = {}
    for fact in facts:
        by_value.setdefault((fact.kind, fact.value), set()).add(fact.strength)
    words = frozenset(_fold(token.key) for token in tokens)
    return _Ad(facts, amounts, by_value, words, frozenset(word[:5] for word in words))


def _kind(amount: quantities.Quantity) -> str:
    if amount.unit == quantities.MONTHS:
        return "years"
    return "money" if amount.unit not in ("", quantities.PERCENT) else "number"


def _line_starts(text: str, tokens: list[Token]) -> set[int]:
    """Indices of the first token of each line, and of the first behind a bullet."""
    starts: set[int] = set()
    end = 0
    for index, token in enumerate(tokens):
        after_bullet = index - 1 in starts and tokens[index - 1].kind == "mark"
        if index == 0 or after_bullet or "\n" in text[end : token.start]:
            starts.add(index)
        end = token.end
    return starts


@lru_cache(maxsize=1 << 16)
def _fold(key: str) -> str:
    """A word without its plural or genitive s, so that either form is found."""
    key = key.removesuffix("'s").removesuffix("'")
    return key[:-1] if len(key) > 3 and key.endswith("s") and not key.endswith("ss") else key


def _phrase(phrase: str) -> tuple[str, ...]:
    return tuple(_fold(token.key) for token in tokenize(phrase) if token.text != "-")


@cache
def _phrases() -> dict[str, list[tuple[tuple[str, ...], str, str]]]:
    """Listed phrases by their first word, the longest first: (words, kind, value)."""
    # Wording is no fact. Phrases that a rewrite may exchange are skipped, as the exceptions are.
    listed = [phrase for phrase_set in wording.PHRASE_SETS.values() for phrase in phrase_set.phrases()]
    rows = [(_phrase(phrase), "", "") for phrase in [*listed, *resources.load("requirements")["exceptions"]]]
    for kind in ("skill", "degree", "licence", "benefit", "place", MUST, SHOULD):
        for entry in resources.load("requirements")[kind]:
            rows += [(_phrase(phrase), kind, entry.split("|")[0]) for phrase in entry.split("|")]
    for entry in resources.load("requirements")["state"]:
        name, code = entry.split("|")
        rows += [(_phrase(name), "place", name), ((",", code), "place", name)]
    table: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
    for row in sorted(rows, key=lambda row: -len(row[0])):
        table.setdefault(row[0][0], []).append(row)
    return table


@cache
def _written_as(how: str) -> frozenset[tuple[str, ...]]:
    return frozenset(map(_phrase, resources.load("requirements")[how]))


def _listed(tokens: list[Token], named: set[int]) -> list[_Phrase]:
    """The listed phrases, which never overlap."""
    indices = [index for index, token in enumerate(tokens) if token.text != "-"]
    keys = [_fold(tokens[index].key) for index in indices]
    cased = any(token.text.islower() for token in tokens)  # in a text all in capitals, capitals mean nothing
    found: list[_Phrase] = []
    table, position = _phrases(), 0
    while position < len(keys):
        for words, kind, value in table.get(keys[position], ()):
            end = position + len(words)
            if tuple(keys[position:end]) != words:
                continue
            first, last = indices[position], indices[end - 1]
            if words[0] == "," and not _is_state(tokens, first, last, found):
                continue
            if kind:
                careful = words in _written_as("careful") and last not in named
                small = words in _written_as("capitals") and not (cased and tokens[last].text.isupper())
                found.append((kind, value, first, last, careful or small))
            position = end - 1
            break
        position += 1
    return found


def _is_state(tokens: list[Token], comma: int, code: int, found: list[_Phrase]) -> bool:
    """Whether ", MA" follows a place or a word with a capital ("Boston, MA") and no degree ("BA, MA or PhD")."""
    before = tokens[comma - 1].text if comma else ""
    kind = found[-1][0] if found and found[-1][3] == comma - 1 else ""
    return tokens[code].text.isupper() and (kind == "place" or (before.istitle() and kind != "degree"))


def _plain_names(tokens: list[Token], starts: set[int], named: set[int]) -> Iterable[int]:
    """Names that no list holds.

    Words of headings, first words of lines and words that the ad also writes in lower case are left out.
    """
    lower = {token.text for token in tokens if token.text.islower()}
    headings = _headings(tokens, starts)
    for index in named:
        token = tokens[index]
        if index in headings or index in starts or token.key in lower or len(token.text) == 1:
            continue
        if (_fold(token.key),) in _written_as("plain") or token.key in wording.AD_WORDS:
            continue
        if not _GLUED.fullmatch(token.text):
            yield index


def _headings(tokens: list[Token], starts: set[int]) -> set[int]:
    """Indices of the tokens of lines in title case or in capitals."""
    found: set[int] = set()
    for first, behind in pairwise([*sorted(starts), len(tokens)]):
        words = [token.text for token in tokens[first:behind] if token.kind == "word" and len(token.text) > 3]
        if words and all(word[0].isupper() for word in words):
            found.update(range(first, behind))
    return found


def _strengths(tokens: list[Token], starts: set[int], listed: list[_Phrase]) -> list[str]:
    """For each token how strict its clause is; where the clause says nothing or both, how strict its sentence is."""
    cues = {first: kind for kind, _, first, _, _ in listed if kind in (MUST, SHOULD)}
    strengths = [""] * len(tokens)
    sentences = {index for index, token in enumerate(tokens) if index in starts or token.text in (".", "!", "?", ";")}
    clauses = sentences | {index for index, token in enumerate(tokens) if token.text in (",", "but")}
    for bounds in (clauses, sentences) if cues else ():
        for first, behind in pairwise([0, *sorted(bounds), len(tokens)]):
            said = {cues[index] for index in range(first, behind) if index in cues}
            if len(said) == 1:
                strengths[first:behind] = [old or min(said) for old in strengths[first:behind]]
    return strengths


def _missing(ad: _Ad, other: _Ad, verb: str) -> list[str]:
    """Reasons for the facts of `ad` that `other` lacks."""
    reasons = [f"{verb} {f.kind} {f.text!r}" for f in ad.facts if not f.weak and not _kept(f, other)]
    return list(dict.fromkeys(reasons))


def _kept(fact: Requirement, ad: _Ad) -> bool:
    if fact.amount is not None:
        return any(quantities.same(fact.amount, known) for known in ad.amounts)
    if fact.kind in ("name", "number"):
        return _fold(fact.value) in ad.words
    if fact.value == fact.kind:  # "a degree", "licensed": any degree or licence keeps it
        return any(kind == fact.kind for kind, _ in ad.strengths)
    if fact.text.startswith(","):  # ", MA": a rewrite in small letters keeps it too
        return (fact.kind, fact.value) in ad.strengths or fact.text.strip(", ").lower() in ad.words
    if (fact.kind, fact.value) in ad.strengths:
        return True
    return fact.kind in ("skill", "benefit") and all(word[:5] in ad.beginnings for word in _phrase(fact.text))


def _shifted(ad: _Ad, other: _Ad, before: str, after: str) -> list[str]:
    """Facts that `ad` states with the strength `before` only, and `other` with `after` only."""
    reasons = [
        f"turns {f.kind} {f.text!r} from a {before} into a {after}"
        for f in ad.facts
        if ad.strengths[f.kind, f.value] == {before} and other.strengths.get((f.kind, f.value)) == {after}
    ]
    return list(dict.fromkeys(reasons))
