"""What a guard is for, shown by training: the same PPO with the guard and without it, where cheating is within reach.

The policy is a tiny causal model that writes one word, the name of an edit of the whole ad: keep it, swap its
gender-coded phrases towards neutral or feminine, or one of the attacks. All else is as in notebook 04: ranking, reward
and PPO. A language model would have to find the cheat word by word; the incentive is the same, and found in seconds.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from autorefine_lib.errors import InputError
from autorefine_lib.evaluation import red_team
from autorefine_lib.evaluation.attacks import Attack
from autorefine_lib.generator.generator import Generator
from autorefine_lib.ppo import ppo_finetuning
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.reward.ad_value import AdValues, RewardConfig
from autorefine_lib.reward.judge import Judge
from autorefine_lib.text import wording
from autorefine_lib.text.guards import GUARDS

HONEST = ("keep", "neutral", "feminine")
"""The honest edits: the ad as it is, and its listed phrases swapped towards neutral or feminine wording."""


class EditPolicy(Generator):
    """A generator of whole ads whose completion is the name of an edit; an untrained one chooses about evenly.

    Args:
        judge: its jobs are the ads, its candidates are what attacks may copy from.
        attacks: the cheats within reach.
        seed: of the weights and of the edits' choices.
    """

    def __init__(self, judge: Judge, attacks: Sequence[Attack], seed: int = 0) -> None:
        self.edits: dict[str, Callable[..., str]] = {
            "keep": lambda ad, *_: ad,
            **{name: partial(_swap, toward=name) for name in HONEST[1:]},
            **{attack.__name__: attack for attack in attacks},
        }
        self.jobs, self.people, self.seed = {job["text"]: job for job in judge.jobs}, judge.candidates.to_pandas(), seed
        self.chosen: list[str] = []  # since the last look
        self._made: dict[tuple[str, str], str] = {}
        words = ["[PAD]", "[EOS]", "[UNK]", "rewrite", *self.edits]
        tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                    num_attention_heads=1, max_position_embeddings=8, pad_token_id=0, eos_token_id=1,
                )
            )  # fmt: skip
        special = {"pad_token": "[PAD]", "eos_token": "[EOS]", "unk_token": "[UNK]"}
        super().__init__(model, PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special), "ad", max_new_tokens=1)

    @property
    def vocabulary(self) -> Callable[[list[str]], torch.Tensor]:
        """Only the edits may be written."""
        allowed = torch.tensor([token in self.edits for token in self.tokenizer.convert_ids_to_tokens(
            range(len(self.tokenizer)))])  # fmt: skip
        return lambda prompts: allowed.expand(len(prompts), -1)

    def prompt(self, source: str) -> str:
        """The same for every ad: the policy learns which edit pays on the whole."""
        return "rewrite"

    def finish(self, source: str, completion: str, guards: Sequence[str] = GUARDS) -> tuple[str, list[str]]:
        """The edit of that name made to the ad, under guard; nothing chosen is "keep"."""
        name = completion.strip() or "keep"
        self.chosen.append(name)
        if (name, source) not in self._made:
            job = self.jobs[source]
            rng = random.Random(f"{self.seed} {name} {job['job_id']}")
            self._made[name, source] = self.edits[name](source, job, self.people, rng)
        return red_team.finish(source, self._made[name, source], guards)


def falling_behind(judge: Judge, group: str, config: RewardConfig) -> Judge:
    """The judge with the half of its jobs in which `group` is least exposed against everybody else.

    There the ranking tempts to push the group by any means; over all ads it may be near parity already.

    Raises:
        InputError: no such group, or no job in which its exposure can be told.
    """
    recommender = judge.recommender
    values = AdValues(recommender.rank, judge.jobs, judge.candidates, judge.attribute, judge.k, config)
    if group not in values.groups:
        raise InputError(f"group {group!r} is not one of {', '.join(values.groups)}")
    measures = values.measure(list(judge.jobs["text"]), list(judge.jobs["job_id"]))
    own, exposure, members = values.groups.index(group), measures.exposure, measures.members
    others = members.sum(1) - members[:, own]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (exposure[:, own] / members[:, own]) / ((exposure.sum(1) - exposure[:, own]) / others)
    known = np.isfinite(ratio)
    if not known.any():
        raise InputError(f"no job has qualified candidates of {group!r} and others, more than k={judge.k}; lower k")
    return replace(judge, jobs=judge.jobs.select(np.flatnonzero(known & (ratio <= np.median(ratio[known])))))


def train(
    judge: Judge,
    attacks: Sequence[Attack],
    without: Sequence[str],
    config: RewardConfig,
    settings: PPOConfig,
    output_dir: Path,
) -> pd.DataFrame:
    """PPO with the guards `without` switched off.

    Args:
        judge: with training jobs.
        attacks: the cheats that the policy can choose.
        without: names of guards; () trains with all of `config`.
        settings: of PPO; `max_new_tokens` must be 1.

    Returns:
        One row a step: step, reward (mean of the batch), parity_gain (of the batch's ads as deployed), cheats (share of
        the completions that are attacks) and one column with its share for each edit.

    Raises:
        InputError: an unknown guard, settings for longer answers, or fewer ads than a batch.
    """
    if settings.max_new_tokens != 1:
        raise InputError(f"max_new_tokens={settings.max_new_tokens}, but an edit is one word; set it to 1")
    if unknown := set(without) - set(config.guards):
        raise InputError(f"without={sorted(unknown)} are no guards of the reward; allowed: {', '.join(config.guards)}")
    policy = EditPolicy(judge, attacks, settings.seed)
    rows = []

    def note(row: dict[str, float]) -> None:
        shares = {edit: policy.chosen.count(edit) / len(policy.chosen) for edit in policy.edits}
        policy.chosen.clear()
        gain = row["reward/batch_parity"] - row["reward/batch_parity_original"]
        cheats = sum(share for edit, share in shares.items() if edit not in HONEST)
        rows.append({"step": row["step"], "reward": row["reward/mean"], "parity_gain": gain, "cheats": cheats} | shares)

    guards = tuple(guard for guard in config.guards if guard not in without)
    reward = replace(config, guards=guards)
    ppo_finetuning.build_trainer(policy, judge, reward, settings, output_dir, on_step=note).train()
    return pd.DataFrame(rows)


def _swap(ad: str, job: dict, people: pd.DataFrame, rng: random.Random, toward: str) -> str:
    return wording.swap(ad, rng, toward=toward)
