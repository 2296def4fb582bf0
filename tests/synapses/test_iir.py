"""Synapse filters, their neuron and surrogate against the catalogue page's numbers."""

import math

import pytest
import torch

from snnbench.errors import ConfigError
from snnbench.models.filter_net import FilterNet
from snnbench.models.parts import Parts
from snnbench.neurons.iir import IIRNeuron
from snnbench.norms.none import NoNorm
from snnbench.objectives.mean_ce import MeanCE
from snnbench.surrogates.gaussian import Gaussian
from snnbench.synapses.iir import IIR, DualExponential, LowPass
from tests.tiny import column, compared, site

F64 = torch.float64


class OfficialGaussian(Gaussian):
    """The released code writes sqrt(2 pi) as 2.506628, 1.1e-7 too little; the page's gradients come from it."""

    def derivative(self, x):
        return super().derivative(x) * (math.sqrt(2 * math.pi) / 2.506628)


def impulse(steps):
    return torch.eye(steps, 1, dtype=F64).view(steps, 1, 1)


def exact(filter, **values):
    """The filter in double, its coefficients from the closed form (a float32 parameter keeps 7 digits)."""
    filter = filter.double()
    with torch.no_grad():
        for name, value in values.items():
            getattr(filter, name).fill_(value)
    return filter


def dual(tau_m=4.0, tau_s=1.0):
    slow, fast = math.exp(-1 / tau_m), math.exp(-1 / tau_s)
    return exact(DualExponential(1, True, tau_m, tau_s, True), a1=slow + fast, a2=-slow * fast, b1=slow - fast)


def net_of(in_shape, classes=10, order="dual_exp", **arguments):
    parts = Parts(lambda s, **c: IIRNeuron(s, Gaussian(), **c), NoNorm, IIR(order), 25)
    return FilterNet(parts, in_shape, classes, **arguments)


def test_page_coefficients_and_impulse_response():
    """filter_dynamics page, check 1."""
    fresh = DualExponential(1, True, 4.0, 1.0, True)
    assert [getattr(fresh, n).item() for n in fresh.names] == pytest.approx(
        [1.1466802, -0.2865048, 0.4109213], abs=1e-7
    )
    response = dual()(impulse(6)).flatten().tolist()
    assert response == pytest.approx([0.4109213, 0.4711954, 0.4225795, 0.3495638, 0.2797668, 0.2206514], abs=1e-7)
    assert response == pytest.approx([math.exp(-n / 4) - math.exp(-n) for n in range(1, 7)], abs=1e-12)


def test_page_one_line_forward_and_gradients():
    """filter_dynamics page, check 2."""
    x, weight = column(1, 1, 0, 1), torch.tensor(2.5, dtype=F64, requires_grad=True)
    filter, neuron, seen = dual(), IIRNeuron(site(1), OfficialGaussian()), []
    f = filter(x)
    assert f.flatten().tolist() == pytest.approx([0.4109213, 0.8821167, 0.8937749, 1.1830646], abs=1e-7)
    state, spikes = neuron.initial_state(x[0]), []
    for f_t in f:
        s_t, state = neuron.step(weight * f_t, state)
        spikes.append(s_t)
        seen.append([part.item() for part in state])
    v, r = zip(*seen)
    assert v == pytest.approx([1.0273034, 1.2052918, 0.4556364, 1.5723301], abs=1e-7)
    assert r == pytest.approx([1, 1.7788008, 1.3853314, 2.0788972], abs=1e-7)
    assert [s.item() for s in spikes] == [1, 1, 0, 1]
    torch.stack(spikes).sum().backward()
    assert weight.grad.item() == pytest.approx(1.0831934, abs=1e-7)
    found = [getattr(filter, name).grad.item() for name in filter.names]
    assert found == pytest.approx([3.3628934, 1.4727832, 6.5900291], abs=1e-7)


