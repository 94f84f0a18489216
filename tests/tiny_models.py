"""Tiny random language models of each kind, and a tokenizer of words, built on the spot."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

VOCAB = 32
WORDS = ["<pad>", "<eos>", "<unk>"] + [f"w{i}" for i in range(VOCAB - 3)]
KINDS = ["llama", "t5", "bart"]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="right"
    )


def tiny_model(kind: str, seed: int = 0) -> PreTrainedModel:
    """In evaluation mode, with a random bias of the output layer where the architecture has one."""
    torch.manual_seed(seed)
    ids = dict(vocab_size=VOCAB, pad_token_id=0, eos_token_id=1)
    if kind == "llama":
        model = LlamaForCausalLM(
            LlamaConfig(
                **ids, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                max_position_embeddings=64, tie_word_embeddings=False,
            )
        )  # fmt: skip
    elif kind == "t5":
        config = T5Config(**ids, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0)
        model = T5ForConditionalGeneration(config)
    else:
        model = BartForConditionalGeneration(
            BartConfig(
                **ids, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
                decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64,
                bos_token_id=2, decoder_start_token_id=1, forced_eos_token_id=None,
            )
        )  # fmt: skip
        torch.nn.init.normal_(model.final_logits_bias)
    # The usual start (0.02; T5 has 1) gives nearly uniform distributions that no adapter below the head can move.
    with torch.no_grad():
        for parameter in model.parameters() if kind != "t5" else []:
            if parameter.dim() > 1:
                parameter.mul_(10)
    return model.eval()
