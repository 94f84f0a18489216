"""What rewriting does to the text of ads: meaning, requirements, wording, readability, length, repetition, collapse."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pandas as pd

from autorefine_lib.errors import InputError
from autorefine_lib.text import gender_coded, readability, requirements, wording
from autorefine_lib.text.protected import protected_words
from autorefine_lib.text.tokens import words

Embed = Callable[[list[str]], np.ndarray]
"""Texts to vectors, float [texts, dimensions]; not the recommender's model, which the rewrites were made to move."""


def measure(rewrites: Sequence[str], originals: Sequence[str], embed: Embed) -> pd.DataFrame:
    """Each rewrite against its original, one row an ad.

    Args:
        rewrites, originals: texts, one for each ad, in the same order.
        embed: a meaning model that is not the recommender's, for instance `static_embedding.embed`.

    Returns:
        meaning: cosine of the two texts' vectors, 1 for equal texts; NaN where a text has no vector (it is empty).
        requirements_lost, requirements_invented: counts, with the reasons beside in `lost` and `invented` (lists).
        protected_in, protected_out: words naming a protected attribute that were brought in and taken out (sorted
        lists), with their counts in n_protected_in and n_protected_out.
        masculine_, feminine_: words of Gaucher, Friesen and Kay's list (`gender_coded`); lexicon_masculine_,
        lexicon_neutral_, lexicon_feminine_: phrases of `wording`; each with the ending before (original) and after.
        reading_ease_, grade_: Flesch and Flesch-Kincaid (`readability`), before and after; NaN without a word.
        words_before, words_after, length_ratio: words, and after / before; NaN for an original without words.
        repetition_before, repetition_after: share of repeated trigrams (`repetition`).
        note: why a value is NaN, else "".

    Raises:
        InputError: no ads, lists of different lengths, something that is no text, or vectors that are not finite
            [texts, dimensions].
    """
    rewrites, originals = _checked(rewrites, originals)
    table = pd.DataFrame({"meaning": _cosines(*_vectors(embed, rewrites, originals))})
    # Both for one pair at a time: the texts that were read last are remembered.
    changes = [
        {"lost": requirements.lost(old, new), "invented": requirements.invented(old, new)}
        for old, new in zip(originals, rewrites, strict=True)
    ]
    for column in ("lost", "invented"):
        reasons = [change[column] for change in changes]
        table[f"requirements_{column}"], table[column] = list(map(len, reasons)), reasons
    named = [(protected_words(new), protected_words(old)) for new, old in zip(rewrites, originals, strict=True)]
    for column, found in (
        ("protected_in", [sorted(new - old) for new, old in named]),
        ("protected_out", [sorted(old - new) for new, old in named]),
    ):
        table[f"n_{column}"], table[column] = list(map(len, found)), found
    before, after = (pd.DataFrame([_describe(text) for text in texts]) for texts in (originals, rewrites))
    for column in before:
        table[f"{column}_before"], table[f"{column}_after"] = before[column], after[column]
    table["length_ratio"] = after["words"] / before["words"].where(before["words"] > 0)
    table["note"] = [_note(old, new) for old, new in zip(before["words"], after["words"], strict=True)]
    return table


def _describe(text: str) -> dict[str, float]:
    said = words(text)
    reading_ease, grade = readability.flesch(text)
    return {
        **gender_coded.count(text),
        **{f"lexicon_{coding}": count for coding, count in wording.coded_count(text).items()},
        "reading_ease": reading_ease,
        "grade": grade,
        "words": len(said),
        "repetition": repeated_share(said, 3),
    }


def _note(before: int, after: int) -> str:
    empty = [name for name, words in (("original", before), ("rewrite", after)) if not words]
    return " and ".join(f"the {name} has no words" for name in empty)


