"""PLIF: the numbers of the catalogue page plif, its time constant, and SpikingJelly 2.0 in double."""

import math

import pytest
import torch

from snnbench.neurons.lif import LIF
from snnbench.neurons.plif import PLIF
from snnbench.surrogates.atan import ATan
from tests.neurons.test_lif import RESETS, both_resets
from tests.tiny import assert_same_neuron, column, compared, graded, site, spikingjelly

F64 = torch.float64
X = column(0.9, 1.4, 0.8, 2.5)


@pytest.mark.parametrize(
    ("tau", "detach", "potentials", "dw", "dx"),
    [
        (2.0, True, [0.45, 0.925, 0.8625, 1.68125], 0.5954276, [0.4788469, 0.7067876, 0.4661718, 0.0895977]),
        (2.0, False, [0.45, 0.925, 0.8625, 1.68125], 0.4403534, None),
        (16.0, True, [0.05625, 0.1402344, 0.1814697, 0.3263779], 0.0936754, None),
    ],
)
def test_page_numbers(tau, detach, potentials, dw, dx):
    """plif page, checks 1 and 2."""
    neuron = PLIF(site(1), ATan(2.0), tau, detach_reset=detach).double()
    assert compared(neuron, X) == pytest.approx(potentials, abs=1e-7)
    spikes, (gradient, slope) = graded(neuron, X, parameters=[neuron.w])
    assert spikes.flatten().tolist() == [0, 0, 0, tau == 2]
    assert slope.item() == pytest.approx(dw, abs=1e-7)
    assert dx is None or gradient.flatten().tolist() == pytest.approx(dx, abs=1e-7)


@pytest.mark.parametrize("tau", [1.01, 1.5, 2.0, 3.7, 16.0, 1000.0])
def test_starts_at_the_time_constant_asked_for(tau):
    """plif page, check 5: sigma(-ln(tau - 1)) = 1/tau for any tau > 1; weight decay spares it."""
    neuron = PLIF(site(1), ATan(), tau)
    assert neuron.w.item() == pytest.approx(-math.log(tau - 1), abs=1e-6)
    assert neuron.tau == pytest.approx(tau, rel=1e-5)
    assert neuron.w.no_weight_decay


@pytest.mark.parametrize("decay_input", [True, False])
def test_with_fixed_w_it_is_lif(decay_input):
    x = torch.randn(6, 4, 3, dtype=F64) * 2
    plif = PLIF(site(), ATan(), 3.0, decay_input).double()
    assert torch.equal(plif(x), LIF(site(), ATan(), plif.tau, decay_input)(x))


@pytest.mark.peer
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize(("v_reset", "detach"), RESETS)
def test_equals_spikingjelly(v_reset, detach, decay_input):
    peer, (reset, resets) = spikingjelly("neuron"), both_resets(v_reset, detach)
    resets["surrogate_function"] = spikingjelly("surrogate").ATan(2.0)
    ours = PLIF(site(), ATan(), 2.6, decay_input, **reset).double()
    theirs = peer.ParametricLIFNode(init_tau=2.6, decay_input=decay_input, **resets).double()
    assert_same_neuron(ours, theirs, torch.randn(8, 4, 3, 2, dtype=F64) * 2)
