"""The warm start shares what it should, keeps the embeddings frozen, and saves and loads without loss."""

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from autorefine_lib.errors import InputError
from autorefine_lib.generator import bert2bert

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "we", "need", "a", "strong", "kind", "leader", "."]


@pytest.fixture
def checkpoint(tmp_path):
    """A tiny BERT in a folder of its own."""
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **sizes)
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    return tmp_path


def logits(model, tokenizer):
    batch = tokenizer(["we need a strong leader ."], return_tensors="pt")
    with torch.no_grad():
        return model(**batch, decoder_input_ids=batch.input_ids).logits


def test_decoder_shares_the_encoders_weights_and_cross_attention_starts_from_self_attention(checkpoint):
    model, _ = bert2bert.from_bert(checkpoint)
    first, second = model.encoder.encoder.layer[0], model.decoder.bert.encoder.layer[0]
    assert second.attention.self.query.weight is first.attention.self.query.weight
    assert second.output.dense.weight is first.output.dense.weight
    assert second.crossattention.self.query.weight is not first.attention.self.query.weight
    assert torch.equal(second.crossattention.self.query.weight, first.attention.self.query.weight)
    assert model.get_output_embeddings().weight is model.encoder.embeddings.word_embeddings.weight


def test_embeddings_are_frozen_and_the_rest_trains(checkpoint):
    model, tokenizer = bert2bert.from_bert(checkpoint)
    batch = tokenizer(["we need a strong leader ."], return_tensors="pt")
    model(**batch, decoder_input_ids=batch.input_ids).logits.square().mean().backward()
    assert model.encoder.embeddings.word_embeddings.weight.grad is None
    assert model.encoder.encoder.layer[0].attention.self.query.weight.grad.abs().sum() > 0
    assert model.decoder.bert.encoder.layer[0].crossattention.self.value.weight.grad.abs().sum() > 0


def test_saved_weights_come_back(checkpoint, tmp_path):
    model, tokenizer = bert2bert.from_bert(checkpoint)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    sha256 = bert2bert.save_trained(model, tmp_path / "trained.safetensors", torch.float32)
    other, _ = bert2bert.from_bert(checkpoint, seed=1)
    assert not torch.allclose(logits(other, tokenizer), logits(model, tokenizer))
    bert2bert.load_trained(other, tmp_path / "trained.safetensors", sha256)
    assert torch.equal(logits(other, tokenizer), logits(model, tokenizer))


def test_a_missing_or_wrong_file_is_one_clear_error(checkpoint, tmp_path):
    model, _ = bert2bert.from_bert(checkpoint)
    with pytest.raises(InputError, match="no weights at"):
        bert2bert.load_trained(model, tmp_path / "absent.safetensors")
    bert2bert.save_trained(model, tmp_path / "trained.safetensors")
    with pytest.raises(InputError, match="not the expected 000000000000.*fetch the file again"):
        bert2bert.load_trained(model, tmp_path / "trained.safetensors", "0" * 64)
