"""Texts packed one behind the other get the hidden states that each gets by itself from transformers' own attention."""

import copy

import pytest
import torch
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel

from autorefine_lib.recommender import packed_attention

SIZES = {"vocab_size": 50, "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 16, "intermediate_size": 32}
KINDS = {
    "bert": lambda: BertModel(BertConfig(**SIZES, max_position_embeddings=20)),
    "roberta": lambda: RobertaModel(RobertaConfig(**SIZES, max_position_embeddings=20, pad_token_id=1)),
}
TEXTS = [[5], [6, 7], [8, 9], [10, 11, 12, 13, 14], [15, 16, 17, 18, 19], [20] * 15]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-6), (torch.bfloat16, 0.1)])
def test_equals_one_text_at_a_time(kind: str, dtype: torch.dtype, atol: float):
    torch.manual_seed(0)
    plain = KINDS[kind]().eval().to(dtype)
    packed = copy.deepcopy(plain)
    assert packed_attention.use(packed)
    rows = [row for part in packed_attention.encode(packed, TEXTS) for row in part]
    assert len(rows) == len(TEXTS)
    for text, row in zip(TEXTS, rows, strict=True):
        with torch.inference_mode():
            alone = plain(torch.tensor([text])).last_hidden_state[0]
        torch.testing.assert_close(row, alone, atol=atol, rtol=0)


def test_texts_come_in_groups_of_one_length():
    model = KINDS["bert"]().eval()
    packed_attention.use(model)
    shapes = [tuple(part.shape) for part in packed_attention.encode(model, TEXTS)]
    assert shapes == [(1, 1, 16), (2, 2, 16), (2, 5, 16), (1, 15, 16)]


def test_other_kinds_keep_their_own_attention():
    model = DistilBertModel(DistilBertConfig(vocab_size=50, dim=16, n_heads=4, n_layers=1, hidden_dim=32))
    before = model.config._attn_implementation
    assert not packed_attention.use(model) and model.config._attn_implementation == before


@pytest.mark.parametrize("largest", [3.0, 75.0, 200.0])
def test_mix_is_softmax_at_any_size_of_scores(largest: float):
    torch.manual_seed(0)
    scores, values = torch.randn(4, 7, 7).clamp(-1, 1).mul(largest).bfloat16(), torch.randn(4, 7, 3).bfloat16()
    scores[0, 0] = -largest  # a row that exp would carry to 0
    expected = scores.float().softmax(-1) @ values.float()
    company = torch.cat([scores, torch.full((1, 7, 7), 99.0).bfloat16()]), torch.cat([values, values[:1]])
    mixed = packed_attention._mix(scores.clone(), values)
    torch.testing.assert_close(mixed.float(), expected, atol=0.02, rtol=0.02)
    torch.testing.assert_close(packed_attention._mix(*company)[:-1], mixed, atol=0, rtol=0)
