"""Guards of rewrites: what a free paraphrase may not do to move a ranking, each with a name.

A policy that may write any text finds the cheapest text that moves the recommender. That is seldom a fair ad: it is
reward hacking (Amodei et al., 2016, "Concrete Problems in AI Safety", section 4). Each guard looks for one way of
cheating and gives its reasons in words. `faithfulness.violations` asks the guards that are switched on, and `red_team`
shows what each guard is for. Guards compare a rewrite with its source: what the source says itself is never a reason.
They are rules on the text and one similarity (static embeddings, not the recommender's model), so they are cheap and
always decide alike. They refuse known cheats and prove nothing about others: who knows the rules can avoid them.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from autorefine_lib import resources
from autorefine_lib.models import static_embedding
from autorefine_lib.text import requirements, sentences, wording
from autorefine_lib.text.tokens import WORD

GUARDS = (
    "protected", "names", "characters", "injection", "facts", "requirements", "benefits", "added", "dropped", "coded",
    "stuffing", "length", "form",
)  # fmt: skip
"""The guards by name. protected: words that name a protected attribute. names: given names. characters: hidden
characters and lookalike letters. injection: instructions to a ranker or a language model, markup. facts: numbers, pay,
places and names that are lost or made up. requirements: the same for skills, degrees and licences, and a must that
becomes a wish. benefits: the same for promises. added: sentences without a counterpart in the source. dropped:
sentences of the source without a counterpart in the rewrite. coded: more gender-coded words than rewording explains.
stuffing: a word or a sentence many times, a list of keywords. length: much shorter or longer. form: capitals, scrambled
words, articles, brackets, the last mark."""

SIMILAR = 0.35
"""Two sentences are counterparts from this cosine of static embeddings on. In paraphrases written by hand counterparts
are above 0.4, except sentences on a person's manner; boilerplate and inventions are below 0.3."""
CLEAR = 0.6
"""From this cosine on they are counterparts beyond doubt."""
OVERLAP = 0.6
"""A sentence also counts as said in the other text when this share of its content words is there."""
_KINDS = dict.fromkeys(("skill", "degree", "licence"), "requirements") | {"benefit": "benefits"}
_SAME = 0.9  # cosine above which two sentences are all but the same
_SPLIT = 0.85  # the same share, where the counterpart already has another partner
_SHORT = 3  # with fewer content words a line is a heading or a fragment, which no embedding can judge
_FULL_STOP = re.compile(r"(?<=[.!?])\s+(?=[a-z])")


def names(source: str, rewrite: str) -> Iterator[str]:
    """Given names that are brought in: they show a gender or an origin as clearly as a pronoun does."""
    known, listed = set(_words(source)), set(resources.load("guards")["given_names"])
    for word in sorted({word for word in WORD.findall(rewrite) if word[0].isupper()}):
        key = word.lower().removesuffix("'s").removesuffix("’s")
        if key in listed and key not in known:
            yield f"brings in the given name {word!r}"


def characters(source: str, rewrite: str) -> Iterator[str]:
    """Invisible characters beyond those of the source, and words that mix letters of several scripts."""
    before, after = (Counter(char for char in text if unicodedata.category(char) in ("Cf", "Cc", "Co", "Cn"))
                     for text in (source, rewrite))  # fmt: skip
    for char in sorted(set(after - before) - {"\n"}):
        yield f"hides the character U+{ord(char):04X}"
    known = set(_words(source))
    for word in sorted({word for word in WORD.findall(rewrite) if not word.isascii() and word.lower() not in known}):
        if len({unicodedata.name(char, "?").split()[0] for char in word if char.isalpha()}) > 1:
            yield f"mixes alphabets in {word!r}"


def injection(source: str, rewrite: str) -> Iterator[str]:
    """Instructions to whoever ranks or reads by machine, and markup."""
    for pattern in _injection():
        known = Counter(match.lower() for match in pattern.findall(source))
        found = Counter(match.lower() for match in pattern.findall(rewrite))
        yield from (f"instructs a machine: {' '.join(match.split())!r}" for match in sorted(found - known))


def facts(source: str, rewrite: str, guard: str) -> Iterator[str]:
    """What `requirements` finds lost or made up, of the kinds that belong to `guard` ("facts" and two more)."""
    for reason in [*requirements.lost(source, rewrite), *requirements.invented(source, rewrite)]:
        kind = re.findall(r"(?:lost|brings in|turns) (\w+)", reason)[0]
        if _KINDS.get(kind, "facts") == guard:
            yield reason


