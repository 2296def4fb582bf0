"""IF, LIF and PLIF against SpikingJelly 2.0 in double: the same spikes, the same gradients."""

import itertools

import pytest
import torch

from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.neurons.plif import PLIF
from snnbench.surrogates.atan import ATan
from tests.tiny import site

pytestmark = pytest.mark.peer
peer = pytest.importorskip("spikingjelly.activation_based.neuron")
peer_surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")

RESETS = list(itertools.product([0.0, -0.25, None], [True, False]))  # v_reset (None: soft), detach_reset


def compare(ours, theirs):
    """Spikes, input gradient and (where there is one) gradient of w."""
    ours, theirs = ours.double(), theirs.double()
    torch.manual_seed(0)
    x = (torch.randn(8, 4, 3, 2, dtype=torch.float64) * 2).requires_grad_()
    weights = torch.randn_like(x)
    gradients = []
    for neuron in (ours, theirs):
        spikes = neuron(x)
        wanted = [x, *neuron.parameters()]
        gradients.append([spikes.detach(), *torch.autograd.grad((spikes * weights).sum(), wanted)])
    assert 0.05 < gradients[0][0].mean() < 0.95
    assert torch.equal(gradients[0][0], gradients[1][0])
    for a, b in zip(gradients[0][1:], gradients[1][1:], strict=True):
        torch.testing.assert_close(a, b.view_as(a), rtol=1e-10, atol=1e-12)


def both_resets(v_reset: float | None) -> dict:
    return {"reset": "soft"} if v_reset is None else {"reset": "hard", "v_reset": v_reset}


def theirs_kwargs(v_reset: float | None, detach: bool) -> dict:
    return {
        "v_threshold": 0.9, "v_reset": v_reset, "detach_reset": detach, "step_mode": "m",
        "surrogate_function": peer_surrogate.ATan(2.0),
    }  # fmt: skip


@pytest.mark.parametrize(("v_reset", "detach"), RESETS)
def test_if(v_reset, detach):
    compare(
        IF(site(), ATan(), v_th=0.9, detach_reset=detach, **both_resets(v_reset)),
        peer.IFNode(**theirs_kwargs(v_reset, detach)),
    )


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize(("v_reset", "detach"), RESETS)
def test_lif(v_reset, detach, decay_input):
    compare(
        LIF(site(), ATan(), 2.6, decay_input, v_th=0.9, detach_reset=detach, **both_resets(v_reset)),
        peer.LIFNode(tau=2.6, decay_input=decay_input, **theirs_kwargs(v_reset, detach)),
    )


@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize(("v_reset", "detach"), RESETS)
def test_plif(v_reset, detach, decay_input):
    compare(
        PLIF(site(), ATan(), 2.6, decay_input, v_th=0.9, detach_reset=detach, **both_resets(v_reset)),
        peer.ParametricLIFNode(init_tau=2.6, decay_input=decay_input, **theirs_kwargs(v_reset, detach)),
    )
