"""Placebos: rewrites without training and without an aim, so that their effect on a ranking is no merit.

A method that learned must move parity further than these do. The simplest placebo is to change nothing (the row
"original ads" of the tables). The others change at least as many words as a trained method, but cannot know which
words matter. Their effect shows the noise of the measure and what any rewriting does.
"""

import random
from collections.abc import Sequence

from autorefine_lib.text import wording


def paraphrase(ads: Sequence[str], seed: int = 0) -> list[str]:
    """Every listed phrase replaced by another of its set, of any coding: the meaning stays, the direction is random.

    Args:
        seed: of the choice of phrases.
    """
    rng = random.Random(f"paraphrase {seed}")
    return [wording.swap(ad, rng) for ad in ads]


def word_swap(ads: Sequence[str], seed: int = 0, toward: str = "neutral") -> list[str]:
    """Every masculine- or feminine-coded phrase replaced by a neutral one: a careful editor with a word list.

    Args:
        seed: of the choice among several phrases.
        toward: "feminine" replaces masculine and neutral phrases by feminine ones; this is no placebo, it aims.
    """
    rng = random.Random(seed)
    return [wording.swap(ad, rng, toward=toward) for ad in ads]


def stuff(ads: Sequence[str], titles: Sequence[str], occupations: Sequence[str | None]) -> list[str]:
    """Keyword stuffing: a first line with the ad's title and occupation three times, as some do for search engines.

    It comes first because a sentence-embedding model reads only the beginning of a long ad (256 tokens for MiniLM).

    Args:
        titles: one for each ad.
        occupations: one for each ad, or None; underscores are read as spaces.

    Raises:
        ValueError: the lists differ in length.
    """
    stuffed = []
    for ad, title, occupation in zip(ads, titles, occupations, strict=True):
        words = [title, occupation.replace("_", " ")] if occupation else [title]
        stuffed.append(", ".join(words * 3) + f"\n\n{ad}")
    return stuffed
