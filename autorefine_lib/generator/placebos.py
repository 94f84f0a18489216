"""Placebos: rewrites without training and without an aim, so that their effect on a ranking is no merit.

A method that learned must move parity further than these do. The simplest placebo is to change nothing (the row
"original ads" of the tables). The others change at least as many words as a trained method, but cannot know which
words matter. Their effect shows the noise of the measure and what any rewriting does.
"""

import random
from collections.abc import Sequence

from autorefine_lib.errors import InputError
from autorefine_lib.text import wording


def paraphrase(ads: Sequence[str], seed: int = 0, probability: float = 1.0) -> list[str]:
    """Every listed phrase replaced by another of its set, of any coding: the meaning stays, the direction is random.

    Args:
        seed: of the choice of phrases.
        probability: chance that a given phrase is replaced, 0 to 1.

    Raises:
        InputError: `probability` is no probability.
    """
    if not 0 <= probability <= 1:
        raise InputError(f"probability={probability} is not between 0 and 1")
    rng = random.Random(f"paraphrase {seed}")
    return [wording.swap(ad, rng, probability=probability) for ad in ads]


def word_swap(ads: Sequence[str], seed: int = 0, toward: str = "neutral") -> list[str]:
    """Every masculine- or feminine-coded phrase replaced by a neutral one: a careful editor with a word list.

    Args:
        seed: of the choice among several phrases.
        toward: "feminine" replaces masculine and neutral phrases by feminine ones; this is no placebo, it aims.
    """
    rng = random.Random(seed)
    return [wording.swap(ad, rng, toward=toward) for ad in ads]


def stuff(ads: Sequence[str], titles: Sequence[str], occupations: Sequence[str | None], times: int = 3) -> list[str]:
    """Keyword stuffing: a first line that repeats the ad's title and occupation, as some do for search engines.

    It comes first because a sentence-embedding model reads only the beginning of a long ad (256 tokens for MiniLM).

    Args:
        titles: one for each ad.
        occupations: one for each ad, or None; underscores are read as spaces.
        times: how often the pair is repeated.

    Raises:
        InputError: the lists differ in length, or `times` is below 1.
    """
    if not len(ads) == len(titles) == len(occupations):
        raise InputError(
            f"{len(ads)} ads, {len(titles)} titles and {len(occupations)} occupations; give one of each for every ad"
        )
    if times < 1:
        raise InputError(f"times={times} is below 1; with 0 nothing would be stuffed")
    lines = [
        ", ".join([title, *([occupation.replace("_", " ")] if occupation else [])] * times)
        for title, occupation in zip(titles, occupations, strict=True)
    ]
    return [f"{line}\n\n{ad}" for line, ad in zip(lines, ads, strict=True)]
