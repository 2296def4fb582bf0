"""IF and LIF: the numbers of the catalogue page stbp (checks 1, 4, 5), and SpikingJelly 2.0 in double."""

import itertools

import pytest
import torch
from torch import nn

from snnbench.errors import ConfigError
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.objectives.mean_mse import MeanMSE
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.rectangle import Rectangle
from tests.tiny import assert_same_neuron, column, compared, graded, site, spikingjelly

F64 = torch.float64
RESETS = list(itertools.product([0.0, -0.25, None], [True, False]))  # v_reset (None: soft), detach_reset


def both_resets(v_reset: float | None, detach: bool) -> tuple[dict, dict]:
    """What tells our neuron and SpikingJelly's how to reset."""
    ours = {"reset": "soft"} if v_reset is None else {"reset": "hard", "v_reset": v_reset}
    theirs = {"v_threshold": 0.9, "v_reset": v_reset, "detach_reset": detach, "step_mode": "m"}
    return ours | {"v_th": 0.9, "detach_reset": detach}, theirs


@pytest.mark.peer
@pytest.mark.parametrize("decay_input", [None, True, False])
@pytest.mark.parametrize(("v_reset", "detach"), RESETS)
def test_equals_spikingjelly(v_reset, detach, decay_input):
    peer, (reset, resets) = spikingjelly("neuron"), both_resets(v_reset, detach)
    resets["surrogate_function"] = spikingjelly("surrogate").ATan(2.0)
    if decay_input is None:
        ours, theirs = IF(site(), ATan(), **reset), peer.IFNode(**resets)
    else:
        ours = LIF(site(), ATan(), 2.6, decay_input, **reset)
        theirs = peer.LIFNode(tau=2.6, decay_input=decay_input, **resets)
    assert_same_neuron(ours, theirs, torch.randn(8, 4, 3, 2, dtype=F64) * 2)


def stbp(decay=0.2, detach=False):
    """u_t = d u_{t-1} (1 - o_{t-1}) + x_t, firing at u > 0.5, the reset in the graph unless told."""
    tau = 1 / (1 - decay)
    return LIF(site(1), Rectangle(1.0), tau, False, v_th=0.5, detach_reset=detach, strict=True)


@pytest.mark.parametrize(
    ("detach", "expected"), [(False, [-0.2952159, -0.4930000]), (True, [-0.3115000, -0.5000000])]
)  # fmt: skip
def test_gradient_of_two_neurons_in_a_row(detach, expected):
    """Check 1: one weight each, loss (mean of o2 - 1)^2, which is the objective's with one class and target 1."""
    weights, x, neuron = torch.tensor([0.9, 0.7], dtype=F64), column(0.4, 0.6, 0.3, 0.9), stbp(detach=detach)
    weights.requires_grad_()
    o1 = neuron(weights[0] * x)
    o2 = neuron(weights[1] * o1)
    assert compared(neuron, 0.9 * x) == pytest.approx([0.36, 0.612, 0.27, 0.864])
    assert compared(neuron, 0.7 * o1.detach()) == pytest.approx([0, 0.7, 0, 0.7])
    assert o1.flatten().tolist() == o2.flatten().tolist() == [0, 1, 0, 1]
    loss, _ = MeanMSE()(o2, torch.ones(1, 1, dtype=F64))
    assert loss.item() == 0.25
    loss.backward()
    assert weights.grad.tolist() == pytest.approx(expected, abs=1e-7)


def test_neuron_at_its_threshold_does_not_fire_where_strict():
    assert stbp()(column(0.5, 0.5001)).flatten().tolist() == [0, 1]


def test_without_memory_steps_are_independent():
    """Check 4: d = 0 is a binary network at each step, in both directions."""
    x_seq, upstream = torch.randn(5, 3, 2, dtype=F64), torch.randn(5, 3, 2, dtype=F64)
    spikes, (gradient,) = graded(stbp(decay=0.0), x_seq, upstream)
    assert torch.equal(spikes, (x_seq > 0.5).double())
    assert torch.equal(gradient, upstream * ((x_seq - 0.5).abs() < 0.5))


def test_one_step_is_a_straight_through_binary_network():
    """Check 5: T = 1 against binary activations whose gradient passes where |u - V| < 1/2."""
    first, second = nn.Linear(6, 8).double(), nn.Linear(8, 3).double()
    x, target = torch.rand(4, 6, dtype=F64) * 2, torch.tensor([0, 1, 2, 1])

    def straight_through(u):
        inside = torch.where((u - 0.5).abs() < 0.5, u, u.detach())
        return (u > 0.5).double() + inside - inside.detach()

    parameters, found = [*first.parameters(), *second.parameters()], []
    for fire in (straight_through, stbp()):
        rates = fire(second(fire(first(x.unsqueeze(0)))))
        found.append(torch.autograd.grad(MeanMSE()(rates, target)[0], parameters))
    assert any(gradient.any() for gradient in found[0])
    torch.testing.assert_close(*found)


def test_reset_above_threshold_is_refused():
    with pytest.raises(ConfigError, match=r"neuron\.v_reset=1\.5.*neuron\.v_th=1\.0"):
        LIF(site(), ATan(), v_reset=1.5)