def test_page_surrogate():
    """filter_dynamics page, check 3."""
    v = torch.tensor([1.0, 0.6, 0.2, 1.4], dtype=F64)
    expected = [0.9973558, 0.6049269, 0.1349774, 0.6049269]
    assert OfficialGaussian().derivative(v - 1).tolist() == pytest.approx(expected, abs=5e-8)
    assert Gaussian().derivative(v - 1).tolist() == pytest.approx(expected, rel=2e-7)
    grid = torch.linspace(-4, 4, 8001, dtype=F64)
    assert torch.trapezoid(Gaussian().derivative(grid), grid).item() == pytest.approx(1, abs=1e-9)
    assert IIRNeuron(site(1), Gaussian())(torch.ones(1, 1, 1)).item() == 0, "V = 1 exactly does not fire"


def test_page_low_pass():
    """filter_dynamics page, check 5."""
    filter = LowPass(1, True, 4.0, True)
    assert filter.a1.item() == pytest.approx(0.7788008, abs=1e-7)
    assert filter(impulse(4).float()).flatten().tolist() == pytest.approx([math.exp(-n / 4) for n in range(4)])


@pytest.mark.parametrize(("order", "count"), [("dual_exp", 653_362), ("low_pass", 649_794)])
def test_page_parameters_of_the_mlp(order, count):
    """filter_dynamics page, check 7."""
    net = net_of((1, 28, 28), order=order)
    assert sum(p.numel() for p in net.parameters()) == count
    assert sum(p.numel() for n, p in net.named_parameters() if "filter" not in n) == 648_010


@pytest.mark.parametrize("order", ["dual_exp", "low_pass"])
def test_every_line_has_coefficients_of_its_own(order):
    filter, x = IIR(order).linear(3, 4).filter, torch.rand(6, 2, 3)
    assert all(coefficient.shape == (3,) for coefficient in filter.parameters())
    alone = torch.zeros_like(x)
    alone[:, :, 1] = x[:, :, 1]
    torch.testing.assert_close(filter(alone)[:, :, 1], filter(x)[:, :, 1])
    assert not any(p.requires_grad for p in IIR(order, train=False).linear(3, 4).filter.parameters())


def test_membrane_filter():
    neuron, d = IIRNeuron(site(1), Gaussian(), membrane_filter=True), math.exp(-0.25)
    x = column(0.5, 0.5, 0.5)
    assert compared(neuron, x) == pytest.approx([0.5, 0.5 * (1 + d), 0.5 * (1 + d + d * d)])
    assert neuron(x).flatten().tolist() == [0, 0, 1]


def test_score_is_the_spike_count():
    net = net_of((1, 4, 4), 3, layers=["4C3", "MP2"], hidden=[8])
    x, y = torch.rand(25, 2, 1, 4, 4) * 4, torch.tensor([0, 2])
    net.eval()
    counts = net.output(net.features(x)).sum(0)
    logits = net(x)
    torch.testing.assert_close(logits.mean(0), counts)
    torch.testing.assert_close(MeanCE()(logits, y)[0], torch.nn.functional.cross_entropy(counts, y))


def test_layers_are_read_or_refused():
    shapes = net_of((2, 34, 34), layers=["32C3", "32C3", "64C3", "MP2P1", "64C3", "MP2"], hidden=[256])
    assert shapes.units()[-2].synapse.weight.shape == (256, 64 * 9 * 9)
    gesture = net_of((2, 128, 128), 11, layers=["64C7S3P1", "32C3S3P0", "32C3"], hidden=[256])
    assert gesture.units()[-2].synapse.weight.shape == (256, 32 * 14 * 14)
    with pytest.raises(ConfigError, match="nothing is left"):
        net_of((1, 4, 4), layers=["MP2", "MP2", "MP2"])
    with pytest.raises(ConfigError, match="must lie below"):
        IIR(tau_s=4.0).linear(2, 2)


def test_real_filter_outputs_count_as_macs():
    """The weights meet the filtered trace, not the spike."""
    from snnbench.metrics.operations import count_operations

    net = net_of((1, 4, 4), 3, hidden=[8])
    counted = count_operations(net, [(torch.rand(6, 2, 1, 4, 4) > 0.5).float()])
    assert counted["acs"] == 0
    assert counted["macs"] == pytest.approx(counted["dense_macs"])