def added(source: str, rewrite: str) -> Iterator[str]:
    """Sentences without a counterpart in the source.

    Sentences with listed phrases are about a person's manner and may be reworded beyond recognition. So the rewrite may
    have as many new ones as the source has that are not clearly found again.
    """
    new = _without_counterpart(rewrite, source)
    gone = [*_without_counterpart(source, rewrite, CLEAR), *_new_fragments(source, rewrite)]
    exchanged = sum(bool(wording.find(sentence)) for sentence in gone)
    yield from (f"adds {_short(sentence)!r}" for sentence in new[exchanged:] or _said_again(rewrite, source))


def dropped(source: str, rewrite: str) -> Iterator[str]:
    """Sentences of the source without a counterpart in the rewrite, except those that were exchanged (see `added`)."""
    new, gone = _without_counterpart(rewrite, source), _without_counterpart(source, rewrite)
    manner = [sentence for sentence in gone if wording.find(sentence)]
    exchanged = manner[: len(new) + len(_new_fragments(rewrite, source))]
    yield from (f"drops {_short(sentence)!r}" for sentence in gone if sentence not in exchanged)


def coded(source: str, rewrite: str) -> Iterator[str]:
    """More gender-coded words outside listed phrases than exchanging those explains, or a list of nothing else."""
    # `wording.find` does not find phrases that are only brought in. Half of the source's phrases may have become such.
    room = len(wording.find(source)) // 2 + 3
    before, after = (Counter(filter(_is_coded, _words(_without_phrases(text)))) for text in (source, rewrite))
    more = after.total() - before.total()
    if more > room:
        yield f"brings in {more} gender-coded words, {', '.join(sorted(after - before)[:5])}"
    # In the source something close to a list is enough, because the phrases of a set differ in length.
    if _lists(rewrite, 5, 0.6) > _lists(source, 3, 0.3):
        yield "lists gender-coded words"


def stuffing(source: str, rewrite: str) -> Iterator[str]:
    """A content word or a whole sentence much more often than in the source, a word twice in a row, lists of words."""
    before, after = (Counter(_content(text)) for text in (source, rewrite))
    for word, count in sorted(after.items()):
        # Phrases of different sets share words, so that rewording may bring in "good" several times.
        room = 5 if word in wording.ad_words() else 2
        if count > max(before[word] + room, 1.5 * before[word], 3):
            yield f"repeats {word!r} {count} times"
    before, after = (Counter(" ".join(_words(part)) for part in _sentences(text)) for text in (source, rewrite))
    # An ad that repeats itself still does so when it is reworded.
    usual = max(before.values(), default=1)
    yield from (f"repeats {_short(part)!r}" for part, count in after.items() if part and count > usual)
    yield from (f"doubles {word!r}" for word in _doubled(rewrite) - _doubled(source))
    longest = max([5, *map(_keywords, _sentences(source))])
    yield from (f"lists keywords: {_short(part)!r}" for part in _sentences(rewrite) if _keywords(part) > longest)


def capitals(source: str, rewrite: str) -> Iterator[str]:
    """More words in new capitals than a name or two."""
    known = set(WORD.findall(source))
    shouted = [word for word in WORD.findall(rewrite) if len(word) > 3 and word.isupper() and word not in known]
    if len(shouted) > 3:
        yield f"writes {len(shouted)} words in capitals, {', '.join(shouted[:3])}"


def scrambled(source: str, rewrite: str) -> Iterator[str]:
    """Sentences of the source's words in another order: few of their pairs of words are in the source."""
    words = _words(source)
    known, pairs = set(words), set(zip(words, words[1:], strict=False))
    for part in _sentences(rewrite):
        own = _words(part)
        if len(own) >= 8 and np.mean([word in known for word in own]) > 0.85:
            kept = np.mean([pair in pairs for pair in zip(own, own[1:], strict=False)])
            if kept < 0.15:
                yield f"scrambles {_short(part)!r}"


@cache
def _injection() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in resources.load("guards")["injection"])


@cache
def _stems() -> re.Pattern[str]:
    stems = [stem for coding in resources.load("guards")["coded_stems"].values() for stem in coding]
    return re.compile("|".join(map(re.escape, stems)))


