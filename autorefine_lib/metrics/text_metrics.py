"""What rewriting does to the text of ads: meaning, requirements, wording, readability, length and repetition."""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pandas as pd

from autorefine_lib.text import gender_coded, readability, requirements, wording
from autorefine_lib.text.protected import protected_words
from autorefine_lib.text.tokens import words

Embed = Callable[[list[str]], np.ndarray]
"""Texts to vectors, float [texts, dimensions]. Rewrites are made to move the recommender, so take another model."""


def measure(rewrites: Sequence[str], originals: Sequence[str], embed: Embed) -> pd.DataFrame:
    """Each rewrite against its original, one row an ad.

    Args:
        rewrites, originals: texts, one for each ad, in the same order.
        embed: a model of meaning that is not the recommender's, for instance `static_embedding.embed`.

    Returns:
        meaning: cosine of the two texts' vectors, 1 for equal texts; NaN where a text has no vector (it is empty).
        requirements_lost, requirements_invented: how many (`requirements.lost` and `invented` name them).
        n_protected_in, n_protected_out: words naming a protected attribute that were brought in and taken out.
        masculine_, feminine_: words of Gaucher, Friesen and Kay's list (`gender_coded`); lexicon_masculine_,
        lexicon_neutral_, lexicon_feminine_: phrases of `wording`; each with the ending before (original) and after.
        reading_ease_, grade_: Flesch and Flesch-Kincaid (`readability`), before and after; NaN without a word.
        words_before, words_after, length_ratio: words, and after / before; NaN for an original without words.
        repetition_before, repetition_after: share of repeated trigrams (`repeated_share`).
    """
    table = pd.DataFrame([_compare(new, old) for new, old in zip(rewrites, originals, strict=True)])
    table.insert(0, "meaning", _cosines(embed, rewrites, originals))
    before, after = (pd.DataFrame([_describe(text) for text in texts]) for texts in (originals, rewrites))
    for column in before:
        table[f"{column}_before"], table[f"{column}_after"] = before[column], after[column]
    return table.assign(length_ratio=after["words"] / before["words"].where(before["words"] > 0))


def _compare(rewrite: str, original: str) -> dict[str, int]:
    new, old = protected_words(rewrite), protected_words(original)
    return {
        "requirements_lost": len(requirements.lost(original, rewrite)),
        "requirements_invented": len(requirements.invented(original, rewrite)),
        "n_protected_in": len(new - old),
        "n_protected_out": len(old - new),
    }


def _describe(text: str) -> dict[str, float]:
    said = words(text)
    reading_ease, grade = readability.flesch(text)
    coded = {f"lexicon_{coding}": count for coding, count in wording.coded_count(text).items()}
    form = {"reading_ease": reading_ease, "grade": grade, "words": len(said), "repetition": repeated_share(said, 3)}
    return {**gender_coded.count(text), **coded, **form}


def repeated_share(items: Sequence[Hashable], n: int) -> float:
    """Share of the n-grams of `items` that repeat an earlier one: 0 for none, towards 1 for a loop.

    This is 1 - distinct/all n-grams, seq-rep-n of Welleck et al. (2020, "Neural text generation with unlikelihood
    training", section 6); 0 for fewer than n items. Items are words or the ids of tokens.
    """
    total = len(items) - n + 1
    return 1 - len(set(zip(*(items[i:] for i in range(n)), strict=False))) / total if total > 0 else 0.0


def _cosines(embed: Embed, rewrites: Sequence[str], originals: Sequence[str]) -> np.ndarray:
    """Cosine of each rewrite's vector and its original's, float [texts]; NaN where a vector is zero."""
    vectors = np.asarray(embed([*rewrites, *originals]), dtype=np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    after, before = np.split(vectors / np.where(norms > 0, norms, np.nan), 2)
    return np.clip((after * before).sum(1), -1, 1)
