"""The bench of embedding, on a few texts."""

import pytest

from autorefine_lib.bench import speed
from autorefine_lib.errors import InputError


def test_embed_compares_with_plain_encode(monkeypatch):
    monkeypatch.setattr(speed, "EMBEDDED_ADS", 2)
    monkeypatch.setattr(speed, "EMBEDDED_BIOS", 6)
    result = speed.measure("embed")
    assert result["texts"] == 8 and result["what"] == "embed"
    assert result["texts_per_second"] > 0 and result["plain_texts_per_second"] > 0
    assert 0 <= result["largest_cosine_distance"] < 1e-2


def test_something_else_is_refused():
    with pytest.raises(InputError, match="one of rank, embed, rewrite, ppo"):
        speed.measure("speed")