def _is_coded(word: str) -> bool:
    return bool(_stems().match(word))


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in WORD.findall(text)]


def _content(text: str) -> list[str]:
    return [word for word in _words(text) if word not in wording.function_words()]


def _sentences(text: str) -> list[str]:
    # A small letter after a full stop starts a sentence too: an added sentence may be written badly on purpose.
    parts = [part for piece in sentences.split(text)[::2] for part in _FULL_STOP.split(piece)]
    return [part for part in parts if part.strip()]


def _without_phrases(text: str) -> str:
    for found in reversed(wording.find(text)):
        text = text[: found.start] + text[found.end :]
    return text


def _doubled(text: str) -> Counter[str]:
    """How often each word stands twice in a row."""
    words = _words(text)
    return Counter(word for word, following in zip(words, words[1:], strict=False) if word == following)


def _lists(text: str, least: int, share: float) -> int:
    """Sentences that are hardly more than a list of gender-coded words and listed phrases."""
    lists = 0
    for sentence in _sentences(text):
        phrases = {word for found in wording.find(sentence) for word in _content(found.phrase)}
        content = _content(sentence)
        found = sum(_is_coded(word) or word in phrases for word in content)
        lists += found >= least and found >= share * len(content)
    return lists


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[list[str], list[list[str]], np.ndarray]:
    """The sentences of a text that can be judged, the first five letters of their content words, and their vectors."""
    parts = [part for part in _sentences(text) if len(_content(part)) >= _SHORT]
    return parts, [[word[:5] for word in _content(part)] for part in parts], static_embedding.embed(parts)


def _fragments(text: str) -> set[str]:
    """The first five letters of the content words in sentences that are too short to be judged."""
    short = [words for words in map(_content, _sentences(text)) if len(words) < _SHORT]
    return {word[:5] for words in short for word in words}


def _new_fragments(text: str, other: str) -> list[str]:
    """The sentences of `text` that are too short to be judged and not in `other`."""
    known = set(_sentences(other))
    return [part for part in _sentences(text) if len(_content(part)) < _SHORT and part not in known]


def _without_counterpart(text: str, other: str, cosine: float = SIMILAR) -> list[str]:
    """The sentences of `text` that `other` does not say: it has no similar sentence and lacks most of their words.

    Two sentences that are nearly the same are counterparts of each other only, so that a sentence that is left out is
    not excused by one that resembles it.
    """
    (parts, words, vectors), (others, other_words, other_vectors) = _read(text), _read(other)
    if not parts or not others:
        return parts
    similar = vectors @ other_vectors.T
    rows, columns = linear_sum_assignment(similar, maximize=True)
    paired = {(row, column) for row, column in zip(rows, columns, strict=True) if similar[row, column] > _SAME}
    free = np.setdiff1d(np.arange(len(others)), [column for _, column in paired])
    said = {word for column in free for word in other_words[column]} | _fragments(other)
    anywhere = said.union(*other_words)

    def is_said(row: int) -> bool:
        # A long sentence may be cut in parts: then the counterpart of one part can say another, in nearly its words.
        shares = [np.mean([word in known for word in words[row]]) for known in (said, anywhere)]
        return bool(similar[row, free].max(initial=-1) >= cosine or shares[0] >= OVERLAP or shares[1] >= _SPLIT)

    return [parts[row] for row in np.setdiff1d(np.arange(len(parts)), [row for row, _ in paired]) if not is_said(row)]


def _said_again(text: str, other: str) -> list[str]:
    """The sentences that `text` has more than `other`, unless a sentence was only split.

    A split leaves a text as long as it was. Added sentences make it longer by half of their words or more.
    """
    if len(_sentences(text)) <= len(_sentences(other)):
        return []
    (parts, _, vectors), (others, _, other_vectors) = _read(text), _read(other)
    rows = linear_sum_assignment(vectors @ other_vectors.T, maximize=True)[0] if parts and others else []
    beyond = [parts[row] for row in np.setdiff1d(np.arange(len(parts)), rows)]
    longer = len(_content(text)) - len(_content(other))
    return beyond if longer >= sum(len(_content(part)) for part in beyond) / 2 else []


def _keywords(sentence: str) -> int:
    """Items of one word between commas."""
    return sum(len(item.split()) == 1 for item in sentence.split(",")[1:])


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
