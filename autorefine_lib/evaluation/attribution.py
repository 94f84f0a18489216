"""Which edit moved the ranking: each edit of a rewritten ad taken back alone, and the ranking measured again.

Leave-one-out attribution (Li, Monroe and Jurafsky, 2016, "Understanding neural networks through representation
erasure", arXiv 1612.08220), with the original wording in the place of the erased one. The contribution of an edit is
what the ad loses without it; contributions add up to the whole change exactly where edits do not act on each other, and
what is missing to the whole is reported as their interaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from autorefine_lib.metrics import bootstrap, groups
from autorefine_lib.reward.ad_measures import AdMeasures
from autorefine_lib.text import wording
from autorefine_lib.text.word_diff import Piece, word_diff

Value = Callable[[list[str], list[str]], np.ndarray]
"""(ads, job_ids) to one number an ad; NaN where it has none."""


@dataclass(frozen=True)
class Attribution:
    """What the edits of one ad did to its ranking."""

    job_id: str
    """The ad's job."""
    pieces: list[Piece]
    """The ad cut into (old, new) pieces by `word_diff`: all old ones joined are the original."""
    contributions: list[float]
    """Of each piece that was edited, in order: value of the rewrite less its value with this edit taken back."""
    before: float
    """Value of the original ad."""
    after: float
    """Value of the rewrite."""

    @property
    def edits(self) -> list[Piece]:
        """The edited pieces."""
        return [(old, new) for old, new in self.pieces if old != new]

    @property
    def interaction(self) -> float:
        """The part of the change that no edit makes alone; 0 where edits do not act on each other."""
        return self.after - self.before - sum(self.contributions)


def group_ratio(measures: AdMeasures, group: str, reference: str) -> Value:
    """The ranking of one ad as a number: mean exposure of `group` over that of `reference`.

    The exposures are the soft ones of the reward (`parity_gap.selection_weights`), so that an edit that moves everybody
    a little is seen: 1 is parity. The hard impact ratio of a single ad jumps by whole candidates.

    Raises:
        InputError: `group` or `reference` is no group of the candidates.
    """
    for name in (group, reference):
        groups.check_group(name, measures.groups)
    columns = [measures.groups.index(name) for name in (group, reference)]

    def ratio(ads: list[str], job_ids: list[str]) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = measures(ads, job_ids)["exposure"][:, columns] / measures.members[columns]
            return rates[:, 0] / rates[:, 1]

    return ratio


def attribute(originals: list[str], rewrites: list[str], job_ids: list[str], value: Value) -> list[Attribution]:
    """What each edit of each ad contributed; an edit that is the only one of its ad is the whole change.

    Args:
        originals, rewrites, job_ids: one for each ad.
        value: called once an ad, with all its texts; for instance `group_ratio`.

    Returns:
        One for each ad; an unchanged ad has no contributions. They are NaN where the ad has no value.
    """
    found = []
    for original, rewrite, job_id in zip(originals, rewrites, job_ids, strict=True):
        pieces = word_diff(original, rewrite)
        edits = [place for place, (old, new) in enumerate(pieces) if old != new]
        without = ["".join(pair[at != place] for at, pair in enumerate(pieces)) for place in edits]
        before, after, *others = value([original, rewrite, *without], [job_id] * (2 + len(without))).tolist()
        found.append(Attribution(job_id, pieces, [after - other for other in others], before, after))
    return found


def frequent_edits(found: Sequence[Attribution], n: int = 20, seed: int = 0) -> pd.DataFrame:
    """The edits that occur in most ads, with what they contribute on average.

    Upper and lower case are one, and so are the times an edit occurs in one ad (or in one ad under several seeds): they
    are averaged first, for ads are the units.

    Returns:
        One row an edit: old, new, coding (masculine -> feminine and the like, where both are listed phrases), ads,
        contribution with low and high, 95 % by bootstrap over those ads (none for a single ad).
    """
    rows = [
        (*(" ".join(text.lower().split()) for text in edit), each.job_id, contribution)
        for each in found
        for edit, contribution in zip(each.edits, each.contributions, strict=True)
        if np.isfinite(contribution)
    ]
    table = pd.DataFrame(rows, columns=["old", "new", "job_id", "contribution"])
    by_ad = table.groupby(["old", "new", "job_id"])["contribution"].mean().reset_index()
    summary = []
    for (old, new), part in by_ad.groupby(["old", "new"])["contribution"]:
        value, low, high = bootstrap.interval(part.to_numpy(), seed=seed)
        limits = (low, high) if len(part) > 1 else (np.nan, np.nan)
        summary.append((old, new, _coding(old, new), len(part), value, *limits))
    summary = pd.DataFrame(summary, columns=["old", "new", "coding", "ads", "contribution", "low", "high"])
    return summary.sort_values(["ads", "old", "new"], ascending=[False, True, True], ignore_index=True).head(n)


def _coding(old: str, new: str) -> str:
    codings = [{found.coding for found in wording.find(text)} for text in (old, new)]
    return " -> ".join(coding.pop() for coding in codings) if all(len(coding) == 1 for coding in codings) else ""
