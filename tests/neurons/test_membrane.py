"""What stands between charge and fire changes what the threshold sees and leaves the reset to the potential itself."""

import logging

import pytest
import torch
from torch import nn

from snnbench.kernels import dispatch, use
from snnbench.kernels.common.form import Refusal
from snnbench.neurons.lif import LIF
from snnbench.site import Site
from snnbench.surrogates.sigmoid import Sigmoid
from tests.tiny import walked

T, N, C = 4, 3, 2


class NormedPotential(LIF):
    """The neuron of MPBN, as a plugin would write it: a batch norm of each step's potential before the threshold."""

    def __init__(self, site, surrogate, **values):
        super().__init__(site, surrogate, tau=4 / 3, decay_input=False, v_th=0.5, strict=True, **values)
        self.norm = nn.BatchNorm2d(site.channels)

    def compared(self, h):
        return self.norm(super().compared(h))


class Halved(nn.Module):
    def forward(self, h):
        return 0.5 * h


def make(cls=NormedPotential, **values):
    return cls(Site(C, T), Sigmoid(4.0), **values).double()


def by_hand(x_seq, norm, detach):
    """MPBN's equations: u = 0.25 u' + I;  o = 1[BN(u) > 0.5];  u' = u (1 - o)."""
    surrogate, u, outputs = Sigmoid(4.0), torch.zeros_like(x_seq[0]), []
    for x_t in x_seq:
        u = 0.25 * u + x_t
        spike = surrogate(norm(u) - 0.5, strict=True)
        u = u * (1 - (spike.detach() if detach else spike))
        outputs.append(spike)
    return torch.stack(outputs)


@pytest.mark.parametrize("detach", [True, False])
def test_a_norm_of_the_potential_gives_mpbns_spikes_and_gradients(detach):
    x = torch.randn(T, N, C, 5, 5, dtype=torch.double, requires_grad=True)
    other = x.detach().clone().requires_grad_()
    neuron, norm = make(detach_reset=detach), nn.BatchNorm2d(C).double()
    spikes, expected = neuron(x), by_hand(other, norm, detach)
    assert torch.equal(spikes, expected)
    assert 0 < spikes.mean() < 1
    weights = torch.randn_like(spikes)
    for y in (spikes, expected):
        (y * weights).sum().backward()
    torch.testing.assert_close(x.grad, other.grad)
    torch.testing.assert_close(neuron.norm.weight.grad, norm.weight.grad)
    torch.testing.assert_close(neuron.norm.running_var, norm.running_var)


def test_a_walk_sees_the_same_threshold():
    x = torch.randn(T, N, C, 5, 5).double()
    assert torch.equal(walked(make(), x), make()(x))


def test_an_attention_acts_before_the_threshold_and_not_on_what_is_kept():
    neuron = LIF(Site(1, 2), Sigmoid(), tau=2.0, decay_input=False)
    neuron.attention = Halved()
    assert neuron(torch.tensor([1.5, 1.0]).view(2, 1, 1)).flatten().tolist() == [0, 0]
    assert neuron(torch.tensor([1.5, 1.25]).view(2, 1, 1)).flatten().tolist() == [0, 1]  # 0.75 + 1.25: 1.5 was kept


@pytest.mark.parametrize("how", ["override", "attention"])
def test_kernels_step_aside_and_the_log_says_why(how, caplog, monkeypatch):
    monkeypatch.setattr(dispatch, "_said", set())
    neuron = make() if how == "override" else make(LIF)
    if how == "attention":
        assert not isinstance(neuron.kernel_form(), Refusal)
        neuron.attention = Halved()
    assert isinstance(neuron.kernel_form(), Refusal)
    with use("fused"), caplog.at_level(logging.WARNING):
        neuron.float()(torch.randn(T, N, C, 5, 5))
    reasons = {
        "override": "NormedPotential overrides compared(), which the kernel computes itself",
        "attention": "an attention scales the potential before it is compared with the threshold",
    }
    assert reasons[how] in caplog.text
