"""`Unit.mechanics`: a rule replaces what a unit does, and what watches the network still sees the unit."""

import copy

import pytest
import torch
from torch import nn

from snnbench.metrics.firing import FiringRates
from snnbench.models.csnn import CSNN
from snnbench.models.parts import Parts
from snnbench.neurons.lif import LIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.objectives.taps import Taps, outline
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain

T = 3


class _Through(torch.autograd.Function):
    """Any values with a gradient of one's own: what arrives goes to the input as it is."""

    @staticmethod
    def forward(ctx, current, spikes):
        return spikes

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def straight_through(unit, x_seq, residual=None):
    """The unit's spikes, the gradient of its summed current."""
    current = unit.norm(unit.synapse(x_seq))
    with torch.no_grad():
        spikes = unit.neuron(current, residual=residual)
    return _Through.apply(current, spikes)


@pytest.fixture
def net() -> CSNN:
    torch.manual_seed(0)
    parts = Parts(lambda site, **changes: LIF(site, ATan(), v_th=0.3, **changes), BatchNorm, Plain(), T)
    return CSNN(parts, (2, 8, 8), 5, width=4, hidden=6)


def replace(net, mechanics=straight_through):
    for unit in net.units():
        unit.mechanics = mechanics
    return net


def test_none_is_the_plain_unit(net):
    x_seq, copied = torch.randn(T, 2, 2, 8, 8), copy.deepcopy(net)
    assert torch.equal(net(x_seq), replace(copied, lambda unit, x_seq, residual: unit.plain(x_seq, residual))(x_seq))


def test_values_stay_and_the_gradient_is_the_rules_own(net):
    plain, x_seq = copy.deepcopy(net), torch.randn(T, 2, 2, 8, 8)
    replace(net)
    logits, expected = net(x_seq), plain(x_seq)
    torch.testing.assert_close(logits, expected)
    logits.sum().backward()
    expected.sum().backward()
    arrived = (torch.ones(T * 2, 5) @ net.readout.weight).sum(0)  # at the hidden layer, past its surrogate
    torch.testing.assert_close(net.hidden.synapse.bias.grad, arrived)
    assert not torch.allclose(plain.hidden.synapse.bias.grad, arrived)


def test_names_copies_and_counts_stay(net):
    names, x_seq = list(net.state_dict()), torch.randn(T, 2, 2, 8, 8)
    replace(net).eval()
    copied = copy.deepcopy(net)
    assert list(net.state_dict()) == names
    assert copied.units()[0].mechanics is net.units()[0].mechanics
    with torch.no_grad(), FiringRates(net) as firing:
        net(x_seq)
    assert list(firing.rates()) == list(net.neurons())
    assert max(firing.rates().values()) > 0


def test_a_tapped_output_has_the_rules_gradient(net):
    replace(net)
    with Taps(net, ["features.0.neuron"], ("features",)) as taps:
        net(torch.randn(T, 2, 2, 8, 8))
    (spikes,) = taps.values()["features"].values()
    spikes.sum().backward()
    assert net.features[0].norm.bias.grad.tolist() == [T * 2 * 64] * 4
    assert not any(module._forward_hooks for module in net.modules())


def test_an_outline_says_where_currents_carry_no_gradient(net):
    x_seq = torch.randn(T, 2, 2, 8, 8)
    assert outline(net, x_seq).replaced == frozenset()
    net.hidden.mechanics = straight_through
    assert outline(net, x_seq).replaced == {"hidden.neuron"}
    assert isinstance(net.hidden.norm, nn.Identity)
