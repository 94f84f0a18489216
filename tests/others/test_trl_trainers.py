"""TRL's trainers see the distribution that PPO samples and scores: the same tokens, the same log-probabilities."""

import pytest
import torch
from datasets import Dataset
from tiny_models import KINDS, tiny_model, tiny_tokenizer
from trl import GRPOConfig, RLOOConfig

from autorefine_lib.generator.actor import add_lora
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.prompts import encode
from autorefine_lib.generator.sampling import sample
from autorefine_lib.generator.scoring import score
from autorefine_lib.others.trl_trainers import GRPO, RLOO, SharedPolicy

PROMPTS = ["w3 w4 w5", "w6", "w7 w8 w9 w10 w3", "w5 w11"]
LENGTH = 6
CONFIGS = {GRPO: GRPOConfig, RLOO: RLOOConfig}


def trainer(kind: str, cls: type = GRPO, lora: bool = False, **options) -> SharedPolicy:
    config = CONFIGS[cls](
        "unused", per_device_train_batch_size=4, num_generations=2, max_completion_length=LENGTH, temperature=0.7,
        bf16=False, gradient_checkpointing=False, save_strategy="no", report_to="none", seed=3,
        **{"beta": 0.1} | options,
    )  # fmt: skip
    model = tiny_model(kind)
    writer = Generator(add_lora(model, 2, 8.0) if lora else model, tiny_tokenizer())
    data = Dataset.from_dict({"prompt": PROMPTS})
    return cls(writer, lambda completions, **_: [0.0] * len(completions), data, config)


def rollout(made: SharedPolicy) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Ids and mask as TRL lays them out: prompts padded on the left, completions on the right."""
    prompt_ids, _, _ = made._tokenize_prompts(PROMPTS)
    completions = made._generate_single_turn(prompt_ids, None, {}, 1)
    completions = completions[0] if isinstance(completions, tuple) else completions
    widest, longest = max(map(len, prompt_ids)), max(map(len, completions))
    rows = [
        [0] * (widest - len(p)) + p + c + [0] * (longest - len(c)) for p, c in zip(prompt_ids, completions, strict=True)
    ]
    mask = [
        [0] * (widest - len(p)) + [1] * len(p + c) + [0] * (longest - len(c))
        for p, c in zip(prompt_ids, completions, strict=True)
    ]
    return torch.tensor(rows), torch.tensor(mask), longest


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", [GRPO, RLOO])
def test_samples_are_those_of_rollout(kind: str, cls: type):
    made = trainer(kind, cls)
    prompt_ids, _, _ = made._tokenize_prompts(PROMPTS)
    found = made._generate_single_turn(prompt_ids, None, {}, 1)
    prompts = encode(tiny_tokenizer(), made.model, PROMPTS, LENGTH)
    samples = sample(
        made.model, prompts, 1, 0, LENGTH, 0.7, torch.rand(4, LENGTH, generator=torch.Generator().manual_seed(3))
    )
    expected = [row[mask].tolist() for row, mask in zip(samples.tokens, samples.mask, strict=True)]
    assert (found[0] if cls is GRPO else found) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", [GRPO, RLOO])
def test_log_probabilities_are_those_of_score(kind: str, cls: type):
    made = trainer(kind, cls)
    ids, mask, keep = rollout(made)
    made.model.train()
    logprobs, entropy, _ = made._get_per_token_logps_and_entropies(
        made.model, ids, mask, keep, batch_size=3, compute_entropy=True
    )
    assert made.model.training, "TRL takes its mode from the model"
    made.model.eval()
    scores = score(made.model, encode(tiny_tokenizer(), made.model, PROMPTS, LENGTH), ids[:, -keep:], 0.7)
    real = mask[:, -keep:].bool()
    torch.testing.assert_close(logprobs[real], scores.logprobs[real], atol=1e-5, rtol=0)
    torch.testing.assert_close(entropy[real], scores.entropy[real], atol=1e-5, rtol=0)
    logprobs[real].sum().backward()
    moved = [p for p in made.model.parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    assert len(moved) > 10, "gradients reach the weights"


@pytest.mark.parametrize("lora", [False, True])
def test_the_reference_stays_as_it_was(lora: bool):
    made = trainer("llama", RLOO, lora)
    ids, mask, keep = rollout(made)
    arguments = (ids, mask, keep)
    before = made._get_per_token_logps_and_entropies(made.model, *arguments)[0].detach()
    with torch.no_grad():
        for name, parameter in made.model.named_parameters():
            if parameter.requires_grad and (not lora or ".default." in name):
                parameter.add_(0.1 * torch.randn_like(parameter))
    after = made._get_per_token_logps_and_entropies(made.model, *arguments)[0].detach()
    assert (after - before).abs().max() > 0.01
    if lora:
        assert made.ref_model is None
        made.model.set_adapter("ref")
        reference = made._get_per_token_logps_and_entropies(made.model, *arguments)[0].detach()
    else:
        reference = made._get_per_token_logps_and_entropies(made.ref_model, *arguments)[0].detach()
        assert not any(parameter.requires_grad for parameter in made.ref_model.parameters())
    torch.testing.assert_close(reference, before, atol=1e-6, rtol=0)


def test_without_a_penalty_there_is_no_second_model():
    assert trainer("llama", beta=0.0).ref_model is None
