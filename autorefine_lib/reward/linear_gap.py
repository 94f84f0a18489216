"""The parity gap of many ads, linearised once: what a change of one ad is worth is then a sum of its own.

The gap is measured setting by setting (`RewardConfig.settings`), over all ads of a setting together. Its gradient says
what a unit of each group's exposure is worth. A rewrite is paid for the exposures that change in its own ad, whatever
becomes of the others: to first order the difference reward of Wolpert and Tumer (2002, "Optimal payoff functions for
members of collectives"). So its value is known before it is deployed, and the same in every order and for every method.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2

from autorefine_lib.reward import parity_gap
from autorefine_lib.reward.ad_measures import AdMeasures
from autorefine_lib.reward.config import RewardConfig

ADS_PER_CLUSTER = 20
Embed = Callable[[list[str]], np.ndarray]


class LinearGap:
    """The gaps of the settings of `measures`' jobs, and their gradients, at the originals or where `refresh` put them.

    Args:
        embed: texts to unit vectors [texts, dimension], for the clusters of the ads without an occupation; None puts
            them in one setting.
    """

    def __init__(self, measures: AdMeasures, config: RewardConfig, embed: Embed | None = None) -> None:
        self.measures = measures
        self.setting = _settings(measures, config, embed)
        self.jobs = pd.Series(self.setting).groupby(pd.Series(self.setting), sort=False).groups
        members = {name: np.sum([measures.members(job) for job in ids], axis=0) for name, ids in self.jobs.items()}
        self.members = {name: number[: len(measures.groups)] for name, number in members.items()}
        self.refresh({})

    def refresh(self, ads: Mapping[str, str]) -> None:
        """Take gaps and gradients anew, with `ads` (by job_id) in the place of their originals.

        Raises:
            InputError: an unknown job.
        """
        for job_id in ads:
            self.measures.original(job_id)
        soft, hard = self.exposures(ads, "exposure"), self.exposures(ads, "hard")
        self.gaps = {name: float(parity_gap.gap(soft[name], self.members[name])) for name in self.jobs}
        self._pulls = {name: parity_gap.pull(soft[name], self.members[name]) for name in self.jobs}
        # The distance in score is a change of log ratio already. An exposure is a sum over the setting's ads.
        self._worth = {
            name: {"projection": pull}
            | {
                signal: len(self.jobs[name]) * parity_gap.closing(pull, sums[name], self.members[name])
                for signal, sums in (("selection", soft), ("hard", hard))
            }
            for name, pull in self._pulls.items()
        }

    def exposures(self, ads: Mapping[str, str], kind: str) -> dict[str, np.ndarray]:
        """Summed exposures ("exposure" or "hard") of each setting, float [groups], with `ads` for their originals."""
        texts = self.measures.originals | dict(ads)
        found = {name: self.measures([texts[job] for job in ids], ids)[kind] for name, ids in self.jobs.items()}
        return {name: rows[:, : len(self.measures.groups)].sum(0) for name, rows in found.items()}

    def gap(self, ads: Mapping[str, str]) -> float:
        """The mean soft gap of the settings, each weighted by its ads, with `ads` (by job_id) for their originals.

        A setting without a gap is left out; NaN where all are.
        """
        soft = self.exposures(ads, "exposure")
        return self._mean({name: parity_gap.gap(sums, self.members[name]) for name, sums in soft.items()})

    def closeness(self, ads: Mapping[str, str]) -> float:
        """How close the settings are to parity by the hard selection: the mean of exp(-gap), 1 at parity, at most 1.

        For two groups of a setting it is min(r, 1 / r) of their impact ratio r. Weighted and left out as in `gap`.
        """
        hard = self.exposures(ads, "hard")
        return self._mean({name: np.exp(-parity_gap.gap(sums, self.members[name], 0)) for name, sums in hard.items()})

    def at_parity(self, job_id: str) -> bool:
        """Whether the setting of a job is too near to parity to pay anything, or has no gap."""
        return not self._pulls[self.setting[job_id]].any()

    def signals(self, before: np.ndarray, after: np.ndarray, job_ids: Sequence[str]) -> pd.DataFrame:
        """What the changes of ads are worth: one row an ad, columns selection, projection and hard.

        They are in units of the gap, as though every ad of the setting changed as this one does: 0.1 closes a gap of
        0.3 (a ratio of 0.74) to 0.2 (0.82). "hard" is the value of the hard selection, for comparison.

        Args:
            before, after: of `AdMeasures`.
        """
        found = {}
        for name, field in (("selection", "exposure"), ("projection", "distance"), ("hard", "hard")):
            worth = [self._worth[self.setting[job_id]][name] for job_id in job_ids]
            change = (after[field] - before[field])[:, : len(self.measures.groups)]
            found[name] = (change * np.reshape(worth, change.shape)).sum(1)
        return pd.DataFrame(found)

    def _mean(self, values: Mapping[str, np.ndarray]) -> float:
        known = {name: value for name, value in values.items() if not np.isnan(value)}
        ads = [len(self.jobs[name]) for name in known]
        return float(np.average(list(known.values()), weights=ads)) if known else float("nan")


def _settings(measures: AdMeasures, config: RewardConfig, embed: Embed | None) -> dict[str, str]:
    if config.settings == "all":
        return dict.fromkeys(measures.originals, "all ads")
    found = {job_id: name or "other ads" for job_id, name in measures.occupations.items()}
    unnamed = [job_id for job_id, name in measures.occupations.items() if not name]
    clusters = min(config.clusters, len(unnamed) // ADS_PER_CLUSTER)
    if embed is None or clusters < 2:
        return found
    vectors = np.asarray(embed([measures.originals[job_id] for job_id in unnamed]), np.float64)
    _, codes = kmeans2(vectors, clusters, minit="++", seed=0)
    return found | {job_id: f"cluster {code + 1}" for job_id, code in zip(unnamed, codes, strict=True)}
