"""Heads learn from offline data which tokens pay, and perturb the scores of a model that stays as it is."""

import math

import pandas as pd
import pytest
import torch
from tiny_models import KINDS, VOCAB, tiny_model, tiny_tokenizer
from torch import nn

from autorefine_lib.errors import InputError
from autorefine_lib.generator import pretrained
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.prompts import encode
from autorefine_lib.generator.sampling import sample
from autorefine_lib.ilql import ilql

PROMPTS = ["w1 w2 w3 w4", "w5 w6", "w7 w8 w9"] * 100
GOOD, BAD = 9, 10
CONFIG = ilql.ILQLConfig(steps=150, batch_size=64, learning_rate=5e-3, polyak=0.1, cql_weight=0.05)


class Toy(Generator):
    """Reads the source as it is."""

    def prompt(self, source):
        return source


def toy(kind: str) -> Toy:
    return Toy(tiny_model(kind), tiny_tokenizer(), "ad", max_new_tokens=6)


def earned(tokens) -> list[float]:
    """The known reward: good tokens less bad ones."""
    return [float((row == GOOD).sum() - (row == BAD).sum()) for row in tokens]


def draw(generator: Toy, seed: int = 0, temperature: float = 1.0):
    prompts = encode(generator.tokenizer, generator.model, PROMPTS, 6)
    uniforms = torch.rand(len(PROMPTS), 6, generator=torch.Generator().manual_seed(seed))
    return sample(generator.model, prompts, 1, 0, 6, temperature, uniforms, logits_processor=generator.logits_processor)


def offline_data(generator: Toy) -> pd.DataFrame:
    samples = draw(generator, seed=7)
    tokens = [row[mask].tolist() for row, mask in zip(samples.tokens, samples.mask, strict=True)]
    return pd.DataFrame({"prompt": PROMPTS, "tokens": tokens, "reward": earned(samples.tokens)})


def random_heads(model) -> ilql.ILQLHeads:
    heads = ilql.ILQLHeads(model)
    torch.manual_seed(1)
    for parameter in heads.parameters():
        nn.init.normal_(parameter)
    return heads


def test_expectile_loss():
    errors = torch.tensor([2.0, -2.0, 0.0])
    torch.testing.assert_close(ilql.expectile_loss(errors, 0.7), torch.tensor([2.8, 1.2, 0.0]))


def test_the_expectile_of_two_values_is_where_the_weighted_errors_meet():
    v = torch.zeros(1, requires_grad=True)
    ilql.expectile_loss(torch.tensor([0.0, 1.0]) - v, 0.7).sum().backward()
    assert v.grad < 0  # at 0 it rises
    with torch.no_grad():
        v.fill_(0.7)  # 0.3 * 0.7 = 0.7 * 0.3
    v.grad = None
    ilql.expectile_loss(torch.tensor([0.0, 1.0]) - v, 0.7).sum().backward()
    assert abs(float(v.grad)) < 1e-6


