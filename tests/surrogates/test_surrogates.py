"""Surrogates: exact Heaviside forward, the stated derivative backward, the documented peak and integral."""

import math

import pytest
import torch

from snnbench.neurons.lif import LIF
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.exp_abs import ExpAbs
from snnbench.surrogates.fast_sigmoid import FastSigmoid
from snnbench.surrogates.gaussian import Gaussian
from snnbench.surrogates.rectangle import Rectangle
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.surrogates.triangle import Triangle
from tests.tiny import graded, site, spikingjelly

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
    (Gaussian(0.4), 0.9973557, 1.0),
    (ExpAbs(10.0, 1.0), 0.1, 2.0),
    (ExpAbs(2.5, 0.5), 0.2, 1.0),
    (FastSigmoid(10.0, scale=5.0), 5.0, 1.0),
]
IDS = [f"{type(s).__name__}-{i}" for i, (s, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("surrogate", "peak", "integral"), CASES, ids=IDS)
def test_peak_and_integral_are_as_documented(surrogate, peak, integral):
    x = torch.linspace(-500, 500, 1_000_001, dtype=torch.float64)  # an odd count: 0 is on the grid
    values = surrogate.derivative(x)
    assert values.max().item() == pytest.approx(peak)
    assert torch.trapezoid(values, x).item() == pytest.approx(integral, rel=2e-3)


def test_values_from_the_papers():
    x = torch.tensor([0.5, -1.0], dtype=torch.float64)
    expected = [1 / (1 + (math.pi * 0.5) ** 2), 1 / (1 + math.pi**2)]
    assert ATan(2.0).derivative(x).tolist() == pytest.approx(expected)
    steps = torch.tensor([0.0, -1, -5, -10, 1], dtype=torch.float64)  # SuperSpike, beta = 1/mV
    expected = [1, 0.25, 0.0277778, 0.0082645, 0.25]
    assert FastSigmoid(1.0).derivative(steps).tolist() == pytest.approx(expected, abs=1e-7)
    edge = torch.tensor([0.499, 0.5, -0.5], dtype=torch.float64)  # STBP: 1 inside, 0 at the edge itself
    assert Rectangle(1.0).derivative(edge).tolist() == [1, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_strict_spikes_need_more_than_nothing(dtype):
    x = torch.tensor([-0.7, -0.1, 0.0, 0.2, 3.0], dtype=dtype)
    for strict in (False, True):
        spikes, (gradient,) = graded(lambda x, strict=strict: ATan()(x, strict=strict), x)
        assert spikes.dtype == dtype
        assert spikes.tolist() == [0, 0, not strict, 1, 1]
        torch.testing.assert_close(gradient, ATan().derivative(x), rtol=0, atol=0)


X_SEEN = torch.linspace(-3, 3, 6001, dtype=torch.float64)
H1 = lambda a, x: (x.abs() < a / 2).double() / a  # noqa: E731
H2 = lambda a, x: (math.sqrt(a) / 2 - a / 4 * x.abs()) * (2 / math.sqrt(a) - x.abs() > 0)  # noqa: E731
H3 = lambda a, x: torch.exp(-x / a) / (a * (1 + torch.exp(-x / a)) ** 2)  # noqa: E731
H4 = lambda a, x: torch.exp(-(x**2) / (2 * a)) / math.sqrt(2 * math.pi * a)  # noqa: E731


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("shape", "surrogate"),
    [
        (H1, lambda a: Rectangle(width=a)),
        (H2, lambda a: Triangle(gamma=2 / math.sqrt(a))),
        (H3, lambda a: Sigmoid(alpha=1 / a)),
        (H4, lambda a: Gaussian(sigma=math.sqrt(a))),
    ],
    ids=["h1", "h2", "h3", "h4"],
)
def test_stbps_four_shapes(shape, surrogate, a):
    torch.testing.assert_close(surrogate(a).derivative(X_SEEN), shape(a, X_SEEN))


def test_torch_compile_traces_a_neuron_without_a_graph_break():
    neuron, x = LIF(site(), ATan()), torch.randn(3, 2, 3) * 2
    compiled = torch.compile(neuron, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(graded(compiled, x), graded(neuron, x))


@pytest.mark.peer
def test_gradients_equal_spikingjelly():
    peer, x = spikingjelly("surrogate"), torch.linspace(-1.3, 1.3, 41, dtype=torch.float64)
    for ours, theirs in [(ATan(2.0), peer.ATan(2.0)), (Sigmoid(4.0), peer.Sigmoid(4.0)), (Sigmoid(2), peer.Sigmoid(2))]:
        torch.testing.assert_close(graded(ours, x), graded(theirs, x))
