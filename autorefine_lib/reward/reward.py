"""The reward: how far a rewrite moves the gap of its ad's setting towards parity, less what it costs.

A rewrite of one sentence is measured with the other sentences of its ad as they were. So it earns the same whatever
else is sampled beside it, and a text that stays as it is earns exactly 0. What many rewrites gain together is less than
the sum of what each would gain alone: selections saturate, and the best of several is partly luck
(`evaluation.reward_gate` measures by how much).
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from autorefine_lib.errors import InputError
from autorefine_lib.reward.ad_measures import AdMeasures
from autorefine_lib.reward.config import LOSSES, RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.linear_gap import LinearGap
from autorefine_lib.text import sentences
from autorefine_lib.text.protected import protected_words

WHOLE_AD = -1
"""The position of a completion that rewrites the whole ad."""

Finish = Callable[[str, str], tuple[str, Collection[str]]]
"""(source, completion) to the text as it would be deployed and the guards that refuse it (a collection of their names,
or a mapping from them to reasons)."""


class RankingReward:
    """The reward function of a trainer, called as `reward(prompts, completions, *, job_id, position, **columns)`.

    `job_id` and `position` are columns of the training set: the job whose ad is rewritten, and the index into
    `sentences.split(ad)` of the sentence that the completion rewrites, or -1 for the whole ad. `log_metric(name,
    value)`, where the trainer gives one, receives the mean of every part.

    Args:
        judge: ranks its candidates for its jobs; its pool and its attribute are those that are paid for.
        finish: what becomes of a completion, for instance `Generator.finish`.
        config: `RewardConfig()` by default.
        watched: further attributes of the candidates whose groups' exposures are logged and earn nothing.

    Raises:
        InputError: as `AdMeasures`.
    """

    __name__ = "fairness_reward"

    def __init__(
        self, judge: Judge, finish: Finish, config: RewardConfig | None = None, watched: Sequence[str] = ()
    ) -> None:
        self.finish, self.config = finish, config or RewardConfig()
        self.measures = AdMeasures(judge, self.config.smoothing, watched)
        self.linear = LinearGap(self.measures, getattr(judge.recommender, "embed", None))

    def __call__(
        self,
        prompts: list[str],
        completions: list[str],
        *,
        job_id: list[str],
        position: list[int],
        log_metric: Callable[[str, float], None] | None = None,
        **columns: list,
    ) -> list[float]:
        """The reward of every completion; `score` has its parts.

        Raises:
            InputError: as `score`.
        """
        table = self.score(completions, job_id, position)
        if log_metric is not None and len(table):
            for name, value in self.parts(table).items():
                log_metric(f"reward/{name}", value)
        return table["reward"].tolist()

    def refresh(self, ads: Mapping[str, str]) -> None:
        """Take the gaps anew with the policy's ads of now (job_id to text); see `LinearGap.refresh`."""
        self.linear.refresh(ads)

    def score(self, completions: Sequence[str], job_id: Sequence[str], position: Sequence[int]) -> pd.DataFrame:
        """The reward of every completion with its parts.

        Returns:
            One row a completion: job_id, position, source, text (as deployed), reasons (the guards that refuse it),
            protected (bool), changed (bool), setting, selection, projection and hard (`LinearGap.signals`), parity (the
            one that is paid), the `LOSSES`, undefined as 0, and reward. And the changes of the ad's exposures, as
            `exposure/<group>` and `watched/<attribute>/<group>`.

        Raises:
            InputError: an unknown job, or a position that is no sentence of its ad.
        """
        rows = []
        for completion, job, place in zip(completions, job_id, position, strict=True):
            source = find_source(self.measures.original(job), place, job)
            text, reasons = self.finish(source, completion)
            # Looked for again here, so that no `finish`, however lenient, lets such a word earn anything.
            guarded = "protected" in self.config.guards and completion != source
            named = guarded and (protected_words(completion) | protected_words(text)) - protected_words(source)
            text = source if reasons or named else text
            rows.append((job, place, source, text, list(reasons), bool(named), text != source))
        names = ["job_id", "position", "source", "text", "reasons", "protected", "changed"]
        table = pd.DataFrame(rows, columns=names).astype({"protected": bool, "changed": bool})  # so without rows too
        jobs, originals = table["job_id"].tolist(), self.measures.originals
        edits = zip(jobs, position, table["text"], strict=True)
        ads = [deploy(originals[job], {place: text}) for job, place, text in edits]
        before, after = self.measures([originals[job] for job in jobs], jobs), self.measures(ads, jobs)
        table["setting"] = [self.linear.setting[job] for job in jobs]
        table = table.join(self.linear.signals(before, after, jobs))
        table["parity"] = table[self.config.signal]
        table[list(LOSSES)] = np.nan_to_num(np.maximum(0, before["quality"] - after["quality"]))
        table[self.measures.names] = after["exposure"] - before["exposure"]
        lost = table[list(LOSSES)].sum(axis=1)
        table["reward"] = self.config.w_parity * table["parity"] - self.config.w_quality * lost
        table.loc[table["reasons"].str.len() > 0, "reward"] = -self.config.w_violation
        table.loc[table["protected"], "reward"] = -self.config.w_protected
        return table

    def parts(self, table: pd.DataFrame) -> dict[str, float]:
        """Means over the rows of `score`: each part of the reward by itself, and how often what happened.

        gap: the mean gap of the rows' settings where `refresh` last took it; at_parity: the share of rows whose setting
        is too near to parity to pay, or has no gap. refused/<guard>: the share that the guard refuses. exposure/<group>
        and watched/<attribute>/<group>: mean selection weight of the group's members over the batch's ads, with what
        the changes of each ad add up to; exposure_original/ and watched_original/: of the originals.
        """
        names = ["parity", "selection", "projection", "hard", *LOSSES, "changed", "protected"]
        found = table[names].astype(float).mean().to_dict()
        found["refused"] = float((table["reasons"].str.len() > 0).mean())
        for guard in self.config.guards:
            found[f"refused/{guard}"] = float(np.mean([guard in reasons for reasons in table["reasons"]]))
        found["gap"] = float(table["setting"].map(self.linear.gaps).mean())
        found["at_parity"] = float(np.mean([self.linear.at_parity(job) for job in table["job_id"]]))
        ids = table["job_id"].unique().tolist()
        # Several completions of one sentence stand for one another.
        draws = table.groupby(["job_id", "position"]).cumcount().groupby(table["job_id"]).max() + 1
        added = table[self.measures.names].div(table["job_id"].map(draws), axis=0).sum()
        original = self.measures([self.measures.originals[job] for job in ids], ids)["exposure"].sum(0)
        members = len(ids) * self.measures.members
        rates = np.array([original + added, original]) / np.where(members > 0, members, np.nan)
        now, then = (dict(zip(self.measures.names, of.tolist(), strict=True)) for of in rates)
        return found | now | {name.replace("/", "_original/", 1): rate for name, rate in then.items()}


def find_source(ad: str, position: int, job_id: str) -> str:
    """The sentence of an ad at a position, or the ad itself for -1.

    Raises:
        InputError: there is no sentence at this position.
    """
    if position == WHOLE_AD:
        return ad
    pieces = sentences.split(ad)
    if position % 2 or not 0 <= position < len(pieces):
        allowed = f"-1, or even numbers to {len(pieces) - 1}"
        raise InputError(f"position {position} is no sentence of job {job_id!r}; allowed: {allowed}")
    return pieces[position]


def deploy(ad: str, rewrites: Mapping[int, str]) -> str:
    """An ad with some of its sentences rewritten, by position; position -1 is the whole ad."""
    if WHOLE_AD in rewrites:
        return rewrites[WHOLE_AD]
    pieces = sentences.split(ad)
    for position, text in rewrites.items():
        pieces[position] = text
    return sentences.join(pieces)