def test_polyak_update():
    target, online = nn.Linear(1, 1), nn.Linear(1, 1)
    for module, value in ((target, 1.0), (online, 3.0)):
        nn.init.constant_(module.weight, value)
        nn.init.constant_(module.bias, -value)
    ilql.polyak_update(target, online, 0.25)
    assert (target.weight.item(), target.bias.item(), online.weight.item()) == (1.5, -1.5, 3.0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_perturbed_policy_earns_more_and_the_trunk_stays(kind):
    generator = toy(kind)
    before = {name: value.clone() for name, value in generator.model.state_dict().items()}
    data = offline_data(generator)
    episodes = ilql.episodes(generator, data)
    assert [len(row) for row in episodes.hidden] == data["tokens"].str.len().tolist()
    heads, log = ilql.train(generator.model, episodes, CONFIG)
    assert len(log) == CONFIG.steps
    assert log["loss/q"].iloc[-20:].mean() < 0.9 * log["loss/q"].iloc[:20].mean()
    advantage = heads.advantage(torch.cat(episodes.hidden), torch.tensor([GOOD, BAD])).mean(0)
    assert advantage[0] > advantage[1] + 0.5
    plain = sum(earned(draw(generator).tokens)) / len(PROMPTS)
    ilql.perturb(generator, heads, 4.0)
    perturbed = draw(generator)
    assert sum(earned(perturbed.tokens)) / len(PROMPTS) > plain + 0.5
    assert all(torch.equal(value, before[name]) for name, value in generator.model.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_beta_zero_leaves_the_distribution_bit_for_bit(kind):
    generator = toy(kind)
    plain = draw(generator)
    processor = ilql.perturb(generator, random_heads(generator.model), 0.0)
    same = draw(generator)
    assert torch.equal(plain.tokens, same.tokens) and torch.equal(plain.logprobs, same.logprobs)
    processor.beta = 5.0
    assert not torch.equal(draw(generator).tokens, plain.tokens)


def test_the_scores_are_perturbed_by_beta_times_the_advantage():
    model = tiny_model("llama")
    heads = random_heads(model)
    processor = ilql.ILQLProcessor(model, heads, 2.0, support=0.0)
    with torch.no_grad():
        output = model(torch.tensor([[3, 4, 5]]), output_hidden_states=True)
        hidden, scores = output.hidden_states[-1][:, -1], output.logits[:, -1].clone()
        scores[:, 7] = -torch.inf
        rows = model.lm_head.weight
        q = torch.minimum(*(head(hidden) @ rows.T for head in heads.q))
        expected = scores + 2 * (q - heads.v(hidden)[:, None])
        torch.testing.assert_close(processor(torch.tensor([[3, 4, 5]]), scores), expected, rtol=1e-4, atol=1e-4)
    assert expected[0, 7] == -torch.inf


@pytest.mark.parametrize("kind", KINDS)
def test_plain_generate_takes_the_processor_too(kind):
    generator = toy(kind)
    model = generator.model
    plain = draw(generator, temperature=0.0)
    processor = ilql.perturb(generator, random_heads(model), 1.0)
    ours = draw(generator, temperature=0.0).tokens
    assert not torch.equal(ours, plain.tokens)
    prompts = encode(generator.tokenizer, model, PROMPTS, 6)
    theirs = model.generate(
        input_ids=prompts.input_ids, attention_mask=prompts.attention_mask, max_new_tokens=6, do_sample=False,
        eos_token_id=1, pad_token_id=0, logits_processor=generator.logits_processor,
    )  # fmt: skip
    assert torch.equal(theirs[:, -ours.shape[1] :], ours)
    again = ilql.perturb(generator, processor.heads, 1.0)
    assert torch.equal(draw(generator, temperature=0.0).tokens, ours), "the former one is gone"
    again.hook.remove()
    generator.logits_processor = None
    assert torch.equal(draw(generator, temperature=0.0).tokens, plain.tokens)
    assert not model.get_output_embeddings()._forward_pre_hooks


def test_heads_come_back_from_disk(tmp_path):
    generator = toy("gpt2")
    pretrained.save(generator, tmp_path)
    saved = ilql.perturb(generator, random_heads(generator.model), 1.5, 0.02)
    first = draw(generator)
    ilql.save(saved, tmp_path)
    assert (tmp_path / "heads.safetensors").stat().st_size < 30_000, "the output embedding is not saved again"
    [again] = (loaded := ilql.load_policy(tmp_path)).logits_processor
    assert (again.beta, again.support) == (1.5, 0.02)
    second = draw(loaded)
    assert torch.equal(first.tokens, second.tokens) and torch.equal(first.logprobs, second.logprobs)


def test_a_saved_policy_rewrites_with_its_perturbation(tmp_path):
    generator = Generator(tiny_model("llama"), tiny_tokenizer(), "ad", 6, instruction="w1")
    plain = generator.complete(PROMPTS[:3], progress=False)
    pretrained.save(generator, tmp_path)
    ilql.save(ilql.perturb(generator, random_heads(generator.model), 4.0), tmp_path)
    loaded = ilql.load_policy(tmp_path)
    assert loaded.complete(PROMPTS[:3], progress=False) == generator.complete(PROMPTS[:3], progress=False) != plain


def test_unlikely_tokens_are_perturbed_as_the_worst_of_the_likely_ones():
    model = tiny_model("llama")
    heads = random_heads(model)
    processor, free = (ilql.ILQLProcessor(model, heads, 1.0, support) for support in (0.1, 0.0))
    model(torch.tensor([[3, 4, 5]]))
    scores = torch.full((1, VOCAB), -9.0).index_fill(1, torch.tensor([4, 5, 6]), 0.0)
    advantage = free(None, scores) - scores
    expected = torch.full((1, VOCAB), float(advantage[0, 4:7].min()))
    expected[0, 4:7] = advantage[0, 4:7]
    torch.testing.assert_close(processor(None, scores) - scores, expected)
    assert advantage.max() > expected.max(), "a token that the model finds unlikely had the highest value"


@pytest.mark.parametrize("beta", [-1.0, math.nan, math.inf])
def test_a_bad_beta_is_one_clear_error(beta):
    model = tiny_model("gpt2")
    with pytest.raises(InputError, match="beta=.* is not a finite number"):
        ilql.ILQLProcessor(model, ilql.ILQLHeads(model), beta)


def test_a_loss_that_is_not_finite_stops_the_training():
    generator = toy("gpt2")
    episodes = ilql.episodes(generator, offline_data(generator)[:8])
    episodes.hidden[0][:] = math.nan
    with pytest.raises(FloatingPointError, match="step 1: .*lower learning_rate"):
        ilql.train(generator.model, episodes, ilql.ILQLConfig(steps=3, batch_size=64))
