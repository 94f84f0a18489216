"""The gate before any training: do the rewrites that the reward prefers move the ranking, and can a text tell them?

From a cache of rewritten sentences (`offline.collect`) whole ads are put together in several ways, and the hard
selection is measured for them. If the choice of the reward does no better than a random one, no policy that learns from
it will. Greedy search, which looks at the ranking with all that is chosen already, is the strongest of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from autorefine_lib.evaluation.method import ORIGINAL
from autorefine_lib.metrics import ranking
from autorefine_lib.reward import parity_gap
from autorefine_lib.reward.config import SIGNALS, RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.linear_gap import LinearGap
from autorefine_lib.reward.reward import RankingReward, deploy

Chosen = dict[str, dict[int, str]]
"""The rewrites to deploy: by job_id, then by position."""
Reduce = Callable[..., np.ndarray]
"""Takes one axis of an array away."""


def accepted(cache: pd.DataFrame) -> pd.DataFrame:
    """The different rewrites that pass every guard and change their sentence; one row each, in the cache's order."""
    passed = _passed(cache)
    return passed[passed["changed"]].drop_duplicates(["job_id", "position", "text"], ignore_index=True)


def _passed(cache: pd.DataFrame) -> pd.DataFrame:
    """The rows that no guard refuses, copies of their source among them."""
    return cache[(cache["reasons"].str.len() == 0) & ~cache["protected"]]


def spread(cache: pd.DataFrame) -> float:
    """Standard deviation of the reward among the accepted rewrites of one sentence, pooled over the sentences.

    A copy of the source counts with its 0. NaN where no sentence has two accepted rewrites.
    """
    passed = _passed(cache)
    of_sentence = passed.groupby(["job_id", "position"])["reward"]
    several = passed[of_sentence.transform("size") > 1]
    residuals = several["reward"] - of_sentence.transform("mean")[several.index]
    free = len(several) - several.groupby(["job_id", "position"]).ngroups
    return float(np.sqrt((residuals**2).sum() / free)) if free else float("nan")


def random_per_sentence(cache: pd.DataFrame, seed: int = 0) -> Chosen:
    """One accepted rewrite of every sentence that has any, drawn at random."""
    shuffled = accepted(cache).sample(frac=1, random_state=seed)
    return _chosen(shuffled.drop_duplicates(["job_id", "position"]))


def best_per_sentence(cache: pd.DataFrame, by: str = "reward") -> Chosen:
    """Best of N: of every sentence the accepted rewrite with the highest value of a column, where that is above 0.

    Args:
        by: "reward", or one of its signals: "selection", "projection", "hard".
    """
    rows = accepted(cache).sort_values(by, ascending=False, kind="stable")
    return _chosen(rows[rows[by] > 0].drop_duplicates(["job_id", "position"]))


def greedy_search(reward: RankingReward, cache: pd.DataFrame) -> Chosen:
    """Sentence after sentence, the rewrite that closes the true soft gap of the ad's setting most, or none.

    All that was chosen before is deployed. First the first sentences of all ads are chosen, then the second ones: each
    round ranks all of its options in one call, and goes through them ad by ad.
    """
    return search_for_several([reward.linear], cache)


def search_for_several(
    members: Sequence[LinearGap], cache: pd.DataFrame, combine: Reduce = np.mean, gap: Reduce = parity_gap.gap
) -> Chosen:
    """`greedy_search` for several recommenders at once: what each option does to the gap of each is combined.

    With the worst of them a sentence is changed only where the gap closes under all (the "worst-case optimisation" of
    Coste et al., 2024, "Reward model ensembles help mitigate overoptimization", section 3).

    Args:
        members: of the same jobs, one a recommender.
        cache: of one generator; which of its rewrites are accepted depends on no recommender.
        combine: the changes of the gaps, float [members, options], to float [options] by `axis=0`: `np.mean`, or
            `np.max` for the worst.
        gap: what is to be closed: `parity_gap.gap`, the mean of the groups, or `parity_gap.worst_gap`.
    """
    sums = [linear.exposures({}, "exposure") for linear in members]
    original = members[0].measures.original
    chosen: Chosen = {}
    rows = accepted(cache)
    rounds = rows.groupby("job_id")["position"].rank("dense")
    for number in sorted(rounds.unique()):
        options = rows[rounds == number]
        plain = {job: deploy(original(job), chosen.get(job, {})) for job in options["job_id"].unique()}
        edits = zip(options["job_id"], options["position"], options["text"], strict=True)
        drafts = [deploy(original(job), chosen.get(job, {}) | {place: text}) for job, place, text in edits]
        for linear in members:  # ranked in one call and remembered
            linear.measures([*plain.values(), *drafts], [*plain, *options["job_id"]])
        for job, part in options.assign(draft=drafts).groupby("job_id", sort=False):
            ads = [plain[job], *part["draft"]]
            found = [measure_gaps(linear, own, job, ads, gap) for linear, own in zip(members, sums, strict=True)]
            best = int(np.argmin(combine([np.nan_to_num(gaps - gaps[0]) for gaps, _ in found], axis=0)))
            for linear, own, (_, changed) in zip(members, sums, found, strict=True):
                own[linear.row[job]] = changed[best]
            if best:
                chosen.setdefault(job, {})[int(part["position"].iloc[best - 1])] = part["text"].iloc[best - 1]
    return chosen


