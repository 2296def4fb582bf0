"""GLIF against its catalogue page's numbers (float64) and SpikingJelly's node."""

import pytest
import torch

from snnbench.errors import ConfigError
from snnbench.neurons.glif import GLIF
from snnbench.neurons.lif import LIF
from snnbench.site import Site
from snnbench.surrogates.rectangle import Rectangle
from snnbench.surrogates.sigmoid import Sigmoid
from tests.tiny import assert_same_neuron, column, graded, site, spikingjelly

F64 = torch.float64
LOUD, QUIET = [0.9, 1.4, 0.8, 2.5], [0.3, 0.4, 0.1, 0.5]


def released(**changes) -> GLIF:
    """The page's defaults in double: gates .55, .65, .55, tau .25, v_th .5, leak .0625, c .5."""
    neuron = GLIF(site(1), Rectangle(), gates=[0.6, 0.8, 0.6], **changes).double()
    for name, value in (
        ("alpha", 0.55), ("beta", 0.65), ("gamma", 0.55), ("tau", 0.25), ("threshold", 0.5), ("reset", 0.5),
        ("leak", 0.0625), ("conduct", 0.5),
    ):  # fmt: skip
        parameter = getattr(neuron, name)
        exact = torch.full_like(parameter, value).logit()
        torch.testing.assert_close(parameter.data, exact, rtol=1e-6, atol=1e-6)
        parameter.data.copy_(exact)
    return neuron


def walk(neuron, values):
    x, u, o = column(*values), [], []
    state = neuron.initial_state(x[0])
    for x_t in x:
        spike, state = neuron.step(x_t, state)
        u.append(state[1].item())
        o.append(spike.item())
    return u, o


def test_loud_input():
    """glif page, check 1."""
    neuron = released()
    u, o = walk(neuron, LOUD)
    assert u == pytest.approx([0.579375, 0.8450473, 0.5102844, 1.5692814], abs=1e-7)
    assert o == [1, 1, 1, 1]
    x = column(*LOUD).requires_grad_()
    neuron(x).sum().backward()
    assert x.grad.flatten().tolist() == pytest.approx([0.5985298, 0.5172654, 0.675, 0], abs=1e-7)
    wanted = {
        "alpha": -0.0666355, "beta": -0.3038133, "gamma": 0.0311485, "tau": 0.0598192, "threshold": -0.5465148,
        "leak": -0.0699529, "reset": -0.1987109,
    }  # fmt: skip
    assert {n: getattr(neuron, n).grad.item() for n in wanted} == pytest.approx(wanted, abs=1e-7)
    assert neuron.conduct.grad.flatten().tolist() == pytest.approx([0.1296815, 0.1743376, 0.13, 0], abs=1e-7)


def test_quiet_input():
    """glif page, check 2."""
    u, o = walk(released(), QUIET)
    assert u == pytest.approx([0.174375, 0.3443203, 0.2416632, 0.4513521], abs=1e-7)
    assert sum(o) == 0
    assert graded(released(), column(*QUIET))[1][0].flatten().tolist() == pytest.approx(
        [0.9483417, 0.8928210, 0.8669785, 0.675], abs=1e-7
    )


def gated(alpha: float, beta: float, gamma: float) -> GLIF:
    neuron = released()
    for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        getattr(neuron, name).data.fill_(float("inf") if value else float("-inf"))
    return neuron


def test_gate_limits():
    """glif page, checks 3 and 4."""
    u, o = walk(gated(1, 0, 1), QUIET)
    assert u == pytest.approx([0.3, 0.475, 0.21875, 0.5546875])
    assert o == [0, 0, 0, 1]
    lif = LIF(site(1), Rectangle(), 1 / 0.75, False, v_th=0.5, strict=True)
    assert lif(column(*QUIET)).flatten().tolist() == o
    u, o = walk(gated(0, 0, 0), QUIET)
    assert u == pytest.approx([0.2375, 0.575, 0.1125, 0.55])
    assert o == [0, 1, 0, 1]


def test_hard_gates_round_forward_and_pass_the_gradient():
    neuron = GLIF(site(1), Rectangle(), gates=[0.6, 0.2, 0.6], hard_gates=True).double()
    assert [neuron.gate(g).item() for g in (neuron.alpha, neuron.beta, neuron.gamma)] == [1, 0, 1]
    neuron(column(*QUIET)).sum().backward()
    assert all(getattr(neuron, name).grad.abs().sum() > 0 for name in ("alpha", "beta"))


@pytest.mark.parametrize(("channels", "wise", "count"), [(1, True, 11), (64, True, 704), (64, False, 11)])
def test_parameter_counts(channels, wise, count):
    """glif page, check 5: (7 + T) C, or 7 + T."""
    neuron = GLIF(site(channels), Rectangle(), channel_wise=wise)
    assert sum(p.numel() for p in neuron.parameters()) == count
    assert all(p.no_weight_decay for p in neuron.parameters())
    assert neuron.v_th == 0.5
    assert neuron(torch.randn(4, 2, channels, 3)).shape == (4, 2, channels, 3)


def test_random_gates_start_near_a_half():
    gates = torch.stack([GLIF(site(100), Rectangle()).alpha.detach() for _ in range(3)])
    assert gates.abs().max() <= 0.1
    assert gates.std() > 0.03


def test_bad_gates_and_a_longer_sequence_are_refused():
    with pytest.raises(ConfigError, match="three numbers"):
        GLIF(site(), Rectangle(), gates=[0.5, 1.0, 0.5])
    with pytest.raises(ConfigError, match="T=4"):
        GLIF(site(), Rectangle())(torch.randn(5, 2, 3))


@pytest.mark.peer
def test_equals_spikingjelly():
    theirs = spikingjelly("neuron").GatedLIFNode(6, 3, surrogate_function=spikingjelly("surrogate").Sigmoid(4.0))
    ours, theirs = GLIF(Site(3, 6), Sigmoid(4.0), strict=False).double(), theirs.double()
    names = {"threshold": "v_threshold", "leak": "linear_decay", "reset": "v_subreset"}
    pairs = [(mine, getattr(theirs, names.get(name, name))) for name, mine in ours.named_parameters()]
    for mine, other in pairs:
        other.data.add_(torch.randn_like(other) * 0.2)
        mine.data.copy_(other)
    assert_same_neuron(ours, theirs, torch.randn(6, 4, 3, 2, 2, dtype=F64) * 2, pairs, rtol=1e-9, atol=1e-11)
