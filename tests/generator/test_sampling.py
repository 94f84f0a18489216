"""The decode loop, the scoring pass and the output layer of responses agree with each other and with transformers."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import KINDS, tiny_model, tiny_tokenizer
from transformers import LogitsProcessorList, NoRepeatNGramLogitsProcessor

from autorefine_lib.errors import InputError
from autorefine_lib.generator.actor import ValueHead
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.prefill import response_head
from autorefine_lib.generator.prompts import encode
from autorefine_lib.generator.sampling import draw, sample
from autorefine_lib.generator.scoring import score

PROMPTS = ["w1 w2 w3 w4 w5 w6", "w7", "w8 w9 w10", "w11 w12"]


class Toy(Generator):
    """Reads the source as it is."""

    def prompt(self, source):
        return source


def drawn(model, temperature=1.0, value_head=None, seed=0, max_new_tokens=8):
    prompts = encode(tiny_tokenizer(), model, PROMPTS, max_new_tokens)
    uniforms = torch.rand(len(PROMPTS), max_new_tokens, generator=torch.Generator().manual_seed(seed))
    return prompts, sample(model, prompts, 1, 0, max_new_tokens, temperature, uniforms, value_head)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampled_logprobs_and_values_equal_recomputed_ones(kind, temperature):
    model = tiny_model(kind)
    value_head = ValueHead(model)
    torch.nn.init.normal_(value_head.out.weight)
    prompts, samples = drawn(model, temperature, value_head)
    with torch.no_grad():
        scores = score(model, prompts, samples.tokens, temperature, value_head)
    mask = samples.mask
    torch.testing.assert_close(scores.logprobs[mask], samples.logprobs[mask], atol=1e-4, rtol=0)
    torch.testing.assert_close(scores.values[mask], samples.values[mask], atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_finished_rows_stop_at_their_eos(kind):
    model, rows = tiny_model(kind), len(PROMPTS) * 10
    prompts = encode(tiny_tokenizer(), model, PROMPTS * 10, 12)
    uniforms = torch.rand(rows, 12, generator=torch.Generator().manual_seed(0))
    samples = sample(model, prompts, 1, 0, 12, 1.0, uniforms)
    assert samples.finished.any()
    for tokens, mask, finished in zip(samples.tokens, samples.mask, samples.finished, strict=True):
        length = int(mask.sum())
        assert mask[:length].all() and not tokens[length:].any()
        assert (tokens[:length] == 1).sum() == int(finished)
        assert not finished or tokens[length - 1] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_company_do_not_matter(kind):
    model = tiny_model(kind)
    prompts, samples = drawn(model)
    with torch.no_grad():
        for i in range(len(PROMPTS)):
            alone = encode(tiny_tokenizer(), model, PROMPTS[i : i + 1], 8)
            n = int(samples.mask[i].sum())
            logprobs = score(model, alone, samples.tokens[i : i + 1, :n]).logprobs[0]
            torch.testing.assert_close(logprobs, samples.logprobs[i, :n], atol=1e-4, rtol=0)
            trimmed = score(model, prompts.rows(torch.tensor([i])), samples.tokens[i : i + 1, :n]).logprobs[0]
            torch.testing.assert_close(trimmed, logprobs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_equals_transformers(kind):
    model, tokenizer = tiny_model(kind), tiny_tokenizer()
    prompts, samples = drawn(model, temperature=0.0)
    expected = model.generate(
        input_ids=prompts.input_ids, attention_mask=prompts.attention_mask, max_new_tokens=8, do_sample=False,
        eos_token_id=1, pad_token_id=0,
    )[:, prompts.input_ids.shape[1] :]  # fmt: skip
    assert torch.equal(samples.tokens, expected)
    texts = Toy(model, tokenizer, max_new_tokens=8).complete(PROMPTS, progress=False)
    assert texts == tokenizer.batch_decode(expected, skip_special_tokens=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_on_responses_equals_the_full_head(kind):
    model = tiny_model(kind)
    prompts, _ = drawn(model)
    inputs = {"input_ids": prompts.input_ids, "attention_mask": prompts.attention_mask}
    full = model(**inputs).logits
    full[:, -3:].square().mean().backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    with response_head(model, last=3) as features:
        cut = model(**inputs).logits
    torch.testing.assert_close(cut, full[:, -3:])
    assert features.hidden.shape[:2] == (4, 3)
    cut.square().mean().backward()
    for name, parameter in model.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model(**inputs).logits, full)


def test_the_head_on_responses_with_an_adapter_on_it():
    model = get_peft_model(tiny_model("llama"), LoraConfig(r=2, lora_alpha=4, target_modules=".*lm_head"))
    torch.nn.init.normal_(model.get_output_embeddings().lora_B["default"].weight)
    inputs = {"input_ids": torch.tensor([[3, 4, 5]])}
    full = model(**inputs).logits
    with response_head(model, last=2):
        torch.testing.assert_close(model(**inputs).logits, full[:, -2:])


def test_scores_of_the_whole_vocabulary_equal_log_softmax():
    model = tiny_model("llama")
    prompts = encode(tiny_tokenizer(), model, ["w1 w2"], 4)
    tokens = torch.tensor([[5, 6, 1]])
    with torch.no_grad():
        logp = model(torch.cat([prompts.input_ids, tokens], 1)).logits[:, 1:-1].log_softmax(-1)
        scores = score(model, prompts, tokens)
    torch.testing.assert_close(scores.logprobs, logp.gather(-1, tokens[..., None]).squeeze(-1))
    torch.testing.assert_close(scores.entropy, -(logp.exp() * logp).sum(-1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_logits_processor_sees_and_does_the_same_as_in_transformers(kind):
    model, tokenizer = tiny_model(kind), tiny_tokenizer()
    seen = []

    class Watch(NoRepeatNGramLogitsProcessor):
        def __call__(self, input_ids, scores):
            seen.append((input_ids, scores))
            return super().__call__(input_ids, scores)

    processors = LogitsProcessorList([Watch(1)])  # no token twice
    prompts = encode(tokenizer, model, PROMPTS, 8)
    ours = sample(model, prompts, 1, 0, 8, temperature=0.0, logits_processor=processors)
    ours_seen, seen[:] = list(seen), []
    theirs = model.generate(
        input_ids=prompts.input_ids, attention_mask=prompts.attention_mask, max_new_tokens=8, do_sample=False,
        eos_token_id=1, pad_token_id=0, logits_processor=processors,
    )  # fmt: skip
    assert torch.equal(ours.tokens, theirs[:, -ours.tokens.shape[1] :])
    for (written, scores), (their_written, their_scores) in zip(ours_seen, seen, strict=True):
        if len(written) == len(their_written):  # before the first finished rows are dropped
            assert torch.equal(written, their_written)
            torch.testing.assert_close(scores, their_scores, atol=1e-4, rtol=0)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_scores_that_are_not_finite_are_one_clear_error(temperature):
    model = tiny_model("llama")
    torch.nn.init.constant_(model.model.norm.weight, float("nan"))
    with pytest.raises(FloatingPointError, match="a sampled token has log-probability nan, .*; check the weights"):
        drawn(model, temperature)
    with pytest.raises(FloatingPointError, match="log-probability nan"):
        Toy(model, tiny_tokenizer(), max_new_tokens=8).complete(PROMPTS, temperature)


def test_encode_errors():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    with pytest.raises(InputError, match="70 tokens.*64"):
        encode(tokenizer, model, ["w1 " * 70], 4)
    with pytest.raises(InputError, match="prompt '' has no tokens"):
        encode(tokenizer, model, ["w1", ""], 4)
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="no eos_token"):
        encode(tokenizer, model, ["w1"], 4)


def test_drawn_tokens_invert_the_cumulated_probabilities():
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(64, 1000, generator=generator, dtype=torch.float64) ** 8
    weights[:, torch.randperm(1000, generator=generator)[:900]] = 0  # whole blocks may be without a token
    weights[:32, :300] = 0
    probabilities = (weights / weights.sum(1, keepdim=True)).float()
    uniforms = torch.rand(64, generator=generator)
    uniforms[:2] = torch.tensor([0.0, 1 - 2**-24])  # the smallest and the largest that torch.rand gives
    found = draw(probabilities, uniforms)
    cumulated = probabilities.double().cumsum(1)
    expected = torch.searchsorted(cumulated, uniforms.double()[:, None] * cumulated[:, -1:], right=True)
    assert torch.equal(found, expected)
    assert (probabilities.gather(1, found) > 0).all()
    assert torch.equal(draw(probabilities[5:6], uniforms[5:6]), found[5:6])


def test_a_token_without_probability_is_never_drawn_whatever_the_number():
    probabilities = torch.zeros(1000, 700)
    probabilities[:, [3, 300, 301, 650]] = torch.tensor([1e-30, 0.3, 0.7 - 1e-7, 1e-7])
    uniforms = torch.linspace(0, 1 - 2**-24, 1000)
    found = draw(probabilities, uniforms).squeeze(1)
    assert (probabilities[torch.arange(1000), found] > 0).all()
    assert (found == 300).float().mean() == pytest.approx(0.3, abs=0.002)
