"""oneDNN's layers compute what PyTorch's do, gradients included, to rounding; where they cannot, nothing is changed."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import nn

from autorefine_lib.models import onednn

needs_onednn = pytest.mark.skipif(not onednn.IS_THERE, reason="this CPU or this PyTorch has no such kernels")


def test_the_pinned_pytorch_has_the_operators():
    assert torch.backends.cpu.get_cpu_capability().startswith("AVX") == onednn.IS_THERE


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def two_layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 4)))


@pytest.mark.parametrize("shape", [(0, 24), (1, 24), (3, 5, 24), (300, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_and_its_gradients_equal_pytorch_s(shape: tuple, bias: bool):
    results = []
    x, layer = torch.randn(shape), nn.Linear(24, 40, bias=bias)
    upstream = torch.randn(*shape[:-1], 40)
    for function in (F.linear, onednn.linear):
        inputs = [t.detach().clone().requires_grad_() for t in (x, *layer.parameters())]
        made = function(*inputs)
        results.append([made.detach(), *torch.autograd.grad(made, inputs, upstream)])
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_only_what_needs_a_gradient_gets_one():
    x, weight = torch.randn(5, 3), torch.randn(2, 3, requires_grad=True)
    onednn.linear(x, weight).sum().backward()
    assert x.grad is None
    torch.testing.assert_close(weight.grad, x.sum(0).expand(2, 3))


@needs_onednn
def test_float32_is_computed_by_onednn_and_bfloat16_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch):
    seen = []
    plain = onednn._product
    monkeypatch.setattr(onednn, "_product", lambda *tensors: seen.append(tensors) or plain(*tensors))
    x, weight = torch.randn(4, 3), torch.randn(2, 3)
    onednn.linear(x, weight)
    assert len(seen) == 1
    with torch.autocast("cpu", torch.bfloat16):
        assert onednn.linear(x, weight).dtype == torch.bfloat16
    assert onednn.linear(x.bfloat16(), weight.bfloat16()).dtype == torch.bfloat16
    assert onednn.linear(x.double(), weight.double()).dtype == torch.float64
    assert len(seen) == 1


def test_layers_are_as_they_were_afterwards_even_after_an_error():
    model = two_layers()
    with pytest.raises(RuntimeError, match="inside"), onednn.linear_layers(model, None):
        assert type(model[0]) is type(model[2][1]) is onednn.Linear
        with onednn.linear_layers(model):
            pass
        assert type(model[0]) is onednn.Linear
        raise RuntimeError("inside")
    assert type(model[0]) is type(model[2][1]) is nn.Linear


def test_a_model_learns_the_same_within():
    plain, x, y = two_layers(), torch.randn(32, 8), torch.randn(32, 4)
    other = copy.deepcopy(plain)

    def train(model: nn.Module) -> list[float]:
        optimizer, losses = torch.optim.SGD(model.parameters(), lr=0.1), []
        for _ in range(20):
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    expected = train(plain)
    with onednn.linear_layers(other):
        losses = train(other)
    assert losses == pytest.approx(expected, abs=1e-4)
    assert losses[-1] < 0.9 * losses[0]


def test_saved_for_the_gradients_is_only_what_they_need():
    x, weight = torch.randn(5, 3), torch.randn(2, 3)

    def saved(*needed: str) -> list[torch.Size]:
        inputs, kept = {"x": x, "weight": weight}, []
        inputs = {name: t.clone().requires_grad_(name in needed) for name, t in inputs.items()}
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape), lambda t: t):
            onednn.linear(**inputs)
        return kept

    assert saved("x") == [weight.shape] and saved("weight") == [x.shape]
    assert saved("x", "weight") == [x.shape, weight.shape]


def test_what_the_kernels_cannot_read_is_left_to_pytorch():
    layer = nn.Linear(6, 4)
    for x, bias in (
        (torch.randn(6), layer.bias),
        (torch.randn(5, 6), torch.randn(8)[::2]),
        (torch.randn(5, 6), torch.randn(1).expand(4)),
    ):
        x = x.requires_grad_()
        made = onednn.linear(x, layer.weight, bias)
        torch.testing.assert_close(made, F.linear(x, layer.weight, bias))
        torch.testing.assert_close(torch.autograd.grad(made.sum(), x)[0], layer.weight.sum(0).expand(x.shape))


def test_activations_may_be_recomputed_within():
    layer, x = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6)), torch.randn(3, 6, requires_grad=True)
    expected = torch.autograd.grad(layer(x).sum(), x)[0]
    with onednn.linear_layers(layer):
        again = torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False)
        torch.testing.assert_close(torch.autograd.grad(again.sum(), x)[0], expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_equals_the_layer_it_was_made_from(dtype: torch.dtype, tolerance: float, bias: bool):
    layer = nn.Linear(24, 40, bias=bias).to(dtype)
    model = nn.Sequential(layer)
    if not onednn.pack(model):
        pytest.skip("this CPU or this PyTorch packs no such weights")
    packed = model[0]
    for shape in ((0, 24), (1, 24), (3, 5, 24), (300, 24)):
        x = torch.randn(shape, dtype=dtype)
        with torch.inference_mode():
            torch.testing.assert_close(packed(x), layer(x), rtol=tolerance, atol=tolerance)
    with torch.autocast("cpu", torch.bfloat16):
        assert packed(x.bfloat16()).dtype == dtype
    before = packed(x)
    with torch.no_grad():
        layer.weight.add_(1)
    assert torch.equal(packed(x), before)


@needs_onednn
def test_every_layer_of_a_model_is_packed():
    plain, x = two_layers(), torch.randn(7, 8)
    packed = copy.deepcopy(plain)
    assert onednn.pack(packed)
    assert not any(isinstance(module, nn.Linear) for module in packed.modules())
    with torch.inference_mode():
        torch.testing.assert_close(packed(x), plain(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [nn.Sequential(nn.Linear(4, 3).double()), nn.Sequential(nn.Linear(4, 3, device="meta")), nn.Sequential(nn.GELU())],
    ids=["float64", "no CPU", "no linear layer"],
)
def test_what_cannot_be_packed_stays(model: nn.Sequential):
    before = list(model)
    assert not onednn.pack(model)
    assert list(model) == before


def test_without_the_operators_pytorch_multiplies(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(onednn, "IS_THERE", False)
    monkeypatch.setattr(onednn, "_product", None)
    model = nn.Sequential(nn.Linear(4, 3))
    assert not onednn.pack(model) and type(model[0]) is nn.Linear
    x = torch.randn(2, 4)
    assert torch.equal(onednn.linear(x, model[0].weight, model[0].bias), model(x))
