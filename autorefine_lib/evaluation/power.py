"""How small a change can be seen: the metric's own noise floor, and how many jobs a given effect needs.

Noise floor: the same ads, paraphrased at random and without a direction, ranked as before. What they change in the
impact ratio is what any rewriting would; a change inside that range is no evidence for a method.

Power: the impact ratio pooled over jobs is close to a mean of one number a job, its influence value (Efron and
Tibshirani, 1993, chapter 21; the delta method), so that its standard error falls with the square root of the number
of jobs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import paper
from autorefine_lib.generator import placebos
from autorefine_lib.metrics import groups, ranking
from autorefine_lib.metrics.bootstrap import check_per_job
from autorefine_lib.reward.judge import Judge

ALPHA, POWER = 0.05, 0.8
"""Level of the test, and the chance at which it finds the effect."""

Paraphrase = Callable[[list[str], int], list[str]]
"""(ads, seed) -> other texts of the same meaning, made without looking at a ranking."""


@dataclass(frozen=True)
class NoiseFloor:
    """What paraphrasing at random does to an impact ratio."""

    group: str
    """The group whose ratio it is."""
    original: float
    """Impact ratio of the ads as they are."""
    draws: pd.DataFrame
    """One row a draw: draw, impact_ratio, change (to the original), ads_changed (share)."""
    sd: float
    """Standard deviation of the ratio between draws."""
    sd_low: float
    sd_high: float
    """95 % interval of `sd` (chi-squared, for normal ratios)."""
    low: float
    high: float
    """95 % prediction interval for the change that one more paraphrase makes, from the draws' mean and spread by
    Student's t. A change inside it is no more than paraphrasing does."""


def noise_floor(
    judge: Judge,
    group: str,
    reference: str,
    draws: int = 10,
    seed: int = 0,
    paraphrase: Paraphrase = placebos.paraphrase,
) -> NoiseFloor:
    """Paraphrase every ad of the judge at random, `draws` times, and measure the impact ratio of each draw in its pool.

    Raises:
        InputError: fewer than 2 draws, a paraphrase that changes no ad, an impact ratio that is undefined, or as
            `ranking.per_job` and `ranking.impact_ratio`.
    """
    if draws < 2:
        raise InputError(f"draws={draws}: a spread needs at least 2; choose 10 or more")

    def ratio(texts: list[str]) -> float:
        scores = judge.recommender.rank(texts)
        table = ranking.per_job(scores, judge.jobs, judge.candidates, judge.attribute, judge.k)
        ratios = ranking.impact_ratio(table, judge.pool, reference).set_index("group")
        groups.check_group(group, ratios.index)
        found, note = ratios.loc[group, ["impact_ratio", "note"]]
        if not np.isfinite(found):
            raise InputError(f"the impact ratio of {group!r} is undefined: {note}; choose other groups or a larger k")
        return float(found)

    ads = list(judge.jobs["text"])
    original, rows = ratio(ads), []
    for draw in tqdm(range(draws), desc="Paraphrasing at random", unit="draw"):
        texts = paraphrase(ads, seed * draws + draw)
        changed = float(np.mean([text != ad for text, ad in zip(texts, ads, strict=True)]))
        found = ratio(texts)
        rows.append({"draw": draw, "impact_ratio": found, "change": found - original, "ads_changed": changed})
    table = pd.DataFrame(rows)
    if not table["ads_changed"].any():
        raise InputError("the paraphrase changes no ad (no listed phrase in them?); give another `paraphrase`")
    sd = float(table["change"].std(ddof=1))
    tails = stats.chi2.ppf([0.975, 0.025], draws - 1)
    sd_low, sd_high = sd * np.sqrt((draws - 1) / tails)
    mean, reach = table["change"].mean(), stats.t.ppf(0.975, draws - 1) * sd * math.sqrt(1 + 1 / draws)
    return NoiseFloor(group, original, table, sd, *map(float, (sd_low, sd_high, mean - reach, mean + reach)))


def influence(sample: np.ndarray) -> np.ndarray:
    """What each job adds to the mean or to the pooled impact ratio, float [jobs], of mean 0.

    The standard error of the statistic is about the standard deviation of these numbers / sqrt(jobs).

    Args:
        sample: as in `bootstrap.resample`: float [jobs], or counts [jobs, 4].

    Raises:
        InputError: as `bootstrap.resample`, or the impact ratio is undefined.
    """
    (sample,) = check_per_job(sample)
    if sample.ndim == 1:
        return sample - sample.mean()
    selected, available, reference_selected, reference_available = sample.mean(0)
    if not (available > 0 and reference_available > 0 and reference_selected > 0):
        raise InputError("impact ratio undefined: a group has nobody in the pools, or the reference is not selected")
    base = reference_selected / reference_available
    ratio = selected / available / base
    return sample @ np.array(
        [1 / (available * base), -ratio / available, -ratio / reference_selected, ratio / reference_available]
    )


def jobs_needed(before: np.ndarray, after: np.ndarray, effect: float = paper.EFFECT) -> int:
    """Jobs at which a true change of `effect` is found with `POWER` by a two-sided test at level `ALPHA`.

    ((z(1 - ALPHA/2) + z(POWER)) sd / effect)^2 rounded up, with sd the standard deviation between jobs of what they
    add to the change. It is that of the measured rewriting: one that changes more in each ad needs more jobs.

    Args:
        before, after: as in `bootstrap.interval`, of the same jobs.
        effect: the change to be found, not 0, in units of the statistic.

    Raises:
        InputError: as `influence`; fewer than 2 jobs, or a change that is the same in every job.
    """
    reach = (stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)) * spread(before, after)
    return math.ceil((reach / abs(effect)) ** 2)


def normal_power(before: np.ndarray, after: np.ndarray, jobs: int, effect: float = paper.EFFECT) -> float:
    """Chance that a two-sided test on `jobs` jobs finds a true change of `effect`; otherwise as `jobs_needed`."""
    z, shift = stats.norm.ppf(1 - ALPHA / 2), abs(effect) * math.sqrt(jobs) / spread(before, after)
    return float(stats.norm.cdf(shift - z) + stats.norm.cdf(-shift - z))


def spread(before: np.ndarray, after: np.ndarray) -> float:
    """Standard deviation between jobs of what each adds to the change; InputError as `jobs_needed`."""
    before, after = check_per_job(before, after)
    if len(before) < 2:
        raise InputError("one job shows no spread between jobs; give at least 2")
    found = float(np.std(influence(after) - influence(before), ddof=1))
    if found < 1e-12:
        raise InputError("the change is the same in every job, so its spread is unknown; the method must change ads")
    return found
