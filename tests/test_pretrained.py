"""Generators come back from disk as they were saved, and a model that cannot be had is one clear error."""

import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer

from autorefine_lib import pretrained
from autorefine_lib.errors import InputError
from autorefine_lib.generator import Generator
from autorefine_lib.policy import add_lora

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


def test_the_embedded_generator_comes_back(tmp_path):
    first = pretrained.load(pretrained.EMBEDDED, seed=1)
    pretrained.save(first, tmp_path)
    second = pretrained.load(str(tmp_path))
    assert second.restrict_vocabulary and second.level == "sentence"
    weights = first.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in second.model.state_dict().items())


def test_the_shipped_weights_have_the_checksum_on_their_card():
    from autorefine_lib import bert2bert

    generator = pretrained.load(pretrained.EMBEDDED)
    path, sha256 = pretrained.shipped_weights()
    assert path.stat().st_size <= 30e6
    bert2bert.load_trained(generator.model, path, sha256)
    [rewrite] = generator.rewrite(["Send us your resume with 2 references by mail."])
    assert rewrite.text == "Send us your resume with 2 references by mail."


def test_an_unknown_model_names_what_is_allowed(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="'no/such-model' could not be loaded.*minilm-bert2bert.*hf download"):
        pretrained.load("no/such-model")
