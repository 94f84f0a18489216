"""This project's PPO against TRL 1.12.0's on the same rollouts: loss, its parts and the gradient norm within 1e-5.

The numbers are TRL's own, recorded by `trl_ppo_fixture.py`: the local variables of its `train` while it took the
gradient steps. Two conventions differ for a response that stops early, at length L below the limit:

- TRL gives the reward one place after the EOS (place L), this project on the EOS itself (place L - 1);
- TRL's mask of values and rewards (`padding_mask_p1`) therefore keeps place L, so the value that is estimated after the
  EOS enters the advantages and the value loss. Here the value after the EOS is 0.

`ppo_math` takes rewards and masks as arguments and so can follow either; the first tests hand it TRL's. The whole
trainer follows its own convention, so it is compared in full where no response stops early, and where some do in what
does not depend on the convention: with gamma = lam = 1, all of the policy's part. TRL also whitens rewards and takes
a penalty off responses without an EOS; runs recorded with these options are compared from TRL's own rewards on.

Three figures are named alike but defined differently: TRL's `entropy` and `ratio` average over padding too, and its
`approxkl` is half the squared log-ratio (k2), padding included, where this project logs k3 over the response.
"""

import json
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from tiny_models import WORDS, tiny_model, tiny_tokenizer

from autorefine_lib.generator.actor import ValueHead
from autorefine_lib.generator.prompts import encode
from autorefine_lib.generator.sampling import Samples
from autorefine_lib.generator.scoring import score
from autorefine_lib.ppo import ppo_math
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer

FIXTURE = Path(__file__).parents[1] / "fixtures" / "trl_ppo"
TENSORS = load_file(FIXTURE.with_suffix(".safetensors"))
RUNS = json.loads(FIXTURE.with_suffix(".json").read_text())["runs"]


def under(prefix):
    return {key.removeprefix(prefix): t for key, t in TENSORS.items() if key.startswith(prefix)}


def model_of(name):
    model = tiny_model("llama")
    model.load_state_dict(under(f"{name}/"))
    return model


def texts_of(run):
    return [" ".join(WORDS[i] for i in row if i) for row in under(f"{run}/")["queries"].tolist()]


def value_head_of(model):
    head = ValueHead(model)
    head.load_state_dict(under("value_head/"))
    return head


def rollout(run):
    """TRL's tensors of the run, its settings, and the two masks: of the response, and with the place after its EOS."""
    tensors, settings = under(f"{run}/"), RUNS[run]["settings"]
    places, last = torch.arange(settings["max_new_tokens"]), tensors["sequence_lengths"][:, None]
    return tensors, settings, places <= last, places <= last + 1


def close(ours, theirs):
    torch.testing.assert_close(torch.as_tensor(ours), torch.as_tensor(theirs), atol=1e-5, rtol=0, check_dtype=False)


def test_the_fixture_holds_what_the_tests_need():
    for run in RUNS:
        responses, settings = under(f"{run}/")["responses"], RUNS[run]["settings"]
        lengths = under(f"{run}/")["sequence_lengths"] + 1
        short = lengths < settings["max_new_tokens"]
        assert short.any() == settings["stop"]
        # A padding token that the model itself samples would end a response for TRL.
        assert (responses[short, lengths[short] - 1] == 1).all() and (responses[~short] != 0).all()
        steps = RUNS[run]["gradient_steps"]
        assert len(steps) == settings["epochs"] * settings["minibatches"]
        assert max(s["pg_clipfrac"] for s in steps) > 0.2 and max(s["vf_clipfrac"] for s in steps) > 0.2
        assert (under(f"{run}/")["queries"][:, 0] == 0).any()  # padded on the left
        assert RUNS[run]["objective"]["objective/kl"] > 0.1


@pytest.mark.parametrize("run", RUNS)
def test_scores_of_given_responses(run):
    trl, settings, mask, _ = rollout(run)
    policy, temperature = model_of("policy"), settings["temperature"]
    prompts = encode(tiny_tokenizer(), policy, texts_of(run), settings["max_new_tokens"])
    with torch.no_grad():
        ours = score(policy, prompts, trl["responses"], temperature, value_head_of(policy))
        reference = score(model_of("reference"), prompts, trl["responses"], temperature)
    close(ours.logprobs[mask], trl["logprobs"][mask])
    close(reference.logprobs[mask], trl["ref_logprobs"][mask])
    close(ours.values[mask], trl["values"][mask])
    rows = trl["step0/rows"]  # at the first gradient step the weights are still those
    close(ours.entropy[rows][mask[rows]], trl["step0/entropy"][mask[rows]])


@pytest.mark.parametrize("run", RUNS)
def test_rewards_advantages_and_returns(run):
    trl, settings, mask, mask_p1 = rollout(run)
    k1 = ppo_math.kl_k1(trl["logprobs"], trl["ref_logprobs"]) * mask
    close(k1.sum(1).mean(), RUNS[run]["objective"]["objective/kl"])
    rewards = -settings["kl_coef"] * k1
    rewards[torch.arange(len(rewards)), mask_p1.sum(1) - 1] += trl["scores"]
    if not settings["whiten_rewards"]:  # an option of TRL alone
        close(rewards, trl["rewards"])
    advantages, returns = ppo_math.gae(trl["rewards"], trl["values"], mask_p1, settings["gamma"], settings["lam"])
    close(returns[mask_p1], trl["returns"][mask_p1])
    close(ppo_math.masked_whiten(advantages, mask), trl["advantages"])


