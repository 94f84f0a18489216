"""Does a rewrite please one recommender or several: the same rewrites of sentences, measured under each.

Optimising against one model of what is wanted finds that model's own quirks (Gao, Schulman and Hilton, 2023, "Scaling
laws for reward model overoptimization"). If what a sentence changes under one recommender does not foretell what it
changes under another, no choice by the first can help under the second.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from autorefine_lib.evaluation import attribution
from autorefine_lib.metrics import bootstrap
from autorefine_lib.reward.ad_measures import AdMeasures
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.linear_gap import LinearGap
from autorefine_lib.reward.reward import deploy


def build_members(judge: Judge, recommenders: Mapping[str, Any], smoothing: float) -> dict[str, LinearGap]:
    """The gaps of the judge's jobs under each recommender, for `reward_gate.search_for_several`.

    The jobs have the same settings under all of them: those of the judge's own recommender.

    Args:
        recommenders: by name (each as `by_name.Recommender`), fitted to the judge's candidates.
        smoothing: as in `RewardConfig`.
    """
    return {
        name: LinearGap(AdMeasures(replace(judge, recommender=each), smoothing), judge.recommender.embed)
        for name, each in recommenders.items()
    }


def measure_sentences(
    members: Mapping[str, LinearGap], rewrites: pd.DataFrame, group: str, reference: str
) -> pd.DataFrame:
    """What each rewritten sentence, alone in its ad, changes under each recommender.

    Args:
        members: from `build_members`.
        rewrites: columns job_id, position and text, as from `reward_gate.accepted`.

    Returns:
        One row a rewrite, one column a member: the change of the logarithm of `attribution.group_ratio`, so that 0.01
        is one per cent of the ad's ratio, and more is more of `group`.
    """
    ids, found = rewrites["job_id"].tolist(), {}
    for name, linear in members.items():
        originals = [linear.measures.original(job) for job in ids]
        edits = zip(originals, rewrites["position"], rewrites["text"], strict=True)
        ratio = attribution.group_ratio(linear.measures, group, reference)
        found[name] = np.log(ratio([deploy(ad, {at: text}) for ad, at, text in edits], ids) / ratio(originals, ids))
    return pd.DataFrame(found, index=rewrites.index)


def correlate_recommenders(changes: pd.DataFrame, ads: pd.Series, seed: int = 0, draws: int = 1000) -> pd.DataFrame:
    """How much of a sentence's change under one recommender foretells its change under another.

    Args:
        changes: from `measure_sentences`.
        ads: job_id of each row; ads are resampled, for sentences of one ad are not independent.

    Returns:
        One row a pair of recommenders: one, other, r (Pearson) with r_low and r_high (95 %), r2 (the share of variance
        that the regression explains), slope of the other on the one, and n rewrites. No row without a rewrite.
    """
    if changes.empty:
        return pd.DataFrame(columns=["one", "other", "r", "r_low", "r_high", "r2", "slope", "n"], dtype=object)
    codes, names = pd.factorize(ads)
    drawn, rows = bootstrap.draw_weights(np.random.default_rng(seed), len(names), draws), []
    counts = np.vstack([np.ones(len(names)), drawn])
    for one, other in combinations(changes, 2):
        pair = changes[[one, other]].to_numpy()
        products = np.column_stack([np.ones(len(pair)), pair, pair**2, pair.prod(axis=1)])
        sums = counts @ np.stack([np.bincount(codes, column, len(names)) for column in products.T], axis=1)
        mean_x, mean_y, xx, yy, xy = (sums[:, 1:] / sums[:, :1]).T
        with np.errstate(divide="ignore", invalid="ignore"):
            r = (xy - mean_x * mean_y) / np.sqrt((xx - mean_x**2) * (yy - mean_y**2))
            slope = (xy - mean_x * mean_y)[0] / (xx - mean_x**2)[0]
        found = bootstrap.percentile(r)
        rows.append({"one": one, "other": other} | found.columns("r") | {"r2": found.value**2, "slope": slope})
    return pd.DataFrame(rows).assign(n=len(changes))
