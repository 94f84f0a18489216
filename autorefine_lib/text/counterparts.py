"""Which sentences of a rewrite say what which sentences of its source say, by static embeddings and shared words."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from autorefine_lib.models import static_embedding
from autorefine_lib.text import sentences, tokens, wording

SIMILAR = 0.35
"""Two sentences are counterparts from this cosine of static embeddings on. In paraphrases written by hand counterparts
are above 0.4, except sentences on a person's manner; boilerplate and inventions are below 0.3."""
CLEAR = 0.6
"""From this cosine on they are counterparts beyond doubt."""
OVERLAP = 0.6
"""A sentence also counts as said in the other text when this share of its content words is there."""
_SAME = 0.9  # cosine above which two sentences are all but the same
_ALIKE = 0.75  # share of words that two sentences have in common which differ in a few only
_SPLIT = 0.85  # the same share, where the counterpart already has another partner
_SHORT = 2  # with fewer content words a line is a heading or a fragment, which no embedding can judge
_FULL_STOP = re.compile(r"(?<=[.!?])\s+(?=[a-z])")


def added(source: str, rewrite: str) -> Iterator[str]:
    """Sentences without a counterpart in the source.

    Sentences with listed phrases are about a person's manner and may be reworded beyond recognition. So the rewrite may
    have as many new ones as the source has that are not clearly found again.
    """
    if len(find_sentences(source)) == 1:
        return  # `meaning.content` compares it with its rewrite word by word
    new = _without_counterpart(rewrite, source)
    gone = [*_without_counterpart(source, rewrite, CLEAR), *_new_fragments(source, rewrite)]
    exchanged = sum(bool(wording.find(sentence)) for sentence in gone)
    yield from (f"adds {shorten(sentence)!r}" for sentence in new[exchanged:] or _said_again(rewrite, source))


def dropped(source: str, rewrite: str) -> Iterator[str]:
    """Sentences of the source without a counterpart in the rewrite, except those that were exchanged (see `added`)."""
    if len(find_sentences(source)) == 1:
        return
    new, gone = _without_counterpart(rewrite, source), _without_counterpart(source, rewrite)
    manner = [sentence for sentence in gone if wording.find(sentence)]
    exchanged = manner[: len(new) + len(_new_fragments(rewrite, source))]
    yield from (f"drops {shorten(sentence)!r}" for sentence in gone if sentence not in exchanged)


@lru_cache(maxsize=1024)
def pair_sentences(source: str, rewrite: str) -> list[tuple[str, str]]:
    """The sentences of both texts that differ in a few words only; a single sentence and its rewrite as they are."""
    if len(find_sentences(source)) <= 1:
        return [(source, rewrite)]
    others = {part: Counter(plain_words(part)) for part in find_sentences(rewrite)}
    pairs = []
    for part in (part for part in find_sentences(source) if others and part not in others):
        own = Counter(plain_words(part))
        shared = {other: (own & words).total() / max(own.total(), words.total(), 1) for other, words in others.items()}
        best = max(shared, key=shared.__getitem__)
        if shared[best] >= _ALIKE:
            pairs.append((part, best))
    return pairs


def find_sentences(text: str) -> list[str]:
    """The sentences of a text, without those that are empty."""
    # A small letter after a full stop starts a sentence too: an added sentence may be written badly on purpose.
    parts = [part for piece in sentences.split(text)[::2] for part in _FULL_STOP.split(piece)]
    return [part for part in parts if part.strip()]


def plain_words(text: str) -> list[str]:
    """The words of letters of a text, lower case; a hyphenated word is one."""
    return [word.lower().replace("’", "'") for word in tokens.WORD.findall(text)]


def content_words(text: str) -> list[str]:
    """The plain words that are no function words."""
    return [word for word in plain_words(text) if word not in wording.FUNCTION_WORDS]


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[list[str], list[list[str]], np.ndarray]:
    """The sentences of a text that can be judged, the first five letters of their content words, and their vectors."""
    parts = [part for part in find_sentences(text) if len(content_words(part)) >= _SHORT]
    return parts, [[word[:5] for word in content_words(part)] for part in parts], static_embedding.embed(parts)


def _fragments(text: str) -> set[str]:
    """The first five letters of the content words in sentences that are too short to be judged."""
    return {word[:5] for part in find_sentences(text) if len(words := content_words(part)) < _SHORT for word in words}


def _new_fragments(text: str, other: str) -> list[str]:
    """The sentences of `text` that are too short to be judged and not in `other`."""
    known = set(find_sentences(other))
    return [part for part in find_sentences(text) if len(content_words(part)) < _SHORT and part not in known]


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
    if len(find_sentences(text)) <= len(find_sentences(other)):
        return []
    (parts, _, vectors), (others, _, other_vectors) = _read(text), _read(other)
    rows = linear_sum_assignment(vectors @ other_vectors.T, maximize=True)[0] if parts and others else []
    beyond = [parts[row] for row in np.setdiff1d(np.arange(len(parts)), rows)]
    longer = len(content_words(text)) - len(content_words(other))
    return beyond if longer >= sum(len(content_words(part)) for part in beyond) / 2 else []


def shorten(text: str) -> str:
    """A text for a reason: at most 60 characters."""
    return text if len(text) <= 60 else text[:57] + "..."
