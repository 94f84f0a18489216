"""Generators come back from disk as they were saved, and a model that cannot be had is one clear error."""


import pytest
import torch
from peft import AutoPeftModelForCausalLM, AutoPeftModelForSeq2SeqLM, PeftModel
from tiny_models import tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from autorefine_lib.errors import InputError
from autorefine_lib.generator import pretrained
from autorefine_lib.generator.actor import add_lora
from autorefine_lib.generator.generator import Generator
from autorefine_lib.generator.scoring import decoder_start
from autorefine_lib.report import model_card
from autorefine_lib.report.model_card import Card

CARD = Card("PPO", "embedded (synthetic)", 0, "autorefine reproduce")
CHAT = "{% for m in messages %}{{ m['content'] }} {% endfor %}w8 "


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_save_and_load_a_checkpoint(kind, tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHAT if kind == "llama" else None
    saved = Generator(tiny_model(kind), tokenizer, "ad", max_new_tokens=9)
    pretrained.save(saved, tmp_path / "model")
    assert not list((tmp_path / "model").glob("*.bin"))
    loaded = pretrained.load(str(tmp_path / "model"))
    assert (loaded.level, loaded.max_new_tokens, loaded.vocabulary) == ("ad", 9, None)
    weights = saved.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in loaded.model.state_dict().items())
    assert loaded.prompt("w3").endswith("w8 ") == (kind == "llama")


def test_an_adapter_is_saved_by_itself_and_found_again(tmp_path):
    pretrained.save(Generator(tiny_model("llama"), tiny_tokenizer(), "ad"), tmp_path / "base")
    base = pretrained.load(str(tmp_path / "base"))
    base.model = add_lora(base.model, 4, 8.0, "all-linear")
    with torch.no_grad():
        for name, parameter in base.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    pretrained.save(base, tmp_path / "adapter")
    assert (tmp_path / "adapter/adapter_model.safetensors").is_file()
    assert not (tmp_path / "adapter/model.safetensors").exists()
    tokens = torch.tensor([[3, 4, 5]])
    with torch.no_grad():
        before, after = (g.model(tokens).logits for g in (base, pretrained.load(str(tmp_path / "adapter"))))
    assert torch.allclose(before, after, atol=1e-5)


def logits(model, tokens=((3, 4, 5), (6, 7, 8))):
    tokens = torch.tensor(tokens)
    if model.config.is_encoder_decoder:
        answer = torch.cat([torch.full((2, 1), decoder_start(model)), tokens[:, :-1]], 1)
        return model(input_ids=tokens, decoder_input_ids=answer).logits.detach()
    return model(tokens).logits.detach()


def saved_adapter(folder, kind="llama"):
    """A policy with moved adapters, saved in `folder`/adapter beside its base; its logits."""
    pretrained.save(Generator(tiny_model(kind), tiny_tokenizer(), "ad", max_new_tokens=9), folder / "base")
    policy = pretrained.load(str(folder / "base"))
    policy.model = add_lora(policy.model, 4, 8.0, "all-linear")
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    pretrained.save(policy, folder / "adapter")
    model_card.write(folder / "adapter", policy, CARD)
    assert not torch.allclose(logits(policy.model), logits(tiny_model(kind)), atol=0.1)
    return logits(policy.model)


@pytest.mark.parametrize("kind", ["llama", "t5", "bart", "bert2bert"])
def test_transformers_loads_a_policy_without_this_library(kind, tmp_path):
    policy = Generator(tiny_model(kind), tiny_tokenizer(), "ad")
    pretrained.save(policy, tmp_path)
    model_card.write(tmp_path, policy, CARD)
    load = AutoModelForCausalLM if kind == "llama" else AutoModelForSeq2SeqLM
    torch.testing.assert_close(logits(load.from_pretrained(tmp_path).eval()), logits(policy.model), rtol=0, atol=0)
    assert AutoTokenizer.from_pretrained(tmp_path)("w3").input_ids == policy.tokenizer("w3").input_ids


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_peft_loads_an_adapter_without_this_library(kind, tmp_path):
    expected = saved_adapter(tmp_path, kind)
    load = AutoModelForCausalLM if kind == "llama" else AutoModelForSeq2SeqLM
    by_hand = PeftModel.from_pretrained(load.from_pretrained(tmp_path / "base"), tmp_path / "adapter")
    torch.testing.assert_close(logits(by_hand.eval()), expected, rtol=0, atol=1e-6)
    auto = (AutoPeftModelForCausalLM if kind == "llama" else AutoPeftModelForSeq2SeqLM).from_pretrained(
        tmp_path / "adapter"
    )
    torch.testing.assert_close(logits(auto.eval()), expected, rtol=0, atol=1e-6)


def test_the_embedded_generator_comes_back(tmp_path):
    first = pretrained.load(pretrained.EMBEDDED, seed=1)
    pretrained.save(first, tmp_path)
    second = pretrained.load(str(tmp_path))
    assert second.restrict_vocabulary and second.level == "sentence"
    weights = first.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in second.model.state_dict().items())


def test_the_shipped_weights_have_the_checksum_on_their_card():
    from autorefine_lib.generator import bert2bert

    generator = pretrained.load(pretrained.EMBEDDED)
    path, sha256 = pretrained.shipped_weights()
    assert path.stat().st_size <= 30e6
    bert2bert.load_trained(generator.model, path, sha256)
    [rewrite] = generator.rewrite(["Send us your resume with 2 references by mail."])
    assert rewrite.text == "Send us your resume with 2 references by mail."


def test_an_unknown_model_names_what_is_allowed(monkeypatch):
    # Not the environment variable, which is read when the module is imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="'no/such-model' could not be loaded.*minilm-bert2bert.*hf download"):
        pretrained.load("no/such-model")
