"""Surrogates: exact Heaviside forward, the stated derivative backward, the documented peak and integral."""

import math

import pytest
import torch

from snnbench.neurons.lif import LIF
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.fast_sigmoid import FastSigmoid
from snnbench.surrogates.rectangle import Rectangle
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.surrogates.triangle import Triangle
from tests.tiny import site

# surrogate, its peak, its integral
CASES = [
    (ATan(2.0), 1.0, 1.0),
    (ATan(5.0), 2.5, 1.0),
    (Sigmoid(4.0), 1.0, 1.0),
    (Triangle(1.0), 1.0, 1.0),
    (Triangle(0.5), 2.0, 1.0),
    (Rectangle(1.0), 1.0, 1.0),
    (Rectangle(0.5), 2.0, 1.0),
    (FastSigmoid(10.0), 1.0, 0.2),
    (FastSigmoid(10.0, scale=5.0), 5.0, 1.0),
]
IDS = [f"{type(s).__name__}-{i}" for i, (s, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("surrogate", "peak", "integral"), CASES, ids=IDS)
def test_peak_and_integral_are_as_documented(surrogate, peak, integral):
    x = torch.linspace(-2000, 2000, 8_000_001, dtype=torch.float64)  # an odd count: 0 is on the grid
    values = surrogate.derivative(x)
    assert values.max().item() == pytest.approx(peak)
    assert torch.trapezoid(values, x).item() == pytest.approx(integral, rel=2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("surrogate", [case[0] for case in CASES], ids=IDS)
def test_forward_is_heaviside_and_backward_is_the_derivative(surrogate, dtype):
    x = torch.tensor([-0.7, -0.1, 0.0, 0.2, 3.0], dtype=dtype, requires_grad=True)
    spikes = surrogate(x)
    assert spikes.dtype == dtype
    assert spikes.tolist() == [0, 0, 1, 1, 1]
    assert surrogate(x, strict=True).tolist() == [0, 0, 0, 1, 1]
    weights = torch.arange(1.0, 6.0, dtype=dtype)
    (spikes * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights * surrogate.derivative(x.detach()), rtol=0, atol=0)


def test_values_from_the_papers():
    x = torch.tensor([0.5, -1.0], dtype=torch.float64)
    expected = [1 / (1 + (math.pi * 0.5) ** 2), 1 / (1 + math.pi**2)]
    assert ATan(2.0).derivative(x).tolist() == pytest.approx(expected)
    steps = torch.tensor([0.0, -1, -5, -10, 1], dtype=torch.float64)  # SuperSpike, beta = 1/mV
    expected = [1, 0.25, 0.0277778, 0.0082645, 0.25]
    assert FastSigmoid(1.0).derivative(steps).tolist() == pytest.approx(expected, abs=1e-7)
    edge = torch.tensor([0.499, 0.5, -0.5], dtype=torch.float64)  # STBP: 1 inside, 0 at the edge itself
    assert Rectangle(1.0).derivative(edge).tolist() == [1, 0, 0]


@pytest.mark.parametrize("surrogate", [ATan(), Rectangle()], ids=["atan", "rectangle"])
def test_torch_compile_traces_a_neuron_without_a_graph_break(surrogate):
    neuron = LIF(site(), surrogate)
    x = torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(0)).mul(2).requires_grad_()
    (expected,) = torch.autograd.grad(neuron(x).square().sum(), x)
    compiled = torch.compile(neuron, backend="aot_eager", fullgraph=True)
    (got,) = torch.autograd.grad(compiled(x).square().sum(), x)
    torch.testing.assert_close(got, expected)


@pytest.mark.peer
def test_gradients_equal_spikingjelly():
    peer = pytest.importorskip("spikingjelly.activation_based.surrogate")
    x = torch.linspace(-1.3, 1.3, 41, dtype=torch.float64, requires_grad=True)
    for ours, theirs in [(ATan(2.0), peer.ATan(2.0)), (Sigmoid(4.0), peer.Sigmoid(4.0)), (Sigmoid(2), peer.Sigmoid(2))]:
        (a,) = torch.autograd.grad(ours(x).sum(), x)
        (b,) = torch.autograd.grad(theirs(x).sum(), x)
        torch.testing.assert_close(a, b)
