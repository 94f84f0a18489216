"""Compiled and checkpointed passes give the numbers of plain ones."""

import shutil

import pytest
import torch
from tiny_models import KINDS, tiny_model, tiny_tokenizer

from autorefine_lib.generator.actor import Actor, blocks, checkpointed, compile_blocks, uncompiled
from autorefine_lib.generator.sampling import sample
from autorefine_lib.generator.scoring import ValueHead, encode, score

TOKENS = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]])


def gradients(model) -> dict[str, torch.Tensor]:
    """Of the mean log-probability, through an Actor."""
    model.zero_grad()
    prompts = encode(tiny_tokenizer(), model, ["w1 w2 w3", "w4"], 4)
    scores = Actor(model, ValueHead(model))(score, prompts, TOKENS)
    scores.logprobs.mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", KINDS)
def test_checkpointing_computes_blocks_twice_and_changes_no_gradient(kind):
    model = tiny_model(kind)
    plain, calls = gradients(model), []
    for block in blocks(model):
        next(m for m in block.modules() if isinstance(m, torch.nn.Linear)).register_forward_hook(
            lambda *unused: calls.append(1)
        )
    gradients(model)
    once = len(calls)
    with checkpointed(model):
        again = gradients(model)
    assert once == len(blocks(model)) and len(calls) == 3 * once
    assert not any("forward" in vars(block) for block in blocks(model))
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compiled_blocks_give_the_same_gradients_and_samples():
    model = tiny_model("llama")
    plain = gradients(model)
    prompts = encode(tiny_tokenizer(), model, ["w1 w2 w3", "w4"], 4)
    uniforms = torch.rand(2, 4, generator=torch.Generator().manual_seed(0))
    before = sample(model, prompts, 1, 0, 4, uniforms=uniforms)
    compile_blocks(model)
    compiled = gradients(model)
    for name, gradient in compiled.items():
        torch.testing.assert_close(gradient, plain[name], atol=1e-6, rtol=1e-4)
    with uncompiled():
        after = sample(model, prompts, 1, 0, 4, uniforms=uniforms)
    assert torch.equal(before.logprobs, after.logprobs)
