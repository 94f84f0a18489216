"""Rewrites chosen by their measured effect: best of N for a user's own ads, ranked with the user's own candidates.

Several rewrites of each sentence are sampled and judged by the guards. Those that pass are ranked inside their ads, and
greedy search (`reward_gate.greedy_search`) keeps what brings the groups closer to parity, over all ads of a setting
together. An edit stays only if the gap would be wider without it.

What is chosen fits the recommender and the candidates that it was measured with. Another recommender, or other people,
may be moved less, or the other way.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import reward_gate
from autorefine_lib.evaluation.reward_gate import Chosen
from autorefine_lib.generator.generator import RETRY, Generator
from autorefine_lib.metrics import bootstrap, groups, ranking
from autorefine_lib.recommender.dense import DenseRecommender
from autorefine_lib.recommender.scores import check_k
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.reward import WHOLE_AD, RankingReward, deploy
from autorefine_lib.text import sentences

SAMPLES = 4
"""Rewrites of a sentence that are sampled."""
Effects = dict[str, dict[int, float]]
"""What each chosen rewrite does, by job_id and position: the gap of the ad's setting with this one edit taken back, and
all others in place, less the gap with it. Positive: the edit brings the groups closer to parity. The gap is that of
`LinearGap`: the mean over the groups of |log ratio of selection|, by the soft selection, pooled over the setting's ads.
So 0.01 is about one per cent of a ratio, and the same edit counts for less among more ads."""
Passages = Mapping[str, Sequence[tuple[int, int]]]
"""By job_id the (start, end) in the ad of what may be rewritten."""


def build_judge(
    recommender: DenseRecommender,
    ads: Mapping[str, str],
    candidates: Dataset,
    attribute: str,
    k: int,
    occupations: Mapping[str, str | None] | None = None,
) -> Judge:
    """The judge of a user's ads.

    Args:
        recommender: fitted to the candidates.
        ads: texts by job_id.
        candidates: with candidate_id, text and the attribute. Whoever has no group is ranked with the others, and
            belongs to none.
        attribute: column of the candidates that names their groups, two or more.
        k: how many candidates an ad selects.
        occupations: of the ads, by job_id, where they are known. Ads of one occupation make a setting.

    Raises:
        InputError: no ad, one group only, a group of one, or k not below the number of candidates.
    """
    if not ads:
        raise InputError("there is no ad with English text; give at least one")
    check_k(k, len(candidates))
    if k == len(candidates):
        raise InputError(f"k={k} selects every candidate, so no wording can change who is; choose a smaller k")
    names, members = groups.find_members(candidates, attribute)
    sizes = members.sum(axis=1)
    if len(names) < 2:
        raise InputError(f"candidates: '{attribute}' has the one group {names[0]!r}; a ratio compares two or more")
    if sizes.min() < 2:
        raise InputError(
            f"candidates: the group {names[sizes.argmin()]!r} of '{attribute}' has {sizes.min()} of {sizes.sum()} "
            "candidates; at least 2 are needed for a rate, and an empty value counts as unknown"
        )
    if "occupation" not in candidates.column_names:
        candidates = candidates.add_column("occupation", [None] * len(candidates))
    found = [(occupations or {}).get(job_id) for job_id in ads]
    jobs = Dataset.from_dict({"job_id": list(ads), "text": list(ads.values()), "occupation": found})
    return Judge(recommender, jobs, candidates, attribute, k)


def sample_rewrites(
    generator: Generator,
    reward: RankingReward,
    samples: int = SAMPLES,
    passages: Passages | None = None,
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """Sample rewrites of every sentence of the judge's ads, at the temperature of training, and rank those that pass.

    Args:
        reward: built with the judge and `generator.finish`.
        samples: rewrites of each sentence.
        passages: what may be rewritten; all of an ad by default.
        seed: of sampling.
        progress: whether a bar is shown.

    Returns:
        The columns of `RankingReward.score`, where each rewrite stands alone in its ad, and completion. One row a
        different answer. It goes to `choose_rewrites`, also with a reward of another k.

    Raises:
        InputError: fewer than one sample.
    """
    if samples < 1:
        raise InputError(f"samples={samples} is below 1; choose for instance {SAMPLES}")
    ads = reward.measures.originals
    asked = pd.DataFrame(generator.episodes(list(ads), list(ads.values())))
    if passages is not None:
        kept = [_is_inside(ads[row.job_id], row.position, passages[row.job_id]) for row in asked.itertuples()]
        asked = asked[np.array(kept, bool)]
    drawn = pd.concat([asked] * samples)
    drawn["completion"] = generator.complete(drawn["source"].tolist(), RETRY, seed, progress)
    drawn = drawn.drop_duplicates(["job_id", "position", "completion"], ignore_index=True)
    scored = reward.score(*(drawn[name].tolist() for name in ("completion", "job_id", "position")))
    return scored.assign(completion=drawn["completion"])


def _is_inside(ad: str, position: int, passages: Sequence[tuple[int, int]]) -> bool:
    parts = [ad] if position == WHOLE_AD else sentences.split(ad)
    start = sum(map(len, parts[: max(position, 0)]))
    return any(first <= start and start + len(parts[max(position, 0)]) <= last for first, last in passages)


def choose_rewrites(reward: RankingReward, tried: pd.DataFrame) -> tuple[Chosen, Effects]:
    """The rewrites that bring the groups closest to parity, and the effect of each, all above 0; none may be left.

    Greedy search chooses. Then edits without which the gap is as small are taken back, one at a time: an edit that was
    right when it was chosen may be one too many after the later ones.

    Args:
        tried: from `sample_rewrites`.
    """
    linear, measures = reward.linear, reward.measures
    chosen = reward_gate.greedy_search(reward, tried)
    ads = {job: deploy(measures.original(job), edits) for job, edits in chosen.items()}
    sums = linear.exposures(ads, "exposure")
    effects: Effects = {}
    changed = True
    while changed:
        changed, effects = False, {}
        for job, edits in list(chosen.items()):
            without = [{place: text for place, text in edits.items() if place != one} for one in edits]
            drafts = [deploy(measures.original(job), some) for some in (edits, *without)]
            gaps, options = reward_gate.measure_gaps(reward, sums, job, drafts)
            effects[job] = dict(zip(edits, (gaps[1:] - gaps[0]).tolist(), strict=True))
            worst = int(np.argmin(gaps[1:]))
            if gaps[1 + worst] <= gaps[0]:
                changed = True
                sums[linear.row[job]] = options[1 + worst]
                chosen[job] = without[worst]
                if not chosen[job]:
                    del chosen[job]
    return chosen, effects


def compare_rankings(judge: Judge, chosen: Chosen) -> tuple[pd.DataFrame, float]:
    """What the chosen rewrites do to the k selected, over all ads of the judge together.

    Returns:
        One row a group: group; reference, the group that the original ads select most; before and after, the impact
        ratios pooled over the ads (`ranking.impact_ratio`, whole pool); low and high, the 95 % interval of after less
        before by a paired bootstrap over ads, NaN for a single ad and for the reference. And the mean share of the k
        places that the same people hold before and after.
    """
    counts = judge.measure(list(judge.jobs["text"]))[0]
    changed, quality, _ = judge.measure(reward_gate.deploy_all(judge, chosen))
    before = ranking.impact_ratio(counts)
    reference = before["reference"].iloc[0]
    after = ranking.impact_ratio(changed, reference=reference)["impact_ratio"]
    table = before[["group", "reference"]].assign(before=before["impact_ratio"], after=after, low=np.nan, high=np.nan)
    if len(judge.jobs) > 1:
        for row in table.index[table["group"] != reference]:
            was, now = (ranking.rate_counts(of, table["group"][row], reference) for of in (counts, changed))
            table.loc[row, ["low", "high"]] = bootstrap.interval(was, now)[1:]
    return table, float(quality["overlap"].mean())
