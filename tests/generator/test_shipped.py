"""The adapters that come with the library: their weights are those of the cards, and each does what its card says."""

import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from autorefine_lib.errors import InputError
from autorefine_lib.generator import pretrained

SENTENCE = "You will work closely with our product team and help customers solve their problems."


def test_together_they_are_small():
    sizes = [(pretrained.shipped(name) / "adapter_model.safetensors").stat().st_size for name in pretrained.SHIPPED]
    assert sum(sizes) < 12e6


def test_rewarded_stands_on_aligned():
    """Switched off, the rewarded adapter leaves the aligned model; switched on, another one."""
    settings = json.loads((pretrained.shipped("rewarded") / "generator.json").read_text("utf-8"))
    assert settings["base"] == "aligned"
    aligned, rewarded = (pretrained.load(name) for name in ("aligned", "rewarded"))
    assert isinstance(rewarded.model, PeftModel)
    ids = aligned.tokenizer(aligned.prompt(SENTENCE), return_tensors="pt").input_ids
    with torch.no_grad():
        before, after = (one.model(ids).logits[0, -1] for one in (aligned, rewarded))
        with rewarded.model.disable_adapter():
            off = rewarded.model(ids).logits[0, -1]
    torch.testing.assert_close(off, before, rtol=0, atol=1e-3)
    assert (after - before).abs().max() > 0.1


def test_other_weights_are_refused(tmp_path, monkeypatch):
    folder = pretrained.shipped("rewarded")
    weights = load_file(folder / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    broken = tmp_path / "resources" / "rewarded"
    broken.mkdir(parents=True)
    (broken / "card.json").write_text((folder / "card.json").read_text("utf-8"), "utf-8")
    (broken / "adapter_model.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr(pretrained, "files", lambda _: tmp_path)
    with pytest.raises(InputError, match="reinstall autorefine"):
        pretrained.shipped("rewarded")