def repetition(text: str, n: int = 3) -> float:
    """Share of the n-grams of words in `text` that repeat an earlier one: 0 for none, towards 1 for a loop.

    This is 1 - distinct/all n-grams, seq-rep-n of Welleck et al. (2020, "Neural text generation with unlikelihood
    training", section 6); 0 for a text of fewer than n words.
    """
    _check_n(n)
    return repeated_share(words(text), n)


def repeated_share(items: Sequence[Hashable], n: int) -> float:
    """`repetition` of any sequence, such as the ids of tokens."""
    total = len(items) - n + 1
    return 1 - len(set(zip(*(items[i:] for i in range(n)), strict=False))) / total if total > 0 else 0.0


def distinct(texts: Sequence[str], n: int) -> float:
    """distinct-n: different n-grams of words over all n-grams of all texts (Li et al., 2016, NAACL, section 5).

    NaN when no text has n words.
    """
    _check_n(n)
    grams = Counter(gram for said in map(words, texts) for gram in zip(*(said[i:] for i in range(n)), strict=False))
    return len(grams) / grams.total() if grams else np.nan


def collapse(rewrites: Sequence[str], originals: Sequence[str], embed: Embed) -> pd.DataFrame:
    """Whether rewritten ads have become alike: diversity of the set of rewrites against that of the originals.

    Returns:
        Three rows, indexed by measure, with the columns originals, rewrites and change (rewrites - originals):
        mean_cosine, over all pairs of different ads (it rises when ads become alike; ads without a vector are left
        out); distinct_1 and distinct_2 (they fall).

    Raises:
        InputError: as `measure`; also fewer than two ads.
    """
    rewrites, originals = _checked(rewrites, originals)
    if len(rewrites) < 2:
        raise InputError(f"collapse compares ads with each other, and {len(rewrites)} was given; give at least two")
    after, before = _vectors(embed, rewrites, originals)
    rows = {"mean_cosine": (_mean_cosine(before), _mean_cosine(after))}
    rows |= {f"distinct_{n}": (distinct(originals, n), distinct(rewrites, n)) for n in (1, 2)}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["originals", "rewrites"]).rename_axis("measure")
    return table.assign(change=table["rewrites"] - table["originals"])


def _check_n(n: int) -> None:
    if n < 1:
        raise InputError(f"n={n} is no length of an n-gram; give 1 or more")


def _checked(rewrites: Sequence[str], originals: Sequence[str]) -> tuple[list[str], list[str]]:
    for name, texts in (("rewrites", rewrites), ("originals", originals)):
        if isinstance(texts, str):
            raise InputError(f"{name}={texts[:40]!r} is one text; give a list of texts, one for each ad")
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"{name}[{row}] is {text!r}, not a text; give one text for each ad")
    if len(rewrites) != len(originals):
        raise InputError(f"{len(rewrites)} rewrites for {len(originals)} originals; give one rewrite for each original")
    if not len(rewrites):
        raise InputError("no ads to measure; give at least one rewrite with its original")
    return list(rewrites), list(originals)


def _vectors(embed: Embed, rewrites: list[str], originals: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of rewrites and originals; NaN for a text whose vector is zero."""
    vectors = np.asarray(embed([*rewrites, *originals]), dtype=np.float64)
    rows = len(rewrites) + len(originals)
    if vectors.ndim != 2 or len(vectors) != rows or not np.isfinite(vectors).all():
        raise InputError(
            f"embed returned an array of shape {vectors.shape} for {rows} texts; it must return finite vectors [texts, "
            "dimensions]"
        )
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(norms > 0, norms, np.nan)
    return units[: len(rewrites)], units[len(rewrites) :]


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.clip((a * b).sum(1), -1, 1)


def _mean_cosine(units: np.ndarray) -> float:
    """Mean over all pairs without forming them: the square of the sum holds each pair twice and each vector once."""
    units = units[np.isfinite(units).all(1)]
    n = len(units)
    return float((np.square(units.sum(0)).sum() - n) / (n * (n - 1))) if n > 1 else np.nan
