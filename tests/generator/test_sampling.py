"""The decode loop, the scoring pass and the restricted output layer agree with each other and with transformers."""

import pytest
import torch
from tiny_models import KINDS, VOCAB, tiny_model, tiny_tokenizer
from transformers import LogitsProcessorList, NoRepeatNGramLogitsProcessor

from autorefine_lib.errors import InputError
from autorefine_lib.generator.actor import ValueHead, add_lora
from autorefine_lib.generator.sampling import generate, sample
from autorefine_lib.generator.scoring import encode, restricted_head, score

PROMPTS = ["w1 w2 w3 w4 w5 w6", "w7", "w8 w9 w10", "w11 w12"]


def vocabulary(prompts):
    """Each row may emit 12 tokens of its own choice; EOS (1) is not among them, it must be added."""
    generator = torch.Generator().manual_seed(len(prompts))
    allowed = torch.zeros(len(prompts), VOCAB, dtype=torch.bool)
    for row in allowed:
        row[3 + torch.randperm(20, generator=generator)[:12]] = True
    return allowed


def drawn(model, vocabulary=None, temperature=1.0, value_head=None, seed=0, max_new_tokens=8):
    prompts = encode(tiny_tokenizer(), model, PROMPTS, max_new_tokens, vocabulary)
    uniforms = torch.rand(len(PROMPTS), max_new_tokens, generator=torch.Generator().manual_seed(seed))
    return prompts, sample(model, prompts, 1, 0, max_new_tokens, temperature, uniforms, value_head)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("restriction", [None, vocabulary])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampled_logprobs_and_values_equal_recomputed_ones(kind, restriction, temperature):
    model = tiny_model(kind)
    value_head = ValueHead(model)
    torch.nn.init.normal_(value_head.out.weight)
    prompts, samples = drawn(model, restriction, temperature, value_head)
    with torch.no_grad():
        scores = score(model, prompts, samples.tokens, temperature, value_head)
    mask = samples.mask
    torch.testing.assert_close(scores.logprobs[mask], samples.logprobs[mask], atol=1e-4, rtol=0)
    torch.testing.assert_close(scores.values[mask], samples.values[mask], atol=1e-4, rtol=0)
    if restriction is not None:
        rows, times = mask.nonzero().T
        allowed = restriction(PROMPTS)
        allowed[:, 1] = True
        assert allowed[rows, samples.tokens[mask]].all()


@pytest.mark.parametrize("kind", KINDS)
def test_finished_rows_stop_at_their_eos(kind):
    samples = drawn(tiny_model(kind), lambda p: torch.eye(VOCAB, dtype=torch.bool)[[5, 6, 7, 8]], max_new_tokens=12)[1]
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
    start = {} if kind == "llama" else {"decoder_start_token_id": model.config.decoder_start_token_id}
    expected = model.generate(
        input_ids=prompts.input_ids, attention_mask=prompts.attention_mask, max_new_tokens=8, do_sample=False,
        eos_token_id=1, pad_token_id=0, **start,
    )  # fmt: skip
    expected = expected[:, prompts.input_ids.shape[1] :] if kind == "llama" else expected[:, 1:]
    assert torch.equal(samples.tokens, expected)
    texts = generate(model, tokenizer, PROMPTS, 8, batch_size=2)
    assert texts == tokenizer.batch_decode(expected, skip_special_tokens=True)


@pytest.mark.parametrize("kind", KINDS)
def test_restricted_head_equals_full_head(kind):
    model = tiny_model(kind)
    prompts, samples = drawn(model)
    ids = torch.tensor([1, 4, 9, 30])
    inputs = {"input_ids": prompts.input_ids, "attention_mask": prompts.attention_mask}
    if kind != "llama":
        inputs["decoder_input_ids"] = samples.tokens
    full = model(**inputs).logits
    full[:, -3:, ids].square().mean().backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    with restricted_head(model, ids, last=3) as features:
        cut = model(**inputs).logits
    torch.testing.assert_close(cut, full[:, -3:, ids])
    assert features.hidden.shape[:2] == (4, 3)
    cut.square().mean().backward()
    for name, parameter in model.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model(**inputs).logits, full)


def test_restricted_head_with_an_adapter_on_it():
    model = add_lora(tiny_model("llama"), 2, 4.0, ".*lm_head")
    torch.nn.init.normal_(model.get_output_embeddings().lora_B["default"].weight)
    ids = torch.tensor([3, 5])
    inputs = {"input_ids": torch.tensor([[3, 4, 5]])}
    full = model(**inputs).logits
    with restricted_head(model, ids, last=2):
        torch.testing.assert_close(model(**inputs).logits, full[:, -2:, ids])


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
    start = {} if kind == "llama" else {"decoder_start_token_id": model.config.decoder_start_token_id}
    theirs = model.generate(
        input_ids=prompts.input_ids, attention_mask=prompts.attention_mask, max_new_tokens=8, do_sample=False,
        eos_token_id=1, pad_token_id=0, logits_processor=processors, **start,
    )  # fmt: skip
    assert torch.equal(ours.tokens, theirs[:, -ours.tokens.shape[1] :])
    for (written, scores), (their_written, their_scores) in zip(ours_seen, seen, strict=True):
        if len(written) == len(their_written):  # before the first finished rows are dropped
            assert torch.equal(written, their_written)
            torch.testing.assert_close(scores, their_scores, atol=1e-4, rtol=0)


def test_a_logits_processor_sees_forbidden_tokens_at_minus_infinity():
    model, forced = tiny_model("t5"), 7

    def processor(written, scores):
        allowed = vocabulary(PROMPTS)
        allowed[:, 1] = True
        if len(scores) == len(PROMPTS):
            assert torch.equal(scores.isneginf(), ~allowed)
        return torch.full_like(scores, -torch.inf).index_fill(1, torch.tensor([1, forced]), 0.0)

    prompts = encode(tiny_tokenizer(), model, PROMPTS, 8, vocabulary)
    uniforms = torch.full((len(PROMPTS), 8), 0.7)  # the upper one of two equally likely tokens
    tokens = sample(model, prompts, 1, 0, 8, 1.0, uniforms, logits_processor=processor).tokens
    for row, may in zip(tokens, vocabulary(PROMPTS)[:, forced], strict=True):
        assert set(row.tolist()) <= ({0, 1, forced} if may else {0, 1})
    assert (tokens == forced).any()


@pytest.mark.parametrize("restriction", [None, vocabulary])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_scores_that_are_not_finite_are_one_clear_error(restriction, temperature):
    model = tiny_model("llama")
    torch.nn.init.constant_(model.model.norm.weight, float("nan"))
    with pytest.raises(FloatingPointError, match="a sampled token has log-probability nan, .*; check the weights"):
        drawn(model, restriction, temperature)
    with pytest.raises(FloatingPointError, match="log-probability nan"):
        generate(model, tiny_tokenizer(), PROMPTS, 8, temperature, restriction)


def test_encode_errors():
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    with pytest.raises(InputError, match="70 tokens.*64"):
        encode(tokenizer, model, ["w1 " * 70], 4)
    with pytest.raises(InputError, match="prompt '' has no tokens"):
        encode(tokenizer, model, ["w1", ""], 4)
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="no eos_token"):
        encode(tokenizer, model, ["w1"], 4)
