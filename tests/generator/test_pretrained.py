"""Generators come back from disk as they were saved, and a model that cannot be had is one clear error."""

import json

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from tiny_models import VOCAB, tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, T5Config, T5ForConditionalGeneration

from autorefine_lib.errors import InputError
from autorefine_lib.generator import pretrained
from autorefine_lib.generator.actor import add_lora
from autorefine_lib.generator.generator import Generator
from autorefine_lib.report import model_card
from autorefine_lib.report.model_card import Card

CARD = Card("PPO", "embedded (synthetic)", 0, "autorefine reproduce")
CHAT = "{% for m in messages %}{{ m['content'] }} {% endfor %}w8 "
TOKENS = torch.tensor([[3, 4, 5], [6, 7, 8]])


def logits(model):
    return model(TOKENS).logits.detach()


def adapted(writer):
    """The writer with adapters that move it."""
    writer.prepare_training(4)
    writer.model = add_lora(writer.model, 4, 8.0)
    with torch.no_grad():
        for name, parameter in writer.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    return writer


def saved_base(folder):
    pretrained.save(Generator(tiny_model("llama"), tiny_tokenizer(), "ad", max_new_tokens=9), folder)
    return pretrained.load(str(folder))


def test_save_and_load_a_checkpoint(tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHAT
    saved = Generator(tiny_model("llama"), tokenizer, "ad", max_new_tokens=9, instruction="w5")
    pretrained.save(saved, tmp_path / "model")
    assert not list((tmp_path / "model").glob("*.bin"))
    loaded = pretrained.load(str(tmp_path / "model"))
    assert (loaded.level, loaded.max_new_tokens, loaded.instruction) == ("ad", 9, "w5")
    weights = saved.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in loaded.model.state_dict().items())
    assert loaded.prompt("w3").endswith("w8 ")


def test_an_adapter_is_saved_by_itself_and_found_again_when_the_run_has_moved(tmp_path):
    policy = adapted(saved_base(tmp_path / "run/base"))
    pretrained.save(policy, tmp_path / "run/adapter")
    assert (tmp_path / "run/adapter/adapter_model.safetensors").is_file()
    assert not (tmp_path / "run/adapter/model.safetensors").exists()
    assert json.loads((tmp_path / "run/adapter/generator.json").read_text())["base"] == "../base"
    (tmp_path / "run").rename(tmp_path / "moved")
    loaded = pretrained.load(str(tmp_path / "moved/adapter"))
    assert (loaded.level, loaded.max_new_tokens) == ("ad", 9)
    torch.testing.assert_close(logits(loaded.model), logits(policy.model), rtol=0, atol=1e-5)


def test_an_adapter_on_an_adapter_refers_to_the_lower_one(tmp_path):
    pretrained.save(adapted(saved_base(tmp_path / "base")), tmp_path / "aligned")
    trained = adapted(pretrained.load(str(tmp_path / "aligned")))
    pretrained.save(trained, tmp_path / "trained")
    loaded = pretrained.load(str(tmp_path / "trained"))
    torch.testing.assert_close(logits(loaded.model), logits(trained.model), rtol=0, atol=1e-4)
    aligned = logits(pretrained.load(str(tmp_path / "aligned")).model)
    with loaded.model.disable_adapter():
        torch.testing.assert_close(logits(loaded.model), aligned, rtol=0, atol=1e-4)


def test_transformers_loads_a_policy_without_this_library(tmp_path):
    policy = Generator(tiny_model("llama"), tiny_tokenizer(), "ad")
    pretrained.save(policy, tmp_path)
    model_card.write(tmp_path, policy, CARD)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(logits(loaded), logits(policy.model), rtol=0, atol=0)
    assert AutoTokenizer.from_pretrained(tmp_path)("w3").input_ids == policy.tokenizer("w3").input_ids


def test_peft_loads_an_adapter_without_this_library(tmp_path, monkeypatch):
    policy = adapted(saved_base(tmp_path / "base"))
    pretrained.save(policy, tmp_path / "adapter")
    model_card.write(tmp_path / "adapter", policy, CARD)
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    by_hand = PeftModel.from_pretrained(base, tmp_path / "adapter")
    torch.testing.assert_close(logits(by_hand.eval()), logits(policy.model), rtol=0, atol=1e-6)
    monkeypatch.chdir(tmp_path)  # where the base's name is its folder
    auto = AutoPeftModelForCausalLM.from_pretrained("adapter")
    torch.testing.assert_close(logits(auto.eval()), logits(policy.model), rtol=0, atol=1e-6)


def test_an_encoder_decoder_is_refused(tmp_path):
    config = T5Config(vocab_size=VOCAB, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="encoder-decoder; choose a decoder-only instruct model"):
        pretrained.load(str(tmp_path))


def test_an_unknown_model_names_what_is_allowed(monkeypatch):
    # Not the environment variable, which is read when the module is imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="'no/such-model' could not be loaded.*'aligned', 'rewarded'.*hf download"):
        pretrained.load("no/such-model")


def test_a_hub_name_may_be_pinned_to_a_revision(monkeypatch):
    asked = []

    def config(name, **options):
        asked.append((name, options["revision"], options["trust_remote_code"]))
        raise OSError("not here")

    monkeypatch.setattr(pretrained.AutoConfig, "from_pretrained", config)
    with pytest.raises(InputError):
        pretrained.load("org/model@abc123")
    assert asked == [("org/model", "abc123", False)]
