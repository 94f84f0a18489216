"""Notebook 11: is a method's effect more than noise, and is it there for all places, kinds of ads and settings?

A floor is what a disturbance without any meaning does to the impact ratio: typing errors in the ads, or another name of
the same group for every candidate. An effect is stated as a multiple of its floor. All comparisons of a table are
corrected together (Holm).
"""

import random
import re
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd

from autorefine_lib.evaluation.method import ORIGINAL, Methods
from autorefine_lib.evaluation.reward_gate import best_per_sentence, deploy_all
from autorefine_lib.generator.generator import Generator
from autorefine_lib.metrics import bootstrap, groups, permutation, ranking
from autorefine_lib.ppo.ppo_finetuning import ranking_reward
from autorefine_lib.recommender.scores import selection
from autorefine_lib.reward import parity_gap
from autorefine_lib.reward.config import RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.linear_gap import LinearGap
from autorefine_lib.reward.reward import deploy

MIX = "all settings"
_WORD_OR_SPACE = re.compile(r"[^\W\d_]{4,}| ")


def misspell(ads: Sequence[str], seed: int = 0, rate: float = 0.03) -> list[str]:
    """The ads with errors of typing and spacing: letters swapped, left out or doubled, spaces left out or doubled.

    Args:
        seed: of the errors.
        rate: share of the words of four letters or more, and of the spaces, that get one.
    """
    rng = random.Random(f"typing {seed}")
    return [_WORD_OR_SPACE.sub(lambda found: _mistype(found.group(), rng, rate), ad) for ad in ads]


def _mistype(text: str, rng: random.Random, rate: float) -> str:
    at = rng.randrange(len(text))
    before, letter, after = text[:at], text[at], text[at + 1 :]
    wrong = rng.choice([after, letter * 2 + after, after[:1] + letter + after[1:]])
    return before + wrong if rng.random() < rate else text


def rename(judge: Judge, names: Mapping[str, Sequence[str]], seed: int = 0) -> Judge:
    """The judge with a name before each candidate's text, drawn from those of the candidate's own group.

    Args:
        names: by group; candidates of another group stay as they are.
        seed: of the names.
    """
    rng, people = random.Random(f"names {seed}"), judge.candidates
    pairs = zip(people[judge.attribute], people["text"], strict=True)
    texts = [f"{rng.choice(names[group])}. {text}" if group in names else text for group, text in pairs]
    named = people.remove_columns("text").add_column("text", texts)
    # A copy: the judge's own recommender goes on ranking its pool.
    return replace(judge, candidates=named, recommender=copy(judge.recommender).fit(named))


def count_selected(judge: Judge, texts: Sequence[str], group: str, reference: str) -> np.ndarray:
    """`ranking.rate_counts` of the whole pool for one text a job, float [jobs, 4]."""
    return ranking.rate_counts(judge.count(list(texts)), group, reference)


def count_methods(judge: Judge, methods: Methods, group: str, reference: str) -> dict[str, np.ndarray]:
    """`count_selected` of the ads of each method, the mean of its seeds."""
    return {
        name: np.mean([count_selected(judge, run.texts, group, reference) for run in runs], axis=0)
        for name, runs in methods.items()
    }


def compare_parts(parts: Mapping[str, Mapping[str, np.ndarray]], seed: int = 0) -> pd.DataFrame:
    """Each method against the original ads, part by part: strata of ads, numbers of places, or settings.

    Args:
        parts: by name, and in each by method, `ORIGINAL` among them: what `count_selected` returns for the same jobs.
        seed: of the bootstrap and of the permutations.

    Returns:
        One row a part and method: part, method, n jobs, impact_ratio, its paired change, closer (how much closer to 1),
        each with low and high (95 %, bootstrap over jobs), p_value (paired permutation) and p_holm over all rows.
    """
    rows = []
    for part, counts in parts.items():
        before = counts[ORIGINAL]
        for name, after in counts.items():
            then, now = bootstrap.resample(before, after, seed=seed)
            found = {"impact_ratio": now}
            if name != ORIGINAL:
                found |= {"change": now - then, "closer": np.abs(1 - then) - np.abs(1 - now)}
            row = {"part": part, "method": name, "n": len(after)}
            for column, values in found.items():
                row |= bootstrap.percentile(values).columns(column)
            p_value = np.nan if name == ORIGINAL else permutation.permutation_test(before, after, seed=seed).p_value
            rows.append(row | {"p_value": p_value})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=permutation.holm(table["p_value"].to_numpy()))


