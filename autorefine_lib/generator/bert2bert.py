"""The embedded generator: an encoder-decoder warm-started from all-MiniLM-L6-v2, encoder and decoder sharing weights.

Source: Rothe, Narayan and Severyn (2020), "Leveraging Pre-trained Checkpoints for Sequence Generation Tasks",
BERT2BERT with shared weights (their BERTShare). Every decoder weight that the encoder has too (embeddings,
self-attention, feed-forward) is the same parameter; cross-attention starts as a copy of self-attention;
the output projection is the word embedding itself. The embeddings stay frozen, so what alignment learns
is 14 M numbers (28 MB in half precision) on top of the public checkpoint.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertLMHeadModel,
    BertModel,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    PreTrainedTokenizerBase,
)

from autorefine_lib import files
from autorefine_lib.errors import InputError


def from_bert(checkpoint: str | Path, seed: int = 0) -> tuple[EncoderDecoderModel, PreTrainedTokenizerBase]:
    """Warm-start an encoder-decoder with shared weights from the BERT checkpoint in folder `checkpoint`.

    Dropout is off (the model is small and its training text is made fresh), attention is eager (fastest for
    sentences on a CPU), and the word, position and type embeddings do not train. `seed` draws the few new weights.
    """
    torch.manual_seed(seed)
    plain = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="eager")
    config = BertConfig.from_pretrained(checkpoint, **plain)
    decoder_config = BertConfig.from_pretrained(checkpoint, is_decoder=True, add_cross_attention=True, **plain)
    encoder = BertModel.from_pretrained(checkpoint, config=config, add_pooling_layer=False)
    decoder = BertLMHeadModel(decoder_config)
    model = EncoderDecoderModel(
        config=EncoderDecoderConfig.from_encoder_decoder_configs(encoder.config, decoder.config),
        encoder=encoder,
        decoder=decoder,
    )
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = tokenizer.cls_token_id
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.sep_token_id
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    tokenizer.eos_token, tokenizer.bos_token = tokenizer.sep_token, tokenizer.cls_token
    _start_cross_attention(decoder, encoder)
    share_weights(model)
    return model.eval(), tokenizer


def _start_cross_attention(decoder: BertLMHeadModel, encoder: BertModel) -> None:
    for target, source in zip(decoder.bert.encoder.layer, encoder.encoder.layer, strict=True):
        target.crossattention.load_state_dict(source.attention.state_dict())
    # The head's transform starts as the identity, so that the first logits are already similarities to word embeddings.
    torch.nn.init.eye_(decoder.cls.predictions.transform.dense.weight)


def share_weights(model: EncoderDecoderModel) -> None:
    """Make every decoder weight that the encoder has too the very same parameter, and freeze the embeddings."""
    theirs = dict(model.encoder.named_modules())
    for name, module in model.decoder.bert.named_modules():
        for weight, _ in list(module.named_parameters(recurse=False)):
            if name in theirs:
                setattr(module, weight, getattr(theirs[name], weight))
    head = model.decoder.cls.predictions.decoder
    head.weight = model.encoder.embeddings.word_embeddings.weight
    model.encoder.embeddings.requires_grad_(False)


def save_trained(model: EncoderDecoderModel, path: Path, dtype: torch.dtype = torch.float16) -> str:
    """Write the trainable weights, each once, as safetensors; returns the file's SHA-256."""
    weights = {
        name: parameter.detach().to(dtype).contiguous()
        for name, parameter in model.named_parameters()  # a shared parameter is listed once
        if parameter.requires_grad
    }
    files.write_atomic(path, lambda place: save_file(weights, place, metadata={"format": "pt"}))
    return files.sha256(path)


def load_trained(model: EncoderDecoderModel, path: Path, sha256: str | None = None) -> None:
    """Put the weights that `save_trained` wrote into a model made by `from_bert`.

    Raises:
        InputError: the file is missing, its checksum differs from `sha256`, or its weights are not this model's.
    """
    if not path.is_file():
        raise InputError(f"no weights at {path}; train them with notebook 03 (aligned='train') or name another file")
    if sha256:
        files.check_sha256(path, sha256, "fetch the file again")
    weights = load_file(path)
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if wrong := trainable.symmetric_difference(weights):
        raise InputError(f"{path} does not fit this model: {sorted(wrong)[0]!r} is in only one of them")
    model.load_state_dict({name: weight.float() for name, weight in weights.items()}, strict=False)
