"""The attention kernel against batched matrix products."""

import pytest
import torch

from snnbench import kernels
from snnbench.kernels.attention.entry import spike_attention
from snnbench.models.attention import SpikingSelfAttention
from tests.models.building import make_parts


def tokens(shape, dtype, device, seed):
    """Spikes `[T, N, C, L]` whose channels lie last."""
    time_steps, batch, channels, length = shape
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 2, (time_steps, batch, length, channels), generator=generator)
    return x.to(device, dtype).requires_grad_()


def products(q, k, v, heads, scale):
    q, k, v = (x.transpose(2, 3).unflatten(2, (heads, -1)) for x in (q, k, v))
    return ((v @ k.transpose(-2, -1)) @ q).flatten(2, 3) * scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("shape", "heads"), [((2, 1, 32, 16), 2), ((1, 2, 24, 70), 2), ((2, 2, 12, 5), 3), ((1, 1, 20, 130), 1)], ids=str
)
def test_equals_matrix_products(shape, heads, dtype, device):
    inputs = [tokens(shape, dtype, device, seed) for seed in range(3)]
    with kernels.use("fused"):
        found = spike_attention(*(x.transpose(2, 3) for x in inputs), heads, 0.125)
    assert found.transpose(2, 3).is_contiguous()
    g = torch.randn(found.shape, generator=torch.Generator().manual_seed(9)).to(found)
    gradients = torch.autograd.grad(found, inputs, g)
    exact = [x.detach().double().requires_grad_() for x in inputs]
    expected = products(*exact, heads, 0.125)
    # counts of spikes are exact up to 256; Triton's interpreter truncates to bf16 beyond
    torch.testing.assert_close(found, expected.to(dtype), rtol=2**-7 if dtype == torch.bfloat16 else 0, atol=0)
    digits = 3e-2 if dtype == torch.bfloat16 else 1e-5
    for gradient, wanted in zip(gradients, torch.autograd.grad(expected, exact, g.double())):
        torch.testing.assert_close(gradient.double(), wanted, rtol=digits, atol=digits * wanted.abs().max().item())


def test_what_the_kernel_does_not_read_is_left_to_pytorch(device):
    q = torch.ones(1, 1, 16, 8, device=device)  # length last
    with kernels.use("fused"):
        assert spike_attention(q, q, q, 2, 1.0) is None


def test_a_watched_product_really_runs(device):
    """The operations counter hooks the products: the kernel must not pass them by."""
    attention = SpikingSelfAttention(make_parts(), 16, 2, 0.125, 0.5, False).to(device)
    seen = []
    attention.first_product.register_forward_hook(lambda *_: seen.append(1))
    with kernels.use("fused"), torch.no_grad():
        attention(torch.ones(2, 2, 9, 16, device=device).transpose(2, 3))
    assert seen
