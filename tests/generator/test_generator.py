"""Ads are taken apart, rewritten sentence by sentence, guarded and put together again."""

import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer
from tokenizers.processors import TemplateProcessing

from autorefine_lib.generator import generator
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.prompts import begin_once
from autorefine_lib.text import sentences

AD = "Nurse, Elm Clinic\n\nWe are hiring a nurse with 5 years of practice for our ward. Send us your resume."
SOURCE = "We are hiring a nurse with 5 years of practice for our ward."
GOOD = "We seek a nurse with 5 years of practice for our ward."


@pytest.fixture
def writer():
    """A tiny random model: its answers are noise."""
    return generator.Generator(tiny_model("llama"), tiny_tokenizer(), max_new_tokens=4)


def test_a_prompt_goes_through_the_chat_template(writer):
    assert writer.prompt(SOURCE) == f"{generator.INSTRUCTIONS['sentence']}\n\n{SOURCE}\n\nRewritten:\n"
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}{{ enable_thinking }}"
    writer.tokenizer.chat_template = template
    writer.instruction = "Say it kindly."
    assert writer.prompt(SOURCE) == f"system: Say it kindly. user: {SOURCE} False"
    refuse = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    writer.tokenizer.chat_template = refuse + template
    assert writer.prompt(SOURCE) == f"user: Say it kindly.\n\n{SOURCE} False"


def test_the_first_token_of_a_chat_template_is_not_put_there_twice():
    """Some tokenizers begin each text with a token that the template has, too; others leave that to the template."""
    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = "w1"
    assert begin_once(tokenizer, ["w1 w5"]) == ["w1 w5"] and tokenizer("w1 w5").input_ids == [4, 8]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("w1 $A", special_tokens=[("w1", 4)])
    assert tokenizer("w1 w5").input_ids == [4, 4, 8]
    assert [tokenizer(prompt).input_ids for prompt in begin_once(tokenizer, ["w1 w5", "w5"])] == [[4, 8], [4, 8]]


def test_episodes_are_the_sentences_that_may_be_rewritten(writer):
    episodes = writer.episodes(["job-1"], [AD])
    assert episodes["job_id"] == ["job-1"]
    assert [sentences.split(AD)[place] for place in episodes["position"]] == episodes["source"] == [SOURCE]
    whole = generator.Generator(writer.model, writer.tokenizer, "ad").episodes(["job-1"], [AD])
    assert (whole["position"], whole["source"]) == ([-1], [AD])


def test_a_good_rewrite_is_deployed_without_what_stands_around_it(writer):
    [made] = writer.assemble([AD], writer.episodes(["0"], [AD]), [f'Sure! Here is a new sentence: "{GOOD}"'])
    assert made.text == AD.replace(SOURCE, GOOD)
    assert made.edits == [generator.Edit(2, SOURCE, GOOD)] and not made.refused


def test_a_refused_rewrite_leaves_the_ad_as_it_was_and_names_its_guard(writer):
    [made] = writer.assemble([AD], writer.episodes(["0"], [AD]), ["We are recruiting a nurse for our ward."])
    assert made.text == AD and not made.edits
    [edit] = made.refused
    assert edit.rewrite == "We are recruiting a nurse for our ward." and "5" in str(edit.refused)
    assert set(edit.refused) <= set(generator.GUARDS)


def test_a_word_naming_a_protected_attribute_never_reaches_an_ad(writer):
    text, reasons = writer.finish(SOURCE, GOOD.replace("a nurse", "a female nurse"))
    assert text == SOURCE and "protected" in reasons


def test_sampling_is_repeatable(writer, monkeypatch):
    monkeypatch.setattr(writer, "prompt", lambda source: "w3 w4")
    first, second = (writer.complete([AD], temperature=1.0, seed=3) for _ in range(2))
    assert first == second and torch.is_grad_enabled()


def test_an_ad_gets_the_likeliest_answers_and_no_others(writer, monkeypatch):
    asked = []

    def complete(sources, temperature=0.0, seed=0, progress=True):
        asked.append((sources, temperature))
        return ["We are hiring a nurse for our ward."]

    monkeypatch.setattr(writer, "complete", complete)
    [made] = writer.rewrite([AD], progress=False)
    assert made.text == AD and [edit.source for edit in made.refused] == [SOURCE]
    assert asked == [([SOURCE], 0.0)]


def test_equal_sentences_are_asked_once_unless_sampled(writer, monkeypatch):
    asked = []

    def encode(prompts):
        asked.append(prompts)
        return Generator.encode(writer, prompts)

    monkeypatch.setattr(writer, "encode", encode)
    monkeypatch.setattr(writer, "prompt", lambda source: source)
    first, second, third = writer.complete(["w4 w5", "w6", "w4 w5"])
    assert first == third != second
    first, second, third = writer.complete(["w4 w5", "w6", "w4 w5"], temperature=1.0)
    assert first != third, "each is drawn by itself"
    assert asked == [["w4 w5", "w6"], ["w4 w5", "w4 w5", "w6"]], "the longest first"


def test_adapters_are_merged_before_new_ones_are_trained(writer):
    from autorefine_lib.generator.actor import add_lora

    writer.origin, writer.model = "somewhere", add_lora(writer.model, 2, 4.0)
    with torch.no_grad():
        for name, parameter in writer.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    tokens = torch.tensor([[3, 4, 5]])
    before = writer.model(tokens).logits.detach()
    writer.prepare_training(2)
    assert writer.base == "somewhere" and not hasattr(writer.model, "peft_config")
    torch.testing.assert_close(writer.model(tokens).logits.detach(), before, rtol=0, atol=1e-4)
