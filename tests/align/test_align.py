"""Alignment keeps accepted rewrites that are no copies, learns them with adapters, and reports on it honestly."""

import pandas as pd
import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib import resources
from autorefine_lib.align import align
from autorefine_lib.generator.generator import Generator
from autorefine_lib.text import faithfulness

SOURCE = "We are hiring a nurse to assist 5 teams of our ward."
GOOD = "We seek a nurse to help 5 teams of our ward."


@pytest.fixture
def writer():
    """A tiny model; the instruction's words are unknown to its tokenizer, and longer than its context."""
    generator = Generator(tiny_model("llama"), tiny_tokenizer(), max_new_tokens=6)
    generator.prompt = lambda source: "w1 w2 w3 "
    return generator


def test_adapters_learn_the_pairs(writer, tmp_path):
    pairs = pd.DataFrame({"source": ["w1"] * 16, "text": ["w4 w5 w6 w7"] * 16})
    config = align.AlignConfig(epochs=15, batch_size=4, learning_rate=2e-2, lora_rank=4)
    before = {name: p.detach().clone() for name, p in writer.model.named_parameters()}
    log = align.fine_tune(writer, pairs, config, tmp_path)
    assert log["loss"].iloc[-1] < log["loss"].iloc[0] / 2
    assert writer.complete(["w1"], progress=False) == ["w4 w5 w6 w7"]
    with writer.model.disable_adapter():
        for name, p in writer.model.get_base_model().named_parameters():
            if "lora" not in name:
                assert torch.equal(p, before[name.replace("base_layer.", "")])


def test_evaluation_says_what_was_refused_and_how_much_changed(writer, monkeypatch):
    answers = [f"Sure, here it is: {GOOD}", SOURCE, "We are recruiting a nurse for our ward."]
    monkeypatch.setattr(writer, "complete", lambda *arguments: answers)
    judged = align.evaluate(writer, [SOURCE] * 3)
    assert judged["text"].tolist() == [GOOD, SOURCE, "We are recruiting a nurse for our ward."]
    assert judged["refused"].iloc[:2].tolist() == ["", ""] and judged["refused"].iloc[2]
    # seek and help are new; nurse, 5, teams and ward are not
    assert judged["changed"].tolist() == pytest.approx([2 / 6, 0, 0])
    about = align.summary(judged)
    assert about["accepted"] == pytest.approx(2 / 3) and about["accepted_and_changed"] == pytest.approx(1 / 3)
    assert about["median_change"] == pytest.approx(2 / 6)
    # Four words in a row: 9, 9 and 5 times; 9 + 8 + 4 of them are different? counted by hand below.
    texts = [text.lower().split() for text in judged["text"]]
    grams = [tuple(words[i : i + 4]) for words in texts for i in range(len(words) - 3)]
    assert about["distinct_4grams"] == pytest.approx(len(set(grams)) / len(grams))
    assert align.guard_rates(judged).max() == pytest.approx(1 / 3)


def test_pairs_are_accepted_changed_distinct_and_few_of_a_sentence():
    rows = [
        ("a", "x1", "", 0.5), ("a", "x1", "", 0.5), ("a", "x2", "", 0.3), ("a", "x3", "", 0.9),
        ("a", "x4", "facts", 0.0), ("b", "y1", "", 0.1), ("c", "z1", "", 0.2),
    ]  # fmt: skip
    sampled = pd.DataFrame(rows, columns=["source", "text", "refused", "changed"])
    pairs = align.select_pairs(sampled, per_source=2)
    assert pairs["text"].tolist() == ["x1", "x3", "z1"]


def test_alignment_learns_demonstrations_first_then_its_own_accepted_answers(writer, monkeypatch, tmp_path):
    learned = []

    def fine_tune(generator, pairs, config, folder):
        learned.append(pairs["text"].tolist())
        return pd.DataFrame({"step": [1], "loss": [1.0], "learning_rate": [0.1]})

    monkeypatch.setattr(align, "fine_tune", fine_tune)
    monkeypatch.setattr(writer, "complete", lambda asked, temperature, seed: [GOOD, SOURCE, "Seek."][: len(asked)])
    log = align.align(writer, [SOURCE], align.AlignConfig(rounds=1, samples=3), tmp_path)
    assert len(learned[0]) >= 500 and learned[1] == [*learned[0], GOOD]
    assert log["pairs"].tolist() == [len(learned[0]), len(learned[0]) + 1] and log["round"].tolist() == [0, 1]
    assert len(pd.read_csv(tmp_path / "samples-1.csv")) == 3


def test_every_guard_accepts_the_demonstrations():
    pairs = pd.DataFrame(resources.load("demonstrations")["pairs"])
    assert pairs["source"].is_unique and len(pairs) > 800
    assert not any(faithfulness.judge(pairs["source"].tolist(), pairs["rewrite"].tolist()))