def measure_gaps(
    linear: LinearGap, sums: np.ndarray, job: str, ads: list[str], gap: Reduce = parity_gap.gap
) -> tuple[np.ndarray, np.ndarray]:
    """The true soft gap of an ad's setting with each of `ads` in the place of the first one.

    Args:
        sums: exposures of the settings with the first of `ads` deployed, as from `LinearGap.exposures`.
        gap: as in `search_for_several`.

    Returns:
        The gaps, float [ads], and the exposures of the setting that they are taken from, float [ads, groups].
    """
    row = linear.row[job]
    exposures = linear.measures(ads, [job] * len(ads))["exposure"][:, : sums.shape[1]]
    changed = sums[row] + exposures - exposures[0]
    return gap(changed, linear.members[row]), changed


def deploy_all(judge: Judge, chosen: Chosen) -> list[str]:
    """The judge's ads, in its order, with the chosen rewrites."""
    pairs = zip(judge.jobs["job_id"], judge.jobs["text"], strict=True)
    return [deploy(ad, chosen.get(job_id, {})) for job_id, ad in pairs]


def compare(
    judge: Judge, reward: RankingReward, choices: dict[str, Chosen], group: str, reference: str
) -> pd.DataFrame:
    """The gate's table: what the ads put together in several ways do to the ranking.

    Args:
        judge: the one that `reward` was built with.
        choices: by name, for instance {"random": random_per_sentence(cache), "best of 8": best_per_sentence(cache)}.

    Returns:
        One row a choice, the original ads first: choice; pool; impact_ratio of `group` to `reference` by the hard
        selection, pooled over all ads; closeness, of the settings to parity by the same (`LinearGap.closeness`);
        soft_gap (`LinearGap.gap`); sentences, the number rewritten.
    """
    rows = []
    for name, chosen in {ORIGINAL: {}, **choices}.items():
        texts = deploy_all(judge, chosen)
        ads = dict(zip(judge.jobs["job_id"], texts, strict=True))
        ratios = ranking.impact_ratio(judge.measure(texts)[0], "whole", reference).set_index("group")["impact_ratio"]
        found = {"choice": name, "pool": "whole", "impact_ratio": ratios[group]}
        found |= {"closeness": reward.linear.closeness(ads), "soft_gap": reward.linear.gap(ads)}
        rows.append(found | {"sentences": sum(map(len, chosen.values()))})
    return pd.DataFrame(rows)


def additivity(reward: RankingReward, cache: pd.DataFrame, choices: dict[str, Chosen]) -> pd.DataFrame:
    """How well the rewards of an ad's single rewrites, added up, foretell the reward of all of them together.

    Returns:
        One row a choice and signal ("selection", "projection", "hard"): choice, signal, ads (those with two rewrites or
        more), r (Pearson), spearman, and slope of the joint signal on the sum of the single ones; 1 would be additive.
        NaN where fewer than three ads can be compared.
    """
    singles = accepted(cache).set_index(["job_id", "position", "text"])
    rows = []
    for name, chosen in choices.items():
        several = {job: rewrites for job, rewrites in chosen.items() if len(rewrites) > 1}
        originals = [reward.measures.original(job) for job in several]
        ads = [deploy(ad, rewrites) for ad, rewrites in zip(originals, several.values(), strict=True)]
        ids = list(several)
        joint = reward.linear.signals(reward.measures(originals, ids), reward.measures(ads, ids), ids)
        for signal in joint:
            added = [sum(singles.at[(job, *edit), signal] for edit in of.items()) for job, of in several.items()]
            found = {"choice": name, "signal": signal, "ads": len(ids)}
            rows.append(found | _agreement(np.array(added), joint[signal].to_numpy()))
    return pd.DataFrame(rows)


