"""The parity gap of many ads, linearised once: what a change of one ad is worth is then a sum of its own.

The gap is measured setting by setting, over all ads of a setting together. The setting of an ad is its occupation or,
where it has none or too few ads share it, its cluster of embeddings. Gaps point both ways (ads for nurses, ads for
accountants), and one sign for all would push some of them further from parity. The gradient of a gap says what a unit
of each group's exposure is worth. A rewrite is paid for the exposures that change in its own ad, whatever
becomes of the others: to first order the difference reward of Wolpert and Tumer (2002, "Optimal payoff functions for
members of collectives"). So its value is known before it is deployed, and the same in every order and for every method.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2

from autorefine_lib.reward import parity_gap
from autorefine_lib.reward.ad_measures import AdMeasures

ADS_PER_SETTING = 5
"""Settings with fewer ads are put together as `OTHERS`: the sign of their gap would be chance. Of 5 ads that select 20
people each, the log ratio of two groups has a standard error of about 0.2."""
CLUSTERS, ADS_PER_CLUSTER = 8, 20
"""Most clusters (k-means) of the ads without such an occupation, fewer where there are not so many ads for each."""
OTHERS = "other ads"
Embed = Callable[[list[str]], np.ndarray]


class LinearGap:
    """The gaps of the settings of `measures`' jobs, and their gradients, at the originals or where `refresh` put them.

    Args:
        embed: texts to unit vectors [texts, dimension], for the clusters of the ads without an occupation; None puts
            them in one setting.
    """

    def __init__(self, measures: AdMeasures, embed: Embed | None = None) -> None:
        self.measures = measures
        self.setting = _find_settings(measures, embed)
        self.names, self._rows = np.unique(list(self.setting.values()), return_inverse=True)
        self.row = dict(zip(self.setting, self._rows.tolist(), strict=True))
        self.ads = np.bincount(self._rows)
        self.members = self._sum(np.tile(measures.members, (len(self.setting), 1)))
        self.refresh({})

    def refresh(self, ads: Mapping[str, str]) -> None:
        """Take gaps and gradients anew, with `ads` (by job_id) in the place of their originals.

        Raises:
            InputError: an unknown job.
        """
        soft, hard = self.exposures(ads, "exposure"), self.exposures(ads, "hard")
        pulls = parity_gap.pull(soft, self.members)
        self.gaps = dict(zip(self.names.tolist(), parity_gap.gap(soft, self.members).tolist(), strict=True))
        # The distance in score is a change of log ratio already. An exposure is a sum over the setting's ads.
        selection, counted = (self.ads[:, None] * parity_gap.closing(pulls, of, self.members) for of in (soft, hard))
        self._worth = {"selection": selection, "projection": pulls, "hard": counted}

    def exposures(self, ads: Mapping[str, str], kind: str) -> np.ndarray:
        """Exposures summed over the ads of each setting, float [`names`, groups], with `ads` for their originals.

        Args:
            ads: by job_id.
            kind: "exposure" for the soft selection, "hard" for the hard one.
        """
        for job_id in ads:
            self.measures.original(job_id)
        texts = self.measures.originals | dict(ads)
        return self._sum(self.measures([texts[job_id] for job_id in self.setting], list(self.setting))[kind])

    def gap(self, ads: Mapping[str, str]) -> float:
        """The mean soft gap of the settings, each weighted by its ads, with `ads` (by job_id) for their originals.

        A setting without a gap is left out; NaN where all are.
        """
        return self._mean(parity_gap.gap(self.exposures(ads, "exposure"), self.members))

    def closeness(self, ads: Mapping[str, str]) -> float:
        """How close the settings are to parity by the hard selection: the mean of exp(-gap), 1 at parity, at most 1.

        For two groups of a setting it is min(r, 1 / r) of their impact ratio r. Weighted and left out as in `gap`.
        """
        return self._mean(np.exp(-parity_gap.gap(self.exposures(ads, "hard"), self.members, extra=0)))

    def at_parity(self, job_id: str) -> bool:
        """Whether the setting of a job is too near to parity to pay anything, or has no gap."""
        return not self._worth["projection"][self.row[job_id]].any()

    def signals(self, before: np.ndarray, after: np.ndarray, job_ids: Sequence[str]) -> pd.DataFrame:
        """What the changes of ads are worth: one row an ad, columns selection, projection and hard.

        They are in units of the gap, as though every ad of the setting changed as this one does: 0.1 closes a gap of
        0.3 (a ratio of 0.74) to 0.2 (0.82). "hard" is the value of the hard selection, for comparison.

        Args:
            before, after: of `AdMeasures`.
        """
        rows, own = [self.row[job_id] for job_id in job_ids], len(self.measures.groups)
        fields = {"selection": "exposure", "projection": "distance", "hard": "hard"}
        changes = {name: (after[field] - before[field])[:, :own] for name, field in fields.items()}
        return pd.DataFrame({name: (self._worth[name][rows] * change).sum(1) for name, change in changes.items()})

    def _sum(self, rows: np.ndarray) -> np.ndarray:
        """Rows of the jobs summed by setting, the columns of the groups."""
        own = rows[:, : len(self.measures.groups)]
        return np.stack([own[self._rows == number].sum(0) for number in range(len(self.names))])

    def _mean(self, values: np.ndarray) -> float:
        known = ~np.isnan(values)
        return float(np.average(values[known], weights=self.ads[known])) if known.any() else float("nan")


def _find_settings(measures: AdMeasures, embed: Embed | None) -> dict[str, str]:
    found = _of_enough_ads(measures.occupations)
    unnamed = [job_id for job_id, name in found.items() if name == OTHERS]
    clusters = min(CLUSTERS, len(unnamed) // ADS_PER_CLUSTER)
    if embed is None or clusters < 2:
        return found
    vectors = np.asarray(embed([measures.originals[job_id] for job_id in unnamed]), np.float64)
    _, codes = kmeans2(vectors, clusters, minit="++", seed=0)
    return found | _of_enough_ads({job: f"cluster {code + 1}" for job, code in zip(unnamed, codes, strict=True)})


def _of_enough_ads(names: Mapping[str, str | None]) -> dict[str, str]:
    sizes = Counter(names.values())
    return {job_id: name if name and sizes[name] >= ADS_PER_SETTING else OTHERS for job_id, name in names.items()}
