"""Packed layers compute what the layers that they replace do, to rounding; where they cannot, nothing is replaced."""

import copy

import pytest
import torch
from torch import nn

from autorefine_lib import packed_weights


def possible() -> bool:
    return packed_weights.use(nn.Sequential(nn.Linear(1, 1)))


needs_packing = pytest.mark.skipif(not possible(), reason="this CPU or this PyTorch has no packed weights")


@needs_packing
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("shape", [(0, 24), (1, 24), (3, 5, 24), (300, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_layer(dtype: torch.dtype, rtol: float, shape: tuple, bias: bool):
    torch.manual_seed(0)
    linear = nn.Linear(24, 40, bias=bias).to(dtype)
    x = torch.randn(shape, dtype=dtype)
    packed = packed_weights.PackedLinear(linear)
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), linear(x), rtol=rtol, atol=rtol)


@needs_packing
def test_every_layer_of_a_model_is_packed_and_the_model_computes_the_same():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 4))).eval()
    packed = copy.deepcopy(plain)
    assert packed_weights.use(packed)
    assert not any(isinstance(module, nn.Linear) for module in packed.modules())
    x = torch.randn(7, 8)
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), plain(x), rtol=1e-5, atol=1e-6)


@needs_packing
def test_a_packed_layer_keeps_the_weights_it_was_made_from():
    linear = nn.Linear(4, 3)
    packed, x = packed_weights.PackedLinear(linear), torch.ones(1, 4)
    before = packed(x)
    with torch.no_grad():
        linear.weight.add_(1)
    assert torch.equal(packed(x), before) and not torch.allclose(linear(x), before)


@pytest.mark.parametrize(
    "model",
    [nn.Sequential(nn.Linear(4, 3).double()), nn.Sequential(nn.Linear(4, 3, device="meta")), nn.Sequential(nn.GELU())],
    ids=["float64", "no CPU", "no linear layer"],
)
def test_what_cannot_be_packed_stays(model: nn.Sequential):
    before = list(model)
    assert not packed_weights.use(model)
    assert list(model) == before


def test_without_onednn_s_operators_nothing_is_packed(monkeypatch: pytest.MonkeyPatch):
    model = nn.Sequential(nn.Linear(4, 3))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not packed_weights.use(model)
    assert type(model[0]) is nn.Linear
