"""Dspike's derivative: the numbers of its catalogue page (checks 1 to 4), and SpikingJelly's formula."""

import math

import pytest
import torch

from snnbench.neurons.lif import LIF
from snnbench.site import Site
from snnbench.surrogates.dspike import Dspike

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


@pytest.mark.parametrize(("b", "a", "quarter"), [(1.0, 1.0819767, 0.2350037), (3.0, 0.5523957, 0.1491465)])
def test_function_whose_derivative_it_is(b, a, quarter):
    """Check 1: D'(c) = a b, and D(1/4) is the derivative's area from 0 on."""
    assert Dspike(b).derivative(torch.zeros((), dtype=torch.double)).item() / b == pytest.approx(a, abs=5e-8)
    x = torch.linspace(-0.5, -0.25, 20001, dtype=torch.double)
    assert torch.trapezoid(Dspike(b).derivative(x), x).item() == pytest.approx(quarter, abs=6e-8)


@pytest.mark.parametrize("b", [0.01, 1.0, 3.0, 20.0])
def test_area_is_one_and_nothing_lies_outside(b):
    x = torch.linspace(-0.5, 0.5, 20001, dtype=torch.double)
    assert torch.trapezoid(Dspike(b).derivative(x), x).item() == pytest.approx(1, abs=1e-6)
    assert Dspike(b).derivative(torch.tensor([-0.51, 0.51])).tolist() == [0, 0]


@pytest.mark.parametrize("b", [0.5, 1.0, 3.0, 5.0])
def test_spikingjellys_formula(b):
    """Check 3: alpha / (2 tanh(alpha / 2) cosh^2(alpha x)) with alpha = b, x = v - 1/2, inside the support."""
    x = torch.linspace(-0.5, 0.5, 101, dtype=torch.double)
    torch.testing.assert_close(Dspike(b).derivative(x), b / (2 * math.tanh(b / 2) * torch.cosh(b * x).square()))


@pytest.mark.peer
@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_spikingjelly(alpha):
    """Check 3 against the class itself, beyond the support too."""
    peer = pytest.importorskip("spikingjelly.activation_based.model.spike_dhs")
    x, found = torch.linspace(-0.75, 0.75, 151, dtype=torch.double, requires_grad=True), []
    for spike in (Dspike(alpha), peer.DSpike(alpha)):
        spikes = spike(x)
        found.append([spikes.detach(), *torch.autograd.grad(spikes.sum(), x)])
    torch.testing.assert_close(found[0], found[1])


def test_cold_limit_is_the_rectangle():
    x = torch.linspace(-0.5, 0.5, 11, dtype=torch.double)
    torch.testing.assert_close(Dspike(0.01).derivative(x), torch.ones_like(x), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("detach", "expected"), [(False, 1.8386459), (True, 2.2318491)])
def test_gradient_of_four_steps(detach, expected):
    """LIF with alpha 0.5, v_th 0.5, hard reset; the gradient of the spike count in a weight of 1."""
    neuron = LIF(Site(1, 4), Dspike(3.0), tau=2.0, decay_input=False, v_th=0.5, detach_reset=detach)
    weight = torch.ones((), dtype=torch.double, requires_grad=True)
    x_seq = torch.tensor([0.3, 0.4, 0.2, 0.6], dtype=torch.double).view(4, 1, 1)
    seen, fire = [], neuron.fire
    neuron.fire = lambda v: seen.append(v.item()) or fire(v)
    spikes = neuron(weight * x_seq)
    assert seen == pytest.approx([0.3, 0.55, 0.2, 0.7])
    assert spikes.flatten().tolist() == [0, 1, 0, 1]
    spikes.sum().backward()
    assert weight.grad.item() == pytest.approx(expected, abs=1e-7)
