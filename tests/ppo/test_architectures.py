"""Decoder-only architectures of transformers, tiny and random: each can be trained, or is refused.

What is sampled with the cache, padding and rows that end early has the log-probabilities of a pass without them, and a
step of PPO moves the weights.
"""

import pytest
import torch
from datasets import Dataset
from tiny_models import VOCAB, tiny_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedModel
from transformers.utils import ModelOutput

from autorefine_lib.errors import InputError
from autorefine_lib.generator.prompts import encode
from autorefine_lib.generator.sampling import sample
from autorefine_lib.generator.scoring import score
from autorefine_lib.ppo.config import PPOConfig
from autorefine_lib.ppo.trainer import PPOTrainer

PROMPTS = ["w1 w2 w3 w4 w5 w6", "w7", "w8 w9 w10", "w11 w12"]
SIZE = dict(
    vocab_size=VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64,
    pad_token_id=0, bos_token_id=2, eos_token_id=1,
)  # fmt: skip
GROUPED = dict(intermediate_size=32, num_key_value_heads=1)
WIDE = GROUPED | dict(head_dim=8)
EXPERTS = GROUPED | dict(num_experts_per_tok=2)
DECODERS = {
    "apertus": GROUPED,
    "bert": dict(intermediate_size=32, is_decoder=True),
    "biogpt": dict(intermediate_size=32),
    "bitnet": GROUPED,
    "codegen": dict(num_attention_heads=4, rotary_dim=4),
    "cohere": GROUPED,
    "cohere2": GROUPED,
    "ctrl": dict(dff=32),
    "ernie4_5": WIDE,
    "exaone4": GROUPED,
    "falcon": dict(multi_query=True),
    "gemma": WIDE,
    "gemma2": WIDE,
    "gemma3_text": WIDE,
    "glm": WIDE,
    "glm4": WIDE,
    "gpt2": {},
    "gpt_bigcode": {},
    "gpt_neo": dict(attention_types=[[["global", "local"], 1]]),
    "gpt_neox": dict(intermediate_size=32),
    "gpt_neox_japanese": {},
    "gpt_oss": WIDE | dict(num_local_experts=4, num_experts_per_tok=2),
    "gptj": dict(rotary_dim=4),
    "granite": GROUPED,
    "granitemoe": GROUPED | dict(num_local_experts=4, num_experts_per_tok=2),
    "helium": WIDE,
    "llama": GROUPED,
    "ministral": WIDE,
    "mistral": WIDE,
    "mixtral": EXPERTS | dict(num_local_experts=4),
    "modernbert-decoder": dict(intermediate_size=32),
    "nemotron": WIDE,
    "olmo": GROUPED,
    "olmo2": GROUPED,
    "olmo3": GROUPED,
    "olmoe": EXPERTS | dict(num_experts=4),
    "opt": dict(ffn_dim=32, word_embed_proj_dim=16),
    "persimmon": dict(intermediate_size=32),
    "phi": GROUPED,
    "phi3": GROUPED,
    "phimoe": EXPERTS | dict(num_local_experts=4),
    "qwen2": GROUPED,
    "qwen2_moe": EXPERTS | dict(num_experts=4, moe_intermediate_size=8, shared_expert_intermediate_size=8),
    "qwen3": WIDE,
    "qwen3_moe": EXPERTS | dict(head_dim=8, num_experts=4, moe_intermediate_size=8),
    "seed_oss": WIDE,
    "smollm3": GROUPED,
    "stablelm": GROUPED,
    "starcoder2": GROUPED,
    "xglm": dict(ffn_dim=32),
}
"""Model types, and what their configurations call the sizes that are not in `SIZE`."""
LINEAR = WIDE | dict(
    layer_types=["linear_attention", "full_attention"], linear_num_key_heads=2, linear_num_value_heads=2,
    linear_key_head_dim=8, linear_value_head_dim=8,
)  # fmt: skip
MAMBA = GROUPED | dict(mamba_n_heads=4, mamba_d_head=8, mamba_d_state=8)
HYBRIDS = {
    "bamba": MAMBA | dict(attn_layer_indices=[1]),
    "falcon_h1": MAMBA | dict(mamba_d_ssm=32),
    "granitemoehybrid": MAMBA | dict(layer_types=["mamba", "attention"]),
    "jamba": GROUPED | dict(attn_layer_period=2, attn_layer_offset=1, mamba_d_state=4, mamba_dt_rank=4, num_experts=2),
    "lfm2": GROUPED | dict(layer_types=["conv", "full_attention"]),
    "olmo_hybrid": LINEAR,
    "qwen3_5_text": LINEAR,
    "qwen3_next": LINEAR | dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8),
}
"""Attention in some layers, a recurrent state in the others."""
SETTINGS = DECODERS | HYBRIDS


