"""Prompts that are read together say what prompts read one by one say, and gradients are those of a full pass."""

import pytest
import torch
from tiny_models import KINDS, tiny_model, tiny_tokenizer

from autorefine_lib.generator.actor import add_lora
from autorefine_lib.generator.prefill import prefill
from autorefine_lib.generator.prompts import encode
from autorefine_lib.generator.scoring import score

SHARED = ["w1 w2 w3 w4", "w1 w2 w3 w4", "w1 w2 w5", "w1 w2 w6 w7 w8"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompts", [SHARED, ["w1 w2 w3"] * 3, ["w1", "w1 w2"], ["w1", "w2"], ["w1", "w2 w3 w4"]])
def test_scores_and_gradients_are_those_of_rows_alone(kind, prompts):
    model, tokenizer = add_lora(tiny_model(kind), 2, 4.0), tiny_tokenizer()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    tokens = torch.randint(3, 30, (len(prompts), 5), generator=torch.Generator().manual_seed(0))
    scored = score(model, encode(tokenizer, model, prompts, 5), tokens).logprobs
    scored.square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    alone = [score(model, encode(tokenizer, model, [p], 5), t[None]) for p, t in zip(prompts, tokens, strict=True)]
    alone = torch.cat([part.logprobs for part in alone])
    torch.testing.assert_close(scored, alone, atol=1e-5, rtol=1e-5)
    alone.square().sum().backward()
    for name, parameter in model.named_parameters():
        if name in gradients:
            torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-4, rtol=1e-3, msg=name)
    # And those of one pass without a cache.
    ids = torch.tensor([tokenizer(prompts[0]).input_ids + tokens[0].tolist()])
    full = model(ids).logits[0, -6:-1].log_softmax(-1).gather(-1, tokens[0][:, None])[:, 0]
    torch.testing.assert_close(scored[0], full, atol=1e-5, rtol=1e-5)


def test_what_is_shared_is_read_once():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    sizes = []
    model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    start = prefill(model, encode(tokenizer, model, SHARED, 5))
    assert sizes == [(1, 2), (3, 2)]  # w1 w2; of three different prompts what is left but their last tokens
    assert start.inputs.tolist() == [[7], [7], [8], [11]]
    assert start.mask.sum(1).tolist() == [4, 4, 3, 5]
