"""Weights that are cut up: in a group of one process, so that nothing has to be launched (see test_processes)."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from test_ppo import ten_words, trainer
from test_processes import COLUMNS, CONFIG
from tiny_models import tiny_model, tiny_tokenizer
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from autorefine_lib.generator.actor import Actor, blocks
from autorefine_lib.generator.scoring import ValueHead, encode, frozen_copy, score
from autorefine_lib.ppo import sharding

CPU = torch.device("cpu")
TOKENS = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]])


@pytest.fixture(autouse=True)
def group():
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def shared_blocks():
    """Encoder and decoder with the same attention and, but for one block, frozen: as the embedded generator is."""
    model = tiny_model("bert2bert")
    for ours, theirs in zip(model.decoder.bert.encoder.layer, model.encoder.encoder.layer, strict=True):
        ours.attention = theirs.attention
    model.encoder.embeddings.requires_grad_(False)
    model.encoder.encoder.layer[0].requires_grad_(False)
    return model


def scores(actor, model):
    return actor(score, encode(tiny_tokenizer(), model, ["w1 w2 w3", "w4"], 4), TOKENS)


@pytest.mark.parametrize("make, apart", [(lambda: tiny_model("llama"), True), (shared_blocks, False)])
def test_sharded_weights_give_the_same_scores_and_gradients(make, apart):
    def gradients(model, sharded):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            actor = Actor(model, ValueHead(model, detach=False))
        frozen = Actor(frozen_copy(model))
        if sharded:
            sharding.shard(actor, CPU)
            sharding.shard(frozen, CPU)
            assert [isinstance(block, FSDPModule) for block in blocks(actor)] == [apart] * len(blocks(actor))
            assert all(isinstance(parameter, DTensor) for parameter in actor.parameters())
        with torch.no_grad():
            reference = scores(frozen, model).logprobs
            with sharding.together(actor):
                assert not any(isinstance(parameter, DTensor) for parameter in actor.parameters())
                torch.testing.assert_close(scores(actor, model).logprobs, reference)
        result = scores(actor, model)
        (result.logprobs.mean() + result.values.mean()).backward()
        trained = {name: p for name, p in actor.named_parameters() if p.grad is not None}
        return reference, {name: sharding.whole(p.grad) for name, p in trained.items()}

    plain, parts = gradients(make(), False), gradients(make(), True)
    torch.testing.assert_close(parts, plain)


def test_whole_and_cut_as_undo_each_other():
    model = tiny_model("llama")
    model.lm_head.weight = model.model.embed_tokens.weight
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert sharding.whole_state(model) is None
    sharding.shard(model, CPU)
    state = sharding.whole_state(model)
    torch.testing.assert_close(state, expected, rtol=0, atol=0)
    assert state["lm_head.weight"] is state["model.embed_tokens.weight"]
    place = model.lm_head.weight
    part = sharding.cut_as(expected["lm_head.weight"], place)
    assert isinstance(part, DTensor) and torch.equal(sharding.whole(part), sharding.whole(place))
    assert sharding.cut_as(TOKENS, TOKENS) is TOKENS


def test_adapters_are_still_trained_after_the_reference_has_switched_them_off(tmp_path, monkeypatch):
    config = replace(CONFIG, lora_rank=4)
    plain = trainer(tmp_path / "plain", "bert2bert", config, vocabulary=ten_words).train()
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    made = trainer(tmp_path / "sharded", "bert2bert", config, vocabulary=ten_words)
    log = made.train()
    assert all(parameter.requires_grad for parameter in made.parameters)
    pd.testing.assert_frame_equal(log.filter(regex=COLUMNS), plain.filter(regex=COLUMNS), atol=1e-4, rtol=1e-4)
