"""Tiny random language models of each kind, and a tokenizer of words, built on the spot."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

VOCAB = 32
WORDS = ["<pad>", "<eos>", "<unk>"] + [f"w{i}" for i in range(VOCAB - 3)]
KINDS = ["llama", "gpt2"]
"""Rotary positions without dropout; learned positions, with dropout and an output layer tied to the input."""


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="right"
    )


def tiny_model(kind: str, seed: int = 0) -> PreTrainedModel:
    """In evaluation mode."""
    torch.manual_seed(seed)
    ids = dict(vocab_size=VOCAB, pad_token_id=0, eos_token_id=1)
    if kind == "llama":
        model = LlamaForCausalLM(
            LlamaConfig(
                **ids, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                max_position_embeddings=64, tie_word_embeddings=False,
            )
        )  # fmt: skip
    else:
        model = GPT2LMHeadModel(GPT2Config(**ids, n_embd=16, n_layer=2, n_head=2, n_positions=64))
    # The usual start (0.02) gives nearly uniform distributions that no adapter below the head can move.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(10)
    return model.eval()
