"""Dspike's derivative: the numbers of its catalogue page (checks 1 to 4), and SpikingJelly's formula."""

import pytest
import torch

from snnbench.neurons.lif import LIF
from snnbench.site import Site
from snnbench.surrogates.dspike import Dspike
from tests.tiny import column, compared, graded, spikingjelly

VALUES = [
    (1.0, 0.5, 1.0819767),
    (1.0, 0.25, 1.0170742),
    (1.0, 0.0, 0.8509181),
    (3.0, 0.5, 1.6571871),
    (3.0, 0.25, 0.9886543),
    (3.0, 0.0, 0.2994647),
    (5.0, 0.5, 2.5339183),
    (5.0, 0.25, 0.7105484),
]


@pytest.mark.parametrize(("b", "u", "expected"), VALUES)
def test_derivative_at_a_threshold_of_one_half(b, u, expected):
    found = Dspike(b).derivative(torch.tensor(u - 0.5, dtype=torch.double))
    assert found.item() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("b", "quarter"), [(0.01, None), (1.0, 0.2350037), (3.0, 0.1491465), (20.0, None)])
def test_area_is_one_and_nothing_lies_outside(b, quarter):
    """Check 1: D(1/4) is the derivative's area from 0 on."""
    x = torch.linspace(-0.5, 0.5, 40001, dtype=torch.double)
    derivative = Dspike(b).derivative(x)
    assert torch.trapezoid(derivative, x).item() == pytest.approx(1, abs=1e-6)
    if quarter:
        assert torch.trapezoid(derivative[:10001], x[:10001]).item() == pytest.approx(quarter, abs=6e-8)
    assert Dspike(b).derivative(torch.tensor([-0.51, 0.51])).tolist() == [0, 0]


def test_cold_limit_is_the_rectangle():
    x = torch.linspace(-0.5, 0.5, 11, dtype=torch.double)
    torch.testing.assert_close(Dspike(0.01).derivative(x), torch.ones_like(x), rtol=0, atol=1e-4)


@pytest.mark.peer
@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_spikingjelly(alpha):
    """Check 3 against the class itself, beyond the support too."""
    peer, x = spikingjelly("model.spike_dhs"), torch.linspace(-0.75, 0.75, 151, dtype=torch.double)
    torch.testing.assert_close(graded(Dspike(alpha), x), graded(peer.DSpike(alpha), x))


@pytest.mark.parametrize(("detach", "expected"), [(False, 1.8386459), (True, 2.2318491)])
def test_gradient_of_four_steps(detach, expected):
    """LIF with alpha 0.5, v_th 0.5, hard reset; the gradient of the spike count in a weight of 1."""
    neuron = LIF(Site(1, 4), Dspike(3.0), tau=2.0, decay_input=False, v_th=0.5, detach_reset=detach)
    x_seq = column(0.3, 0.4, 0.2, 0.6)
    assert compared(neuron, x_seq) == pytest.approx([0.3, 0.55, 0.2, 0.7])
    spikes, (gradient,) = graded(lambda weight: neuron(weight * x_seq), torch.ones((), dtype=torch.double))
    assert spikes.flatten().tolist() == [0, 1, 0, 1]
    assert gradient.item() == pytest.approx(expected, abs=1e-7)