def correlate_widths(
    judge: Judge, rewrites: pd.DataFrame, group: str, reference: str, widths: Sequence[float]
) -> pd.DataFrame:
    """How well the soft selection of each width foretells the hard one: changes of single rewrites, each in its ad.

    Args:
        rewrites: columns job_id, position and text, as from `reward_gate.accepted`.
        widths: of the soft threshold, as `RewardConfig.smoothing`.

    Returns:
        One row a width: width, rewrites, r_hard (Spearman, of the changes of the log ratio of the two groups) and
        inside, the share of the soft weight on the k best of the original ads.
    """
    originals = dict(zip(judge.jobs["job_id"], judge.jobs["text"], strict=True))
    edits = zip(rewrites["job_id"], rewrites["position"], rewrites["text"], strict=True)
    drafts = [deploy(originals[job], {place: text}) for job, place, text in edits]
    plain, scores = judge.recommender.rank(list(originals.values())), judge.recommender.rank(drafts)
    row = [list(originals).index(job) for job in rewrites["job_id"]]
    names, members = groups.find_members(judge.candidates, judge.attribute)
    pair = members[[names.index(group), names.index(reference)]]

    def change(width: float) -> np.ndarray:
        exposures = (parity_gap.selection_weights(of, judge.k, width) @ pair.T for of in (plain, scores))
        before, after = (parity_gap.log_ratios(exposure, pair.sum(1))[:, 0] for exposure in exposures)
        return after - before[row]

    hard, best, rows = pd.Series(change(0)), selection(plain, judge.k), []
    for width in widths:
        weights = parity_gap.selection_weights(plain, judge.k, width)
        soft = pd.Series(change(width))
        # Spearman by ranks, as in `reward_gate.predictability`: without a warning where one is constant.
        found = {"r_hard": hard.rank().corr(soft.rank()) if len(row) > 2 else np.nan}
        rows.append({"width": width, "rewrites": len(row)} | found | {"inside": (weights * best).sum() / weights.sum()})
    return pd.DataFrame(rows)


def reward_refused(cache: pd.DataFrame, generator: Generator, judge: Judge, config: RewardConfig) -> pd.DataFrame:
    """The completions that a single guard refused, rewarded as if there were no guards, with that guard's name.

    Args:
        cache: from `offline.collect`, which keeps the completions that were refused.
        generator: the one that they were sampled from.
    """
    alone = cache[cache["reasons"].map(len) == 1]
    lenient = ranking_reward(generator, judge, replace(config, guards=()))
    columns = [alone[name].tolist() for name in ("completion", "job_id", "position")]
    scored = lenient.score(*columns) if len(alone) else alone
    return scored.assign(guard=[guard for (guard,) in alone["reasons"]])


def choose_by_setting(cache: pd.DataFrame, linear: LinearGap, settings: pd.Series) -> dict[str, list[str]]:
    """All ads as the gap of one setting would have them, by setting; the last is `MIX`, the gap of all ads together.

    Of each sentence the rewrite is chosen that would close the setting's gap most, by what the rewrite changes in the
    exposures of its own ad (`LinearGap`). A setting at parity chooses nothing.

    Args:
        settings: of each job of `linear`, with job_id as index.
    """
    measures, jobs, chosen = linear.measures, list(settings.index), {}
    names, members = [f"exposure/{group}" for group in measures.groups], measures.members[: len(measures.groups)]
    exposures = measures([measures.original(job) for job in jobs], jobs)["exposure"][:, : len(names)]
    for setting in (*settings.unique(), MIX):
        inside = settings.eq(setting).to_numpy() | (setting == MIX)
        summed = exposures[inside].sum(0)
        worth = parity_gap.closing(parity_gap.pull(summed, inside.sum() * members), summed, inside.sum() * members)
        best = best_per_sentence(cache.assign(worth=cache[names] @ worth), "worth")
        chosen[setting] = deploy_all(measures.judge, best)
    return chosen
