"""What a trainer adds to a model: a value head that starts at 0, and a reference that does not move."""

import pytest
import torch
from tiny_models import KINDS, tiny_model, tiny_tokenizer

from autorefine_lib.generator.actor import ValueHead, add_lora, frozen_copy, reference_model
from autorefine_lib.generator.prompts import encode
from autorefine_lib.generator.scoring import score

TOKENS = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]])


@pytest.mark.parametrize("kind", KINDS)
def test_the_value_loss_trains_the_head_and_not_the_trunk(kind):
    model = tiny_model(kind)
    head = ValueHead(model)
    prompts = encode(tiny_tokenizer(), model, ["w1 w2 w3", "w4"], 4)
    scores = score(model, prompts, TOKENS, 1.0, head)
    assert scores.values.shape == TOKENS.shape and torch.equal(scores.values, torch.zeros(2, 4))
    ((scores.values - 1) ** 2).sum().backward()
    assert head.out.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("lora", [False, True])
def test_the_reference_is_the_model_before_training(lora):
    model = tiny_model("llama")
    prompts = encode(tiny_tokenizer(), model, ["w1 w2 w3", "w4"], 4)
    before = score(model, prompts, TOKENS).logprobs.detach()
    model = add_lora(model, 4, 32.0) if lora else model
    frozen = frozen_copy(model)
    assert (frozen is None) == lora
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
        with reference_model(model, frozen) as reference:
            assert torch.equal(score(reference, prompts, TOKENS).logprobs, before)
        assert not torch.allclose(score(model, prompts, TOKENS).logprobs, before)
