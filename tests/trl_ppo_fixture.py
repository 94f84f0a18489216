"""Record what TRL 1.12.0's PPOTrainer computes, as the fixture that `test_trl_ppo.py` compares this project's PPO with.

TRL removed PPO in 1.13, so this needs an environment of its own:

    python -m venv trl112
    trl112/bin/pip install torch==2.13.0 transformers==5.23.0 trl==1.12.0
    trl112/bin/python tests/trl_ppo_fixture.py

It runs TRL's own `train` on a tiny Llama, one rollout a configuration, and reads the local variables of that function
after each gradient step; the gradients are read before the optimiser uses them. No arithmetic of TRL is repeated or
replaced. `fixtures/trl_ppo.safetensors` gets the weights and the tensors of each token, `fixtures/trl_ppo.json` the
settings, under this project's names, and the numbers of each gradient step.

Two choices let both sides express the same run. TRL's value model has the policy's own trunk as its backbone, as this
project's value head has (TRL then evaluates the trunk twice). The reference is the policy with noise, so that the KL
penalty is not 0. With the chosen seeds no padding token is sampled, which TRL would take for the end of a response.
"""

import copy
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
import transformers
import trl
from datasets import Dataset
from safetensors.torch import save_file
from tiny_models import VOCAB, tiny_model, tiny_tokenizer
from torch import nn
from transformers.utils import ModelOutput
from trl.experimental.ppo import PPOConfig, PPOTrainer

FIXTURES = Path(__file__).parent / "fixtures"
# This project's name of each setting, and TRL's.
NAMES = {
    "batch_size": "per_device_train_batch_size",
    "minibatches": "num_mini_batches",
    "epochs": "num_ppo_epochs",
    "max_new_tokens": "response_length",
    "learning_rate": "learning_rate",
    "temperature": "temperature",
    "kl_coef": "kl_coef",
    "gamma": "gamma",
    "lam": "lam",
    "clip_ratio": "cliprange",
    "clip_value": "cliprange_value",
    "value_coef": "vf_coef",
    "whiten_rewards": "whiten_rewards",
    "missing_eos_penalty": "missing_eos_penalty",
    "seed": "seed",
}
BASE = dict(
    batch_size=8, minibatches=1, epochs=4, max_new_tokens=10, learning_rate=3e-3, temperature=1.0, kl_coef=0.05,
    gamma=1.0, lam=0.95, clip_ratio=0.2, clip_value=0.2, value_coef=0.1, whiten_rewards=False, missing_eos_penalty=0.0,
    seed=2,
)  # fmt: skip
RUNS = {
    "full_length": BASE | dict(stop=False, detach_value=True),
    "whitened": BASE | dict(
        stop=False, detach_value=False, epochs=3, temperature=0.7, kl_coef=0.2, gamma=0.98, lam=0.9, clip_ratio=0.1,
        clip_value=0.05, value_coef=0.5, whiten_rewards=True,
    ),
    "stopped": BASE | dict(stop=True, detach_value=True, lam=1.0, missing_eos_penalty=1.0),
    "stopped_minibatches": BASE | dict(
        stop=True, detach_value=True, batch_size=16, minibatches=2, epochs=2, kl_coef=0.2, gamma=0.98, lam=0.9,
        clip_ratio=0.1, clip_value=0.05, whiten_rewards=True, missing_eos_penalty=0.5, seed=4,
    ),
}  # fmt: skip
PER_STEP = ("pg_loss", "vf_loss", "loss", "pg_clipfrac", "vf_clipfrac", "approxkl")


class ValueHead(nn.Module):
    """The value head of `generator.actor` as TRL wants one: `[batch, time, width]` -> `[batch, time, 1]`."""

    def __init__(self, width: int, detach: bool):
        super().__init__()
        self.hidden, self.out, self.detach = nn.Linear(width, width), nn.Linear(width, 1), detach

    def forward(self, hidden):
        return self.out(torch.tanh(self.hidden(hidden.detach() if self.detach else hidden)))


class ValueModel(nn.Module):
    """A value model on the policy's own trunk."""

    base_model_prefix = "trunk"

    def __init__(self, policy: nn.Module, detach: bool):
        super().__init__()
        self.trunk, self.score = policy.model, ValueHead(policy.config.hidden_size, detach)


class RunningSum(nn.Module):
    """A weight for every token of the vocabulary, summed up to each place."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.randn(VOCAB))

    def forward(self, input_ids, **_):
        return ModelOutput(hidden_states=[self.weights[input_ids].cumsum(1)[..., None] / 5])


class RewardModel(nn.Module):
    """TRL takes the output at the last token of the response for its reward."""

    base_model_prefix = "sum"

    def __init__(self):
        super().__init__()
        self.sum, self.score = RunningSum(), nn.Identity()


def train_locals() -> dict:
    """The local variables of TRL's `train`, which has called us."""
    frame = sys._getframe()
    while frame.f_code is not PPOTrainer.train.__code__:
        frame = frame.f_back
    return frame.f_locals


