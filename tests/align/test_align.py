"""Alignment trains each kind of generator, over the allowed tokens only, and reports on it honestly."""

import pytest
import torch
from datasets import Dataset
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib.align import align
from autorefine_lib.align.pairs import alignment_pairs
from autorefine_lib.generator.generator import Generator

PAIRS = Dataset.from_dict({"source": ["w1 w2 w3 w4 w5"] * 16, "target": ["w1 w2 w9 w4 w5"] * 16})
CHAT = "{% for m in messages %}w7 {{ m['content'] }} {% endfor %}w8 "


def generator_of(kind: str, level: str = "sentence") -> Generator:
    tokenizer = tiny_tokenizer()
    if kind == "llama":
        tokenizer.chat_template = CHAT
    return Generator(tiny_model(kind), tokenizer, level, max_new_tokens=8)


@pytest.mark.parametrize("kind", ["t5", "bert2bert", "llama"])
def test_alignment_moves_the_weights_and_lowers_the_loss(kind, tmp_path):
    generator = generator_of(kind)
    if kind == "llama":  # the instruction's words are unknown to the tiny tokenizer, and longer than its context
        generator.prompt = lambda source: CHAT.split("{")[0] + source + " w8"
    before = {name: p.detach().clone() for name, p in generator.model.named_parameters()}
    log = align.align(generator, PAIRS, align.AlignConfig(10, 4, 5e-3, bf16=False), tmp_path)
    assert log["loss"].iloc[-1] < log["loss"].iloc[0] - 0.2
    moved = [name for name, p in generator.model.named_parameters() if not torch.equal(p, before[name])]
    assert len(moved) > len(before) / 2
    assert not generator.model.training


def test_weights_loaded_in_bfloat16_are_trained_in_float32(tmp_path):
    generator = generator_of("t5")
    generator.model.bfloat16()
    align.align(generator, PAIRS, align.AlignConfig(1, 4, bf16=False), tmp_path)
    assert {parameter.dtype for parameter in generator.model.parameters()} == {torch.float32}


def test_the_loss_is_over_the_allowed_tokens_only(tmp_path):
    generator = generator_of("bert2bert")
    collate = align._Collator(generator.tokenizer, 2, lambda prompts: torch.eye(32, dtype=torch.bool)[: len(prompts)])
    batch = collate([{"input_ids": [3, 4], "labels": [5, 1], "prompt": "w0 w1"}])
    assert batch["decoder_input_ids"].tolist() == [[2, 5]]
    assert batch["allowed"].nonzero()[:, 1].tolist() == [0, 1, 5]  # row 0 of eye, and what the target needs
    logits = generator.model(
        batch["input_ids"], batch["attention_mask"], decoder_input_ids=batch["decoder_input_ids"]
    ).logits.detach()[0]
    expected = -torch.log_softmax(logits[:, [0, 1, 5]], -1)[[0, 1], [2, 1]].mean()
    loss = align._PairTrainer.compute_loss(None, generator.model, dict(batch))
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_pairs_by_level():
    jobs = Dataset.from_dict({"text": ["We want a strong communicator here.", "Lead a team of 5 in Rome."]})
    sentences = align.pairs(generator_of("bert2bert"), jobs, 50)
    assert len(sentences) == 50 and list(sentences["source"]) == list(alignment_pairs(n=50)["source"])
    whole = align.pairs(generator_of("t5", level="ad"), jobs, 5)
    assert list(whole["source"]) == [jobs["text"][i % 2] for i in range(5)]
    assert any(a != b for a, b in zip(whole["source"], whole["target"], strict=True))


def test_evaluate_counts_clean_unchanged_and_replaced(monkeypatch):
    generator = generator_of("t5")
    generator.uncased = False  # the tiny tokenizer knows no English word in either case
    answers = {
        "We want a strong communicator here.": "We want a warm communicator here.",
        "You need 5 years as a natural leader.": "You need years as a natural leader.",
        "Our shop sells red bricks today.": "Our shop sells red bricks today.",
    }
    monkeypatch.setattr(generator, "complete", lambda sources, *_: [answers[source] for source in sources])
    table = align.evaluate(generator, list(answers))
    assert table["copied"].tolist() == [False, True, True]
    assert table["reasons"].astype(bool).tolist() == [False, True, False]
    assert align.summary(table) == pytest.approx({"clean": 2 / 3, "unchanged": 2 / 3, "phrases_replaced": 1 / 2})