def scale_fee(config: RewardConfig, cache: pd.DataFrame) -> RewardConfig:
    """`config` with a refusal that costs one `spread`, at most `w_protected`; as it is where there is no spread."""
    found = spread(cache)
    return replace(config, w_violation=min(found, config.w_protected)) if found > 0 else config


def read_alone(reward: RankingReward, cache: pd.DataFrame) -> pd.DataFrame:
    """The `accepted` rewrites with `alone`: the projection of each where its sentence is the whole ad.

    A policy that sees one sentence at a time can know what an edit does to this sentence, and not what becomes of it in
    an ad. `alone` is that part, told by the recommender itself instead of a model that has to learn it.
    """
    rows = accepted(cache)
    jobs = rows["job_id"].tolist()
    before, after = (reward.measures(rows[name].tolist(), jobs) for name in ("source", "text"))
    return rows.assign(alone=reward.linear.signals(before, after, jobs)["projection"])


def predictability(cache: pd.DataFrame, folds: int = 5, penalty: float = 10.0) -> pd.DataFrame:
    """How well a rewrite's own text foretells what it earns in its ad.

    Two ways: ridge regression on the change of each word's count, cross-validated by ad; and what the rewrite does
    where its sentence is the whole ad, which needs no learning.

    Args:
        cache: from `read_alone`.
        folds: parts of the ads, each foretold from the others.
        penalty: of the ridge.

    Returns:
        One row a signal: signal, rewrites; r of the regression over all of them, and r_within, between what they differ
        by from the mean of their sentence's rewrites: that is what a choice among them has to know; alone_within, the
        same for `alone`; and rank_with_hard, the rank correlation of the signal with what the hard selection gains. NaN
        where nothing can be told: of one ad alone.
    """
    rows = accepted(cache)
    if rows["job_id"].nunique() < 2:
        unknown = dict.fromkeys(("r", "r_within", "alone_within", "rank_with_hard"), np.nan)
        return pd.DataFrame({"signal": SIGNALS, "rewrites": len(rows)} | unknown)
    counts = CountVectorizer(token_pattern=r"[a-z']+").fit([*rows["source"], *rows["text"]])
    changes = counts.transform(rows["text"]) - counts.transform(rows["source"])
    split = PredefinedSplit(pd.factorize(rows["job_id"])[0] % folds)
    sentence = [rows["job_id"], rows["position"]]
    several = rows.groupby(["job_id", "position"])["text"].transform("size") > 1
    found = []
    for signal in SIGNALS:
        foretold = cross_val_predict(Ridge(alpha=penalty), changes, rows[signal], cv=split)
        told = pd.DataFrame({"true": rows[signal], "foretold": foretold, "alone": rows["alone"]})
        within = (told - told.groupby(sentence).transform("mean"))[several]
        over, among = told.corr()["true"], within.corr()["true"]
        common = rows[[signal, "hard"]].rank().corr().iloc[0, 1]  # Spearman, without a warning where one is constant
        row = {"signal": signal, "rewrites": len(rows), "r": over["foretold"], "r_within": among["foretold"]}
        found.append(row | {"alone_within": among["alone"], "rank_with_hard": common})
    return pd.DataFrame(found)


def _agreement(added: np.ndarray, joint: np.ndarray) -> dict[str, float]:
    if len(added) < 3 or np.ptp(added) == 0 or np.ptp(joint) == 0:
        return dict.fromkeys(("r", "spearman", "slope"), float("nan"))
    line = stats.linregress(added, joint)
    return {"r": line.rvalue, "spearman": stats.spearmanr(added, joint).statistic, "slope": line.slope}


def _chosen(rows: pd.DataFrame) -> Chosen:
    of_jobs = rows.groupby("job_id", sort=False)
    return {str(job): dict(zip(part["position"], part["text"], strict=True)) for job, part in of_jobs}
