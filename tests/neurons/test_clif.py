"""CLIF against its catalogue page's numbers and SpikingJelly's node, and the survey's defect as a switch."""

import pytest
import torch

from snnbench.neurons.clif import CLIF
from snnbench.neurons.lif import LIF
from snnbench.surrogates.rectangle import Rectangle
from snnbench.surrogates.sigmoid import Sigmoid
from tests.tiny import assert_same_neuron, column, compared, graded, site, spikingjelly

F64 = torch.float64
X = column(0.9, 0.8, 0.7, 1.2)


SOFT_LIF = LIF(site(1), Rectangle(), 2.0, False, reset="soft", detach_reset=False)


@pytest.mark.parametrize(
    ("neuron", "potentials", "gradient"),
    [
        (CLIF(site(1), Rectangle()), [0.9, 1.25, 0.4594707, 1.4297354], [0.7759634, 0.7680824, 0.5, 1]),
        (SOFT_LIF, [0.9, 1.25, 0.825, 1.6125], [1, 1, 1, 0]),
        (
            CLIF(site(1), Rectangle(), overwrite_m=True),
            [0.9, 1.25, 0.4299376, 1.4149688],
            [0.8035846, 0.7586583, 0.5, 1],
        ),
    ],
    ids=["check 1", "check 2: LIF with a soft reset", "the survey's defect: sigmoid_ overwrites m"],
)
def test_page_numbers(neuron, potentials, gradient):
    assert compared(neuron, X) == pytest.approx(potentials, abs=1e-7)
    spikes, (found,) = graded(neuron, X)
    assert spikes.flatten().tolist() == [0, 1, 0, 1]
    assert found.flatten().tolist() == pytest.approx(gradient, abs=1e-7)


def test_page_states():
    """clif page, check 1: potential after the reset, and m."""
    neuron, states = CLIF(site(1), Rectangle()), []
    state = neuron.initial_state(X[0])
    for x_t in X:
        _, state = neuron.step(x_t, state)
        states.append([part.item() for part in state])
    u, m = zip(*states)
    assert u == pytest.approx([0.9, -0.4810586, 0.4594707, -0.3683120], abs=1e-7)
    assert m == pytest.approx([0, 1, 0.5571826, 1.3741346], abs=1e-7)


def test_one_step_is_lif_and_there_are_no_parameters():
    """clif page, checks 4 and 6, in both directions."""
    x = torch.randn(1, 8, 3, dtype=F64) * 2
    found, expected = (graded(n, x, x) for n in (CLIF(site(), Rectangle()), LIF(site(), Rectangle(), 2.0, False)))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert found[1][0].any()
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
@pytest.mark.parametrize("tau", [2.0, 3.5])
def test_equals_spikingjelly(tau):
    """clif page, check 3, by the class at hand: the official one is no package."""
    surrogate = spikingjelly("surrogate").Sigmoid(4.0)
    theirs = spikingjelly("neuron").ComplementaryLIFNode(tau, 0.9, surrogate_function=surrogate, step_mode="m")
    assert_same_neuron(CLIF(site(), Sigmoid(4.0), tau, v_th=0.9), theirs, torch.randn(8, 4, 3, 2, dtype=F64) * 2)
