"""Case restored by alignment, vocabulary restricted to the source and the ad words, ads put together again."""

import pytest
import torch
from transformers import AutoTokenizer

from autorefine_lib.generator import bert2bert, generator
from autorefine_lib.models import minilm
from autorefine_lib.text import sentences, wording

AD = "Nurse, Elm Clinic\n\nWe need a competitive, driven leader with 5 years in C++ at NASA. Send us your resume."


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(minilm.folder())


@pytest.fixture(scope="module")
def writer():
    """The embedded generator with its warm-start weights: not aligned, so its completions are noise."""
    model, tokenizer = bert2bert.from_bert(minilm.folder())
    return generator.Generator(model, tokenizer, restrict_vocabulary=True, max_new_tokens=12)


@pytest.mark.parametrize(
    "source, completion, expected",
    [
        ("A strong Leader at Acme in C++ (5+ years).", "a kind leader at acme in c + + ( 5 + years ) .",
         "A kind Leader at Acme in C++ (5+ years)."),
        ("Competitive environment, Full-time.", "a supportive environment, full - time.",
         "A supportive environment, Full-time."),
        ("STRONG LEADER WANTED at NASA.", "caring leader wanted at nasa.", "CARING LEADER WANTED at NASA."),
        ("We're aggressive: $90-$135k.", "we're kind : $ 90 - $ 135k.", "We're kind: $90-$135k."),
        ("Lead the team.", "lead the whole team.", "Lead the whole team."),
        ("We are a winning team.", "we are a close - knit team.", "We are a close-knit team."),
        ("drive a team of 5.", "a team of 5.", "a team of 5."),
    ],
)  # fmt: skip
def test_restore_case(tokenizer, source, completion, expected):
    assert generator.restore_case(source, completion, tokenizer) == expected


@pytest.mark.parametrize("source", [AD, "Émile & Co. — “Fast” growth; 3×4 = 12!", "MiXeD CaSe and iOS."])
def test_a_plain_copy_restores_the_source_to_the_letter(tokenizer, source):
    for sentence in sentences.split(source)[::2]:
        copy = tokenizer.decode(tokenizer(sentence, add_special_tokens=False).input_ids)
        assert generator.restore_case(sentence, copy, tokenizer) == sentence


def test_allowed_tokens_are_the_sources_own_the_ad_words_and_eos(writer):
    allowed = writer.allowed_tokens(["zebra crossing", "we paint"])
    ids = {word: writer.tokenizer.convert_tokens_to_ids(word) for word in ("zebra", "paint", "supportive", "[SEP]")}
    assert "supportive" in wording.ad_words()
    assert allowed[0, ids["zebra"]] and not allowed[1, ids["zebra"]]
    assert allowed[1, ids["paint"]] and not allowed[0, ids["paint"]]
    assert allowed[:, ids["supportive"]].all() and allowed[:, ids["[SEP]"]].all()
    assert allowed.sum(1).max() < 3000


def test_episodes_are_the_sentences_with_a_listed_phrase(writer):
    episodes = writer.episodes(["job-1"], [AD])
    assert episodes["job_id"] == ["job-1"]
    assert [sentences.split(AD)[place] for place in episodes["position"]] == episodes["source"] == episodes["prompt"]
    assert episodes["source"] == ["We need a competitive, driven leader with 5 years in C++ at NASA."]


def test_a_refused_completion_leaves_the_ad_as_it_was(writer):
    episodes = writer.episodes(["0"], [AD])
    [refused] = writer.assemble([AD], episodes, ["we need a supportive, collaborative leader at nasa."])
    assert refused.text == AD and not refused.changed
    assert any("5" in reason for reason in refused.refused[0][2])
    good = "we need a supportive, collaborative leader with 5 years in c + + at nasa."
    [kept] = writer.assemble([AD], episodes, [good])
    assert kept.text == AD.replace("competitive, driven", "supportive, collaborative")


def test_a_word_naming_a_protected_attribute_never_reaches_an_ad(writer):
    text, reasons = writer.finish("We need a driven leader for our team.", "we need a she leader for our team.")
    assert text == "We need a driven leader for our team." and reasons


def test_rewriting_is_repeatable(writer):
    first, second = (writer.rewrite([AD], temperature=1.0, seed=3)[0] for _ in range(2))
    assert first == second and torch.is_grad_enabled()


def test_equal_sentences_are_asked_once_unless_sampled(writer, monkeypatch):
    asked = []

    def answer(model, tokenizer, prompts, **options):
        asked.append(prompts)
        return [f"{number} {prompt}" for number, prompt in enumerate(prompts)]

    monkeypatch.setattr(generator, "generate", answer)
    assert writer.complete(["b", "a", "b"]) == ["0 b", "1 a", "0 b"]
    assert writer.complete(["b", "a", "b"], temperature=1.0) == ["0 b", "1 a", "2 b"]
    assert asked == [["b", "a"], ["b", "a", "b"]]
