"""The reward: what a rewrite changes in the value of its ad.

The sentences of an ad are rewritten one after the other, in reading order, and each earns what the ad's value gains as
its own rewrite comes in. It tells each sentence what it did itself, which the ad's total cannot; an ad's earnings add
up to what the whole ad gained, and a text that stays as it is earns exactly 0.

Such a marginal contribution (Shapley, 1953, "A value for n-person games", averages it over all orders) does not count
what a sentence does to the worth of those after it. A difference reward (Wolpert and Tumer, 2002, "Optimal payoff
functions for members of collectives"), the whole ad less the ad without the one rewrite, does, and its gradient is that
of the ad's value; but it ranks a quarter more texts, and on the synthetic ads PPO learned no better from it.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.recommender.scores import Rank
from autorefine_lib.reward.ad_value import LOSSES, AdValues, Measures, RewardConfig, parity_of_sums
from autorefine_lib.text import sentences
from autorefine_lib.text.protected import protected_words

WHOLE_AD = -1
"""The position of a completion that rewrites the whole ad."""

Finish = Callable[[str, str], tuple[str, list[str]]]
"""(source, completion) to the text as it would be deployed and the reasons why the completion was refused."""


def build_reward(
    rank: Rank,
    jobs: Dataset,
    candidates: Dataset,
    attribute: str | Sequence[str],
    k: int,
    finish: Finish,
    config: RewardConfig | None = None,
    embed: Callable[[list[str]], np.ndarray] | None = None,
    watched: Sequence[str] = (),
) -> Callable[..., list[float]]:
    """The reward function of a trainer, plain `reward(prompts, completions, *, job_id, position, **columns)`.

    `job_id` and `position` are columns of the training set: the job whose ad is rewritten, and the index into
    `sentences.split(ad)` of the sentence that the completion rewrites, or -1 for the whole ad. Completions of one
    call that rewrite different sentences of one ad are deployed together; the j-th completion of the same sentence
    belongs to the j-th draw of that ad. `log_metric(name, value)`, where the trainer gives one, receives the mean of
    every part.

    The other arguments are those of `ad_value.AdValues`.
    """
    values = AdValues(rank, jobs, candidates, attribute, k, config or RewardConfig(), embed, watched)

    def fairness_reward(
        prompts: list[str],
        completions: list[str],
        *,
        job_id: list[str],
        position: list[int],
        log_metric: Callable[[str, float], None] | None = None,
        **columns: list,
    ) -> list[float]:
        episodes = score_episodes(values, finish, completions, job_id, position)
        if log_metric is not None and len(episodes):
            for name, value in parts(episodes).items():
                log_metric(f"reward/{name}", value)
        return episodes["reward"].tolist()

    return fairness_reward


def parts(episodes: pd.DataFrame) -> dict[str, float]:
    """Means over the rows of `score_episodes`: each part of the reward by itself, and how often what happened.

    `exposure/<group>` and `watched/<attribute>/<group>`: mean selection weight of the group's members, pooled over the
    ads as deployed; `exposure_original/` and `watched_original/`: of their originals.
    """
    exposures = [name for name in episodes if name.startswith(("exposure", "watched"))]
    return {
        "parity": float(episodes["parity"].mean()),
        **{name: float(episodes[name].mean()) for name in LOSSES},
        "changed": float(episodes["changed"].mean()),
        "refused": float((episodes["reasons"].str.len() > 0).mean()),
        "protected": float(episodes["protected"].mean()),
        "parity_undefined": float(episodes["parity_undefined"].mean()),
        "batch_parity": float(episodes["batch_parity"].mean()),
        "batch_parity_original": float(episodes["batch_parity_original"].mean()),
        **episodes[exposures].mean().to_dict(),
    }


def score_episodes(
    values: AdValues, finish: Finish, completions: list[str], job_id: list[str], position: list[int]
) -> pd.DataFrame:
    """The reward of every completion with its parts.

    Returns:
        One row a completion: job_id, position, draw, source, text (as deployed), reasons, protected (bool), changed
        (bool), the changes that the completion makes to parity and to the `LOSSES`, parity_undefined (bool; parity then
        changes by 0), batch_parity and batch_parity_original (pooled parity of the draw's ads as deployed, and of
        their originals), the pooled exposures of `parts` likewise, and reward.

    Raises:
        InputError: an unknown job, or a position that is no sentence of its ad.
    """
    episodes = _episodes(values, finish, completions, job_id, position)
    ids = episodes["job_id"].tolist()
    n, originals = len(ids), [values.original(job_id) for job_id in ids]
    measures = values.measure([*itertools.chain(*_deployed_ads(values, episodes)), *originals], ids * 4)
    deployed, after, before, at_first = (measures.rows(slice(part * n, (part + 1) * n)) for part in range(4))
    changes = _parity_changes(episodes, deployed, after, before)
    episodes["parity"] = np.nan_to_num(changes)
    episodes["batch_parity"] = _batch_parity(episodes, deployed)
    episodes["batch_parity_original"] = _batch_parity(episodes, at_first)
    for suffix, measured in (("", deployed), ("_original", at_first)):
        for name, rates in _batch_exposures(values, episodes, measured, suffix).items():
            episodes[name] = rates
    for name in LOSSES:
        episodes[name] = getattr(after, name) - getattr(before, name)
    episodes["parity_undefined"] = episodes["changed"] & np.isnan(changes)
    episodes["reward"] = values.config.value(episodes)
    episodes.loc[episodes["reasons"].str.len() > 0, "reward"] = -values.config.w_violation
    episodes.loc[episodes["protected"], "reward"] = -values.config.w_protected
    return episodes


def _draws(episodes: pd.DataFrame) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each draw the rows of its episodes, and one row of each of its jobs."""
    for _, of_draw in episodes.reset_index(drop=True).groupby("draw"):
        yield of_draw.index.to_numpy(), of_draw.drop_duplicates("job_id").index.to_numpy()


