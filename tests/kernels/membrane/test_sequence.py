"""Fused norm + residual + neuron: spikes, gradients and running statistics of the plain PyTorch path."""

import pytest
import torch

from snnbench import kernels
from tests.kernels.parity import SHAPES, Case, both_paths, build, currents


@pytest.mark.parametrize("norm", ["none", "bn"])
@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
@pytest.mark.parametrize("static", [False, True])
def test_gradient_in_any_layout(static, layout, norm, device):
    """What comes back from the next layer need not lie as x does: broadcast, channels-last, time not leading."""
    case = Case(layout=layout, norm=norm, time_steps=3)
    layer, x = build(case).to(device), currents(case, 0, 1 if static else 3, device)
    shape = (3, *x.shape[1:])
    values = torch.randn(shape, generator=torch.Generator().manual_seed(3)).to(device)
    gradients = {
        "contiguous": values,
        "channels_last": values.flatten(0, 1).contiguous(memory_format=torch.channels_last).view(shape),
        "samples_first": values.transpose(0, 1).contiguous().transpose(0, 1),
        "gaps": torch.stack([values, values], -1)[..., 0],
        "broadcast": values[:, :, :, :1, :1].expand(shape),
    }
    for name, g in gradients.items():
        found = []
        for mode in ("fused", "reference"):
            leaf = x.detach().clone().requires_grad_()
            with kernels.use(mode):
                layer["neuron"](leaf.expand(shape), getattr(layer, "norm", None)).backward(g)
            found.append(leaf.grad)
        torch.testing.assert_close(*found, rtol=2e-4, atol=2e-4, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("norm", ["none", "bn"])
def test_residual_in_another_layout_or_static(norm, device):
    case = Case(layout="channels_last", norm=norm, time_steps=3)
    layer, x = build(case).to(device), currents(case, 0, 3, device)
    once = currents(Case(norm=norm), 1, 1, device)
    for residual in (once.expand(x.shape), torch.randn(x.shape, device=device).contiguous()):
        fused, reference = both_paths(layer, x, residual=residual)
        assert torch.equal(fused[0], reference[0])
        torch.testing.assert_close(fused[1:], reference[1:], rtol=2e-4, atol=2e-4)


def test_spikes_lie_as_the_currents_do(device):
    for layout in SHAPES:
        case = Case(layout=layout)
        x = currents(case, 0, 4, device)
        with kernels.use("fused"):
            assert build(case)["neuron"].to(device)(x).stride() == x.stride()


def test_sequence_with_gaps_or_samples_first(device):
    """Slices and transposed sequences are read right, not by their dense strides."""
    case = Case(time_steps=4)
    layer, x = build(case).to(device), currents(case, 0, 4, device)
    wide = torch.cat([x, x], 2)[:, :, : x.shape[2]]
    first = x.transpose(0, 1).contiguous().transpose(0, 1)
    with kernels.use("reference"):
        expected = layer["neuron"](x)
    with kernels.use("fused"):
        assert all(torch.equal(layer["neuron"](view), expected) for view in (wide, first, x[:, ::1]))