def record(name: str, settings: dict) -> tuple[dict[str, torch.Tensor], dict]:
    """Run one step of TRL's trainer; returns its tensors and its numbers."""
    transformers.set_seed(0)
    policy, tokenizer = tiny_model("llama"), tiny_tokenizer()
    with torch.no_grad():
        policy.lm_head.weight[tokenizer.eos_token_id] *= 3  # responses that stop early
    reference = copy.deepcopy(policy)
    for parameter in reference.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    value, reward = ValueModel(policy, settings["detach_value"]), RewardModel()
    nn.init.normal_(value.score.out.weight, std=0.5)
    tokenizer.padding_side = "left"
    lengths = [3 + row % 4 for row in range(settings["batch_size"])]
    prompts = Dataset.from_dict({"input_ids": [torch.randint(3, VOCAB, (n,)).tolist() for n in lengths]})
    models = {"policy": policy, "reference": reference, "value_head": value.score}
    tensors = {f"{model}/{n}": p.detach().clone() for model, m in models.items() for n, p in m.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        trainer = PPOTrainer(
            args=PPOConfig(
                output_dir=folder, total_episodes=settings["batch_size"], adam_epsilon=1e-5, use_cpu=True, bf16=False,
                local_rollout_forward_batch_size=settings["batch_size"], num_sample_generations=0, report_to=[],
                save_strategy="no", disable_tqdm=True, stop_token="eos" if settings["stop"] else None,
                **{theirs: settings[ours] for ours, theirs in NAMES.items()},
            ),
            processing_class=tokenizer, model=policy, ref_model=reference, reward_model=reward, value_model=value,
            train_dataset=prompts, eval_dataset=prompts,
        )  # fmt: skip
        steps: list[dict] = []

        def norms(*_) -> None:
            parts = {"policy": policy.parameters(), "value_head": value.score.parameters()}
            grads = {part: [p.grad for p in parameters] for part, parameters in parts.items()}
            grads["total"] = grads["policy"] + grads["value_head"]
            steps.append({f"grad_norm_{part}": float(nn.utils.get_total_norm(g)) for part, g in grads.items()})

        trainer.optimizer.optimizer.register_step_pre_hook(norms)
        accumulate = trainer.accelerator.accumulate

        @contextmanager
        def recorded(model: nn.Module) -> Iterator[None]:
            # TRL deletes its variables soon after; when this block of its loop ends they are all there.
            with accumulate(model):
                yield
            found, place = train_locals(), f"step{len(steps) - 1}"
            steps[-1] |= {key: found[key].item() for key in PER_STEP}
            steps[-1] |= {"entropy": found["entropy"].mean().item(), "ratio": found["ratio"].mean().item()}
            tensors[f"{place}/rows"] = torch.tensor(found["micro_batch_inds"])
            for key in ("new_logprobs", "vpred", "entropy"):
                tensors[f"{place}/{key}"] = found[key].detach().clone()
            if len(steps) == 1:
                for key in ("queries", "responses", "logprobs", "ref_logprobs", "values", "sequence_lengths", "scores",
                            "rewards", "advantages", "returns"):  # fmt: skip
                    tensors[key] = found[key].clone()

        trainer.accelerator.accumulate = recorded
        trainer.train()
    tensors = {f"{name}/{key}": tensor.contiguous() for key, tensor in tensors.items()}
    return tensors, {"settings": settings, "objective": trainer.state.log_history[-1], "gradient_steps": steps}


def main() -> None:
    tensors, numbers = {}, {}
    for name, settings in RUNS.items():
        found, numbers[name] = record(name, settings)
        tensors |= found
    # The runs start from the same weights.
    first = {key.split("/", 1)[1]: t for key, t in tensors.items() if key.startswith("full_length/")}
    for key in [k for k in tensors if k.split("/")[1] in ("policy", "reference", "value_head")]:
        assert torch.equal(tensors[key], first[key.split("/", 1)[1]]), key
        tensors[key.split("/", 1)[1]] = tensors.pop(key)
    versions = {module.__name__: module.__version__ for module in (trl, torch, transformers)}
    FIXTURES.mkdir(exist_ok=True)
    save_file(tensors, FIXTURES / "trl_ppo.safetensors")
    (FIXTURES / "trl_ppo.json").write_text(json.dumps({"versions": versions, "runs": numbers}, indent=1) + "\n")


if __name__ == "__main__":
    main()