def _batch_parity(episodes: pd.DataFrame, measures: Measures) -> np.ndarray:
    """Parity of the pooled exposures of the draw's ads, float [episodes]."""
    pooled = np.empty(len(episodes))
    for rows, jobs in _draws(episodes):
        sums = measures.exposure[jobs].sum(0), measures.members[jobs].sum(0)
        pooled[rows] = parity_of_sums(*sums)
    return pooled


def _batch_exposures(
    values: AdValues, episodes: pd.DataFrame, measures: Measures, suffix: str
) -> dict[str, np.ndarray]:
    """Pooled exposure of each group over the draw's ads, float [episodes]; NaN where nobody of it is there."""
    names = [f"exposure{suffix}/{group}" for group in values.groups]
    names += [f"watched{suffix}/{attribute}/{group}" for attribute, group in values.watched_groups]
    exposure = np.hstack([measures.exposure, measures.watched_exposure])
    members = np.hstack([measures.members, measures.watched_members])
    pooled = np.full((len(episodes), len(names)), np.nan)
    for rows, jobs in _draws(episodes):
        there = members[jobs].sum(0)
        pooled[rows] = np.divide(exposure[jobs].sum(0), there, out=np.full(len(names), np.nan), where=there > 0)
    return dict(zip(names, pooled.T, strict=True))


def _parity_changes(episodes: pd.DataFrame, deployed: Measures, after: Measures, before: Measures) -> np.ndarray:
    """What each completion changes in parity, float [episodes]; NaN where its own ad has none.

    The ads of one draw are one selection, as the impact ratio pools them. The change is that of their common parity,
    with the other ads as deployed. It is multiplied by the number of ads, so it has the size of a change to one ad.
    """
    own = parity_of_sums(after.exposure, after.members)
    changes = np.full(len(episodes), np.nan)
    for rows, jobs in _draws(episodes):
        members = deployed.members[jobs].sum(0)
        others = deployed.exposure[jobs].sum(0) - deployed.exposure[rows]
        with_it, without_it = (parity_of_sums(others + part.exposure[rows], members) for part in (after, before))
        changes[rows] = len(jobs) * (with_it - without_it)
    return np.where(np.isnan(own), np.nan, changes)


def _episodes(
    values: AdValues, finish: Finish, completions: list[str], job_id: list[str], position: list[int]
) -> pd.DataFrame:
    """Each completion with its source, the text that would be deployed and the draw it belongs to."""
    rows, seen = [], Counter[tuple[str, int]]()
    for completion, job, place in zip(completions, job_id, position, strict=True):
        source = _source(values.original(job), place, job)
        text, reasons = finish(source, completion)
        # Looked for again here, so that no `finish`, however lenient, lets such a word earn anything.
        guarded = "protected" in values.config.guards and completion != source
        named = guarded and (protected_words(completion) | protected_words(text)) - protected_words(source)
        if reasons or named:
            text = source
        rows.append((job, place, seen[job, place], source, text, list(reasons), bool(named), text != source))
        seen[job, place] += 1
    names = ["job_id", "position", "draw", "source", "text", "reasons", "protected", "changed"]
    return pd.DataFrame(rows, columns=names)


def _source(ad: str, position: int, job_id: str) -> str:
    if position == WHOLE_AD:
        return ad
    pieces = sentences.split(ad)
    if position % 2 or not 0 <= position < len(pieces):
        raise InputError(
            f"position {position} is no sentence of job {job_id!r}; allowed: -1, or even numbers to {len(pieces) - 1}"
        )
    return pieces[position]


def _deployed_ads(values: AdValues, episodes: pd.DataFrame) -> tuple[list[str], list[str], list[str]]:
    """For every episode its ad with all rewrites of its draw, with those up to this one, and with those before it."""
    drafts: dict[tuple[str, int], tuple[list[str], list[str]]] = {}
    rows = list(episodes[["job_id", "position", "draw", "source", "text"]].itertuples(index=False))
    for row in rows:
        if row.position == WHOLE_AD:
            continue
        if (row.job_id, row.draw) not in drafts:
            old = sentences.split(values.original(row.job_id))
            drafts[row.job_id, row.draw] = old, list(old)
        drafts[row.job_id, row.draw][1][row.position] = row.text
    deployed: list[str] = []
    after: list[str] = []
    before: list[str] = []
    for row in rows:
        if row.position == WHOLE_AD:
            ads = [row.text, row.text, row.source]
        else:
            old, new = drafts[row.job_id, row.draw]
            ads = [sentences.join(new[:end] + old[end:]) for end in (len(new), row.position + 1, row.position)]
        for texts, ad in zip((deployed, after, before), ads, strict=True):
            texts.append(ad)
    return deployed, after, before