def tiny(kind: str, **settings: object) -> PreTrainedModel:
    """In evaluation mode, and far enough from uniform distributions that a wrong position or mask shows."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **SIZE | settings)
    model = (AutoModelForSeq2SeqLM if kind == "t5" else AutoModelForCausalLM).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(5)
        # The padding's embedding starts at 0, where models that let it through would not be found out.
        model.get_input_embeddings().weight[0] = model.get_input_embeddings().weight[5]

    def forbid(module: torch.nn.Module, inputs: tuple, output: ModelOutput) -> ModelOutput:
        """Some architectures look for padding among the tokens, so it must not be sampled."""
        output.logits = output.logits.index_fill(-1, torch.tensor([0, 2]), -1e9)
        return output

    model.register_forward_hook(forbid)
    return model.eval()


@pytest.mark.parametrize("kind", SETTINGS)
def test_sampling_and_scoring_agree_and_a_step_of_ppo_moves_the_weights(kind, tmp_path):
    model, tokenizer = tiny(kind, **SETTINGS[kind]), tiny_tokenizer()
    prompts = encode(tokenizer, model, PROMPTS, 6)
    uniforms = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    uniforms[0, 1] = 0  # the first token that is allowed, the EOS: the row leaves the batch
    samples = sample(model, prompts, 1, 0, 6, uniforms=uniforms)
    assert samples.finished[0] and samples.mask.sum(1).max() > 3
    with torch.no_grad():
        padded = score(model, prompts, samples.tokens).logprobs
        alone = [score(model, prompts.rows(torch.tensor([i])), samples.tokens[i : i + 1]).logprobs for i in range(4)]
    for scored in (padded, torch.cat(alone)):
        torch.testing.assert_close(scored[samples.mask], samples.logprobs[samples.mask], atol=1e-4, rtol=0)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    config = PPOConfig(steps=1, batch_size=4, minibatches=1, epochs=2, max_new_tokens=4, report_to="")
    data = Dataset.from_dict({"prompt": PROMPTS})
    trainer = PPOTrainer(
        model, tokenizer, lambda completions: [float(len(c)) for c in completions], data, config, tmp_path
    )
    assert trainer.train()["optim/grad_norm"][0] > 0
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("bloom", "BloomForCausalLM takes no position_ids.*choose a decoder-only model"),
        ("t5", "T5ForConditionalGeneration takes no position_ids.*choose a decoder-only model"),
        ("mpt", "MptForCausalLM takes no position_ids"),
        ("openai-gpt", "OpenAIGPTLMHeadModel takes no past_key_values.*choose a model with a cache"),
    ],
)
def test_what_cannot_be_sampled_from_is_refused(kind, words, tmp_path):
    data, config = Dataset.from_dict({"prompt": PROMPTS}), PPOConfig(batch_size=4, max_new_tokens=4)
    with pytest.raises(InputError, match=words):
        PPOTrainer(tiny(kind), tiny_tokenizer(), lambda completions: [], data, config, tmp_path)
