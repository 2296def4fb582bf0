"""Average and max pooling of channels-last images against PyTorch's."""

import pytest
import torch
from torch.nn import functional as F

from snnbench import kernels
from snnbench.kernels.pooling import average, maximum  # noqa: F401  (registers torch.ops.snnbench.*_pool)
from snnbench.kernels.pooling.entry import average_pool, max_pool
from snnbench.models.layers import AvgPool1d, AvgPool2d, GlobalAvgPool, MaxPool2d

POOLS = {"average": (AvgPool2d, F.avg_pool2d), "max": (MaxPool2d, F.max_pool2d)}
both = pytest.mark.parametrize("pool", POOLS)


def images(*shape, dtype=torch.float32, device="cpu"):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    return x.to(device, dtype).contiguous(memory_format=torch.channels_last)


def pooled(x, kernel, function):
    x = x.detach().clone().requires_grad_()
    y = function(x, kernel)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y))
    return y.detach(), x.grad


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("shape", "kernel"),
    [
        ((3, 5, 6, 4), 2),
        ((2, 3, 6, 9), 3),
        ((2, 130, 4, 2), 2),
        ((17, 7, 8, 8), 2),
        ((1, 1, 4, 4), 4),
        ((2, 3, 2, 2), 1),
    ],
    ids=str,
)
def test_equals_pytorch(shape, kernel, dtype, pool, device):
    layer, plain = POOLS[pool]
    x = images(*shape, dtype=dtype, device=device)
    with kernels.use("fused"):
        y, grad = pooled(x, kernel, layer.fused)
    expected, expected_grad = pooled(x, kernel, plain)
    assert y.dtype == grad.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert y.shape == expected.shape
    digits = 2**-7 if dtype == torch.bfloat16 else 1e-6
    torch.testing.assert_close(y, expected, rtol=digits, atol=digits)
    torch.testing.assert_close(grad, expected_grad, rtol=digits, atol=digits)


@both
def test_pooled_spikes_are_exact(pool, device):
    """Spikes tie in most windows: the gradient of a maximum goes where PyTorch sends it."""
    layer, plain = POOLS[pool]
    spikes = (images(4, 5, 8, 8, dtype=torch.bfloat16, device=device) > 0.5).bfloat16()
    with kernels.use("fused"):
        found = pooled(spikes, 2, layer.fused)
    assert all(torch.equal(a, b) for a, b in zip(found, pooled(spikes, 2, plain)))


def test_maximum_of_infinities_and_nan(device):
    x = images(1, 3, 2, 6, device=device)
    x[0, :, :, :2], x[0, :, 0, 3], x[0, 1, :, 4] = -torch.inf, torch.nan, torch.inf
    with kernels.use("fused"):
        (y, grad), (expected, expected_grad) = pooled(x, 2, max_pool), pooled(x, 2, F.max_pool2d)
    torch.testing.assert_close(y, expected, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(grad, expected_grad)


REFUSED = {
    "contiguous": (images(2, 3, 4, 4).contiguous(), 2),
    "height": (images(2, 3, 5, 4), 2),
    "width": (images(2, 3, 4, 5), 2),
    "double": (images(2, 3, 4, 4, dtype=torch.float64), 2),
    "half": (images(2, 3, 4, 4, dtype=torch.float16), 2),
    "gaps": (images(2, 6, 4, 4)[:, ::2], 2),
}


@both
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_kernel_does_not_read_is_left_to_pytorch(name, pool):
    layer, plain = POOLS[pool]
    x, kernel = REFUSED[name]
    assert not average.fits(x, (kernel, kernel))
    with kernels.use("fused"):
        assert layer.fused(x, kernel) is None
        assert torch.equal(layer(kernel)(x.unsqueeze(0))[0], plain(x, kernel))


@both
@pytest.mark.parametrize("arguments", [(2,), (2, 1), (2, 2, 1), (3, 2, 1)], ids=str)
def test_layer_equals_pytorch(arguments, pool, device, monkeypatch):
    """Only stride = kernel without padding is the kernel's; the layer sees to the rest."""
    layer, plain = POOLS[pool]
    calls, run = [], layer.fused
    monkeypatch.setattr(layer, "fused", staticmethod(lambda *a: calls.append(a) or run(*a)))
    x = images(6, 5, 8, 6, device=device).unflatten(0, (3, 2))
    with kernels.use("fused"):
        found = layer(*arguments)(x)
    assert len(calls) == (arguments == (2,))
    torch.testing.assert_close(found, plain(x.flatten(0, 1), *arguments).unflatten(0, (3, 2)))


def both_modes(x, function):
    with kernels.use("fused"):
        found = pooled(x, 2, function)
    with kernels.use("reference"):
        torch.testing.assert_close(found, pooled(x, 2, function))
    return found[0]


@pytest.mark.parametrize("length", [8, 9])
def test_sequences_equal_pytorch(length, device):
    """`[T, N, C, L]` whose channels lie last, as CUDA's 1-d convolutions leave them."""
    x = torch.randn(3, 2, length, 5, device=device).transpose(2, 3)
    both_modes(x, lambda x, k: AvgPool1d(k)(x))
    with kernels.use("fused"):
        assert (average_pool(x.flatten(0, 1), 2) is None) == (length == 9)


@pytest.mark.parametrize("side", [1, 4, 8, 9])
def test_global_pool_equals_pytorch(side, device):
    """Up to 8 pixels a side are one window of the kernel."""
    x = images(6, 5, side, side, device=device).unflatten(0, (3, 2))
    assert both_modes(x, lambda x, _: GlobalAvgPool()(x)).shape == (3, 2, 5)


@both
def test_reference_takes_pytorch(pool, monkeypatch):
    monkeypatch.setattr(average, "fits", lambda *_: pytest.fail("asked"))
    for mode in ("reference", "auto"):
        with kernels.use(mode):
            assert POOLS[pool][0].fused(images(2, 3, 4, 4), 2) is None


def test_pooling_operators(device):
    ops, checks = torch.ops.snnbench, ("test_schema", "test_faketensor")
    x = torch.randn(2, 5, 4, 6, device=device).contiguous(memory_format=torch.channels_last)
    torch.library.opcheck(ops.average_pool.default, (x, 2), test_utils=checks)
    torch.library.opcheck(ops.average_pool_backward.default, (x, 2), test_utils=checks)
    torch.library.opcheck(ops.max_pool.default, (x, 2), test_utils=checks)
    torch.library.opcheck(ops.max_pool_backward.default, (*ops.max_pool(x, 2), 2), test_utils=checks)
    assert average.fits(x, (2, 2))
