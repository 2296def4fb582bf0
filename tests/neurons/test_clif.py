"""CLIF against its catalogue page's numbers and SpikingJelly's node, and the survey's defect as a switch."""

import pytest
import torch

from snnbench.neurons.clif import CLIF
from snnbench.neurons.lif import LIF
from snnbench.surrogates.rectangle import Rectangle
from snnbench.surrogates.sigmoid import Sigmoid
from tests.tiny import site

F64 = torch.float64
X = torch.tensor([0.9, 0.8, 0.7, 1.2], dtype=F64).view(-1, 1, 1)


def walk(neuron, x_seq):
    """Potentials before the reset, then (u, m) after every step."""
    seen, fire = [], neuron.fire
    neuron.fire = lambda u: seen.append(u.item()) or fire(u)
    state, states = neuron.initial_state(x_seq[0]), []
    for x_t in x_seq:
        _, state = neuron.step(x_t, state)
        states.append([part.item() for part in state])
    u, m = zip(*states)
    return seen, list(u), list(m)


def gradient(neuron):
    x = X.clone().requires_grad_()
    spikes = neuron(x)
    spikes.sum().backward()
    return spikes.flatten().tolist(), x.grad.flatten().tolist()


def test_page_numbers():
    """clif page, check 1."""
    before, after, m = walk(CLIF(site(1), Rectangle()), X)
    assert before == pytest.approx([0.9, 1.25, 0.4594707, 1.4297354], abs=1e-7)
    assert m == pytest.approx([0, 1, 0.5571826, 1.3741346], abs=1e-7)
    assert after == pytest.approx([0.9, -0.4810586, 0.4594707, -0.3683120], abs=1e-7)
    spikes, grad = gradient(CLIF(site(1), Rectangle()))
    assert spikes == [0, 1, 0, 1]
    assert grad == pytest.approx([0.7759634, 0.7680824, 0.5, 1], abs=1e-7)


def test_survey_defect():
    """clif page, pitfalls and survey variant: sigmoid_ overwrites m."""
    before, _, _ = walk(CLIF(site(1), Rectangle(), overwrite_m=True), X)
    assert before == pytest.approx([0.9, 1.25, 0.4299376, 1.4149688], abs=1e-7)
    spikes, grad = gradient(CLIF(site(1), Rectangle(), overwrite_m=True))
    assert spikes == [0, 1, 0, 1]
    assert grad == pytest.approx([0.8035846, 0.7586583, 0.5, 1], abs=1e-7)


def test_soft_reset_lif_beside_it():
    """clif page, check 2."""
    lif, seen = LIF(site(1), Rectangle(), 2.0, False, reset="soft", detach_reset=False), []
    fire = lif.fire
    lif.fire = lambda u: seen.append(u.item()) or fire(u)
    spikes, grad = gradient(lif)
    assert seen == pytest.approx([0.9, 1.25, 0.825, 1.6125])
    assert spikes == [0, 1, 0, 1]
    assert grad == pytest.approx([1, 1, 1, 0])


def test_one_step_is_lif_and_there_are_no_parameters():
    """clif page, checks 4 and 6, in both directions."""
    x, found = (torch.randn(1, 8, 3, dtype=F64) * 2).requires_grad_(), []
    for neuron in (CLIF(site(), Rectangle()), LIF(site(), Rectangle(), 2.0, False)):
        spikes = neuron(x)
        found.append([spikes.detach(), *torch.autograd.grad((spikes * x.detach()).sum(), x)])
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert found[0][1].any()
    assert not list(CLIF(site(), Rectangle()).parameters())


def test_reset_is_between_one_and_a_half_and_two():
    """clif page, check 5."""
    neuron, x = CLIF(site(), Rectangle()), torch.randn(12, 8, 3, dtype=F64) * 3
    state = neuron.initial_state(x[0])
    for x_t in x:
        u = neuron.leak * state[0] + x_t
        spikes, state = neuron.step(x_t, state)
        drop = (u - state[0])[spikes.bool()]
        assert (state[1] >= 0).all()
        assert ((drop >= 1.5) & (drop < 2)).all()


@pytest.mark.peer
def test_spikingjelly_gives_the_page_numbers():
    """clif page, check 3, by the class at hand: the official one is no package. Their rectangle, ours of width 1."""
    peer = pytest.importorskip("spikingjelly.activation_based.neuron")
    peer_surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")
    spikes, grad = gradient(peer.ComplementaryLIFNode(2.0, 1.0, peer_surrogate.Rect(1.0), step_mode="m"))
    assert spikes == [0, 1, 0, 1]
    assert grad == pytest.approx([0.7759634, 0.7680824, 0.5, 1], abs=1e-7)


@pytest.mark.peer
@pytest.mark.parametrize("tau", [2.0, 3.5])
def test_spikingjelly(tau):
    peer = pytest.importorskip("spikingjelly.activation_based.neuron")
    peer_surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")
    theirs = peer.ComplementaryLIFNode(tau, 0.9, surrogate_function=peer_surrogate.Sigmoid(4.0), step_mode="m")
    ours = CLIF(site(), Sigmoid(4.0), tau, v_th=0.9)
    x = (torch.randn(8, 4, 3, 2, dtype=F64) * 2).requires_grad_()
    weights, found = torch.randn_like(x), []
    for neuron in (ours, theirs):
        spikes = neuron(x)
        found.append((spikes.detach(), torch.autograd.grad((spikes * weights).sum(), x)[0]))
    assert 0.05 < found[0][0].mean() < 0.95
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-10, atol=1e-12)
