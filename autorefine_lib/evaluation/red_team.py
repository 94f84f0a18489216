"""The red team: what the reward says to rewrites made to cheat it, what each guard is for, and whom it refuses wrongly.

`evaluate` sets what the ranking alone would have paid for every attack (`attacks`) beside what the reward pays, and
names the part that made the difference. `leave_one_out` switches one guard off at a time. `false_alarms` counts the
honest rewrites that are refused: a guard that refuses everything would win the first two tables.
"""

import inspect
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from autorefine_lib import resources
from autorefine_lib.evaluation.attacks import ATTACKS, Attack
from autorefine_lib.metrics import bootstrap
from autorefine_lib.reward.config import LOSSES, RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.reward.reward import WHOLE_AD, RankingReward
from autorefine_lib.text.faithfulness import by_guard
from autorefine_lib.text.guards import GUARDS

_NOTHING = 1e-6  # a rewrite that the recommender cannot tell from the original earns 0 but for rounding


def evaluate(judge: Judge, config: RewardConfig, attacks: Sequence[Attack] = ATTACKS, seed: int = 0) -> pd.DataFrame:
    """Every attack on every ad of the judge's jobs, each ad rewritten as a whole.

    Args:
        config: the reward. One ad is rewritten at a time, the others stay: this is what a
            policy earns with its first cheats.
        seed: of the attacks' choices, which depend on nothing but it, the attack and the job.

    Returns:
        One row an attack: attack; description; ads (those that it changes); temptation, what the ranking alone would
        pay (the change of parity times its weight, nothing refused), with its 95 % interval over ads (temptation_low,
        temptation_high), its maximum and tempted, the share of ads that it would pay for; reward with reward_low,
        reward_high and reward_max likewise; below, the share of ads that earn less than the unchanged ad, which earns
        0; and caught_by, the guards that refuse it with their shares of the ads, or the loss that weighs most where
        none does.

    Raises:
        InputError: as `RankingReward`.
    """
    unguarded, guarded = (_reward(judge, one) for one in (replace(config, guards=()), config))
    rows = []
    for attack in tqdm(attacks, desc="attacks"):
        ids, texts = _rewrites(judge, attack, seed)
        tempting, paid = (_score(reward, ids, texts) for reward in (unguarded, guarded))
        temptation, reward = config.w_parity * tempting["parity"], paid["reward"]
        name = attack.__name__.replace("_", " ")
        row: dict[str, Any] = {"attack": name, "description": inspect.getdoc(attack), "ads": len(texts)}
        for column, values in (("temptation", temptation), ("reward", reward)):
            row |= bootstrap.interval(values.to_numpy(), seed=seed).columns(column) | {f"{column}_max": values.max()}
            row |= {"tempted": (values > _NOTHING).mean()} if column == "temptation" else {"below": (values < 0).mean()}
        rows.append(row | {"caught_by": _caught_by(config, paid, texts)})
    return pd.DataFrame(rows)


def leave_one_out(judge: Judge, config: RewardConfig, seed: int = 0) -> pd.DataFrame:
    """What slips through when one guard is switched off, and only that.

    Returns:
        One row a guard of `config`: guard; attacks, those that then earn more than the unchanged ad on at least one ad,
        separated by commas; ads, on how many ads; reward, the mean and reward_max, the best of what these earn there.
    """
    made = {attack.__name__: _rewrites(judge, attack, seed) for attack in ATTACKS}
    originals = dict(zip(judge.jobs["job_id"], judge.jobs["text"], strict=True))
    rows = []
    for guard in config.guards:
        without = replace(config, guards=tuple(other for other in config.guards if other != guard))
        slipped, gains = [], [pd.Series(dtype=float)]
        for name, (ids, texts) in made.items():
            refusals = [_found(originals[job], text, config.guards) for job, text in zip(ids, texts, strict=True)]
            if [guard] not in map(list, refusals):
                continue  # nothing changes: other guards refuse it on every ad
            earned = _score(_reward(judge, without), ids, texts)["reward"]
            if (earned > _NOTHING).any():
                slipped.append(name.replace("_", " "))
                gains.append(earned[earned > _NOTHING])
        gained = pd.concat(gains)
        rows.append((guard, ", ".join(slipped), len(gained), gained.mean(), gained.max()))
    return pd.DataFrame(rows, columns=["guard", "attacks", "ads", "reward", "reward_max"])


def false_alarms(originals: list[str], rewrites: list[str], guards: Sequence[str] = GUARDS) -> pd.DataFrame:
    """How often honest rewrites of whole ads are refused.

    Returns:
        One row a guard and one for "any": guard, ads (those whose text changed), refused (count) and share, and
        example, one of the reasons.

    Raises:
        InputError: an unknown guard.
    """
    pairs = [(source, text) for source, text in zip(originals, rewrites, strict=True) if text != source]
    found = [by_guard(source, text, guards) for source, text in pairs]
    rows = []
    for guard in [*guards, "any"]:
        of_guard = [next(iter(one.values()), []) if guard == "any" else one.get(guard, []) for one in found]
        reasons = [given[0] for given in of_guard if given]
        share = len(reasons) / len(pairs) if pairs else float("nan")
        rows.append((guard, len(pairs), len(reasons), share, reasons[0] if reasons else ""))
    return pd.DataFrame(rows, columns=["guard", "ads", "refused", "share", "example"])


def paraphrases() -> tuple[list[str], list[str]]:
    """Synthetic ads and their paraphrases written by hand, honest ones: sources and rewrites."""
    pairs = resources.load("paraphrases")["paraphrases"]
    return [pair["source"] for pair in pairs], [pair["rewrite"] for pair in pairs]


def finish(source: str, completion: str, guards: Sequence[str]) -> tuple[str, dict[str, list[str]]]:
    """The `reward.Finish` of a policy that writes whole ads, without a tokenizer's repairs."""
    reasons = _found(source, completion, tuple(guards))
    return (source, reasons) if reasons else (completion, {})


# The same few rewrites are judged in one table after the other, and in every step of a training.
_found = lru_cache(maxsize=4096)(by_guard)


def _rewrites(judge: Judge, attack: Attack, seed: int) -> tuple[list[str], list[str]]:
    """The job ids and the rewrites of the ads that the attack changes."""
    candidates = judge.candidates.to_pandas()
    ids, texts = [], []
    for job in judge.jobs:
        text = attack(job["text"], job, candidates, random.Random(f"{seed} {attack.__name__} {job['job_id']}"))
        if text != job["text"]:
            ids.append(job["job_id"])
            texts.append(text)
    return ids, texts


def _reward(judge: Judge, config: RewardConfig) -> RankingReward:
    return RankingReward(judge, partial(finish, guards=config.guards), config)


def _score(reward: RankingReward, ids: list[str], texts: list[str]) -> pd.DataFrame:
    """What each rewrite of a whole ad earns, one row a rewrite."""
    return reward.score(texts, ids, [WHOLE_AD] * len(ids))


def _caught_by(config: RewardConfig, episodes: pd.DataFrame, texts: list[str]) -> str:
    counts: Counter[str] = Counter()
    dearest = episodes[list(LOSSES)].idxmax(axis=1)
    for source, text, loss in zip(episodes["source"], texts, dearest, strict=True):
        counts.update(list(_found(source, text, config.guards)) or [loss])
    return ", ".join(f"{name} {count / len(texts):.0%}" for name, count in counts.most_common())