@pytest.mark.parametrize("run", RUNS)
def test_losses_of_each_gradient_step(run):
    trl, settings, mask, mask_p1 = rollout(run)
    for number, step in enumerate(RUNS[run]["gradient_steps"]):
        at = under(f"{run}/step{number}/")
        rows, new = at["rows"], at["new_logprobs"]
        kept, kept_p1, old = mask[rows], mask_p1[rows], trl["logprobs"][rows]
        pg, pg_clipped = ppo_math.policy_loss(new, old, trl["advantages"][rows], settings["clip_ratio"])
        vf, vf_clipped = ppo_math.value_loss(
            at["vpred"], trl["values"][rows], trl["returns"][rows], settings["clip_value"]
        )
        policy_loss, value_loss = ppo_math.masked_mean(pg, kept), ppo_math.masked_mean(vf, kept_p1)
        close(policy_loss, step["pg_loss"])
        close(value_loss, step["vf_loss"])
        close(policy_loss + settings["value_coef"] * value_loss, step["loss"])
        close(ppo_math.masked_mean(pg_clipped, kept), step["pg_clipfrac"])
        close(ppo_math.masked_mean(vf_clipped, kept_p1), step["vf_clipfrac"])
        close(0.5 * ((new - old) * kept).square().mean(), step["approxkl"])
        close(torch.exp((new - old) * kept).mean(), step["ratio"])


def train_on(run, monkeypatch, tmp_path, **changes):
    """One step of this project's trainer on the recorded responses and scores; returns its log row."""
    trl, settings, mask, _ = rollout(run)
    ended = (trl["responses"] == 1).any(1) & settings["stop"]
    model = model_of("policy")
    names = {field.name for field in fields(PPOConfig)}
    shared = {name: value for name, value in settings.items() if name in names} | changes
    config = PPOConfig(
        **shared, steps=1, micro_batch_size=3, shuffle=False, value_learning_rate=None, max_grad_norm=1e9,
        linear_decay=False,
    )  # fmt: skip
    data = Dataset.from_dict({"prompt": texts_of(run)})
    trainer = PPOTrainer(
        model, tiny_tokenizer(), lambda completions: trl["scores"].tolist(), data, config, tmp_path
    )  # fmt: skip
    trainer.reference.load_state_dict(under("reference/"))
    trainer.value_head.load_state_dict(under("value_head/"))

    def recorded(model, prompts, *_, **__):
        with torch.no_grad():
            found = score(model, prompts, trl["responses"], settings["temperature"], trainer.value_head)
        return Samples(trl["responses"], mask, found.logprobs * mask, found.values * mask, ended)

    monkeypatch.setattr("autorefine_lib.ppo.trainer.sample", recorded)
    return trainer.train().iloc[0]


def mean(run, name):
    steps = RUNS[run]["gradient_steps"]
    return sum(step[name] for step in steps) / len(steps)


def test_a_whole_update(monkeypatch, tmp_path):
    run = "full_length"  # the other run of full length whitens rewards, which is an option of TRL alone
    row, trl = train_on(run, monkeypatch, tmp_path), RUNS[run]["objective"]
    close(row["policy/loss"], mean(run, "pg_loss"))
    close(row["value/loss"], mean(run, "vf_loss"))
    close(row["policy/loss"] + RUNS[run]["settings"]["value_coef"] * row["value/loss"], mean(run, "loss"))
    close(row["optim/grad_norm"], mean(run, "grad_norm_total"))
    close(row["policy/clip_fraction"], mean(run, "pg_clipfrac"))
    close(row["value/clip_fraction"], mean(run, "vf_clipfrac"))
    close(row["policy/entropy"], mean(run, "entropy"))
    close(row["kl/response"], trl["objective/kl"])
    close(row["reward/mean"], trl["objective/scores"])


def test_the_policy_part_of_an_update_with_responses_that_stop_early(monkeypatch, tmp_path):
    run = "stopped"
    # The value head is detached, so it can be left out: what remains is the policy's gradient.
    row, trl = train_on(run, monkeypatch, tmp_path, value_coef=0.0), RUNS[run]["objective"]
    close(row["policy/loss"], mean(run, "pg_loss"))
    close(row["optim/grad_norm"], mean(run, "grad_norm_policy"))
    close(row["policy/clip_fraction"], mean(run, "pg_clipfrac"))
    mask = rollout(run)[2]
    entropies = [
        ppo_math.masked_mean(under(f"{run}/step{n}/")["entropy"], mask[under(f"{run}/step{n}/")["rows"]])
        for n in range(len(RUNS[run]["gradient_steps"]))
    ]
    close(row["policy/entropy"], torch.stack(entropies).mean())
    close(row["kl/response"], trl["objective/kl"])
    close(row["reward/mean"], trl["objective/scores"])
    assert row["response/length"] == float(mask.sum(1).float().mean())
