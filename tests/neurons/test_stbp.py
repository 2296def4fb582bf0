"""STBP: the numbers of its catalogue page (checks 1, 3, 4, 5) and the paper's four surrogates."""

import math

import pytest
import torch
from torch import nn

from snnbench.neurons.lif import LIF
from snnbench.objectives.mean_mse import MeanMSE
from snnbench.site import Site
from snnbench.surrogates.gaussian import Gaussian
from snnbench.surrogates.rectangle import Rectangle
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.surrogates.triangle import Triangle

X = [0.4, 0.6, 0.3, 0.9]


def neuron(decay=0.2, v_th=0.5, detach=False):
    """u_t = d u_{t-1} (1 - o_{t-1}) + x_t, firing at u > v_th, the reset in the graph unless told."""
    tau = 1 / (1 - decay)
    return LIF(
        Site(1, 4), Rectangle(1.0), tau=tau, decay_input=False, v_th=v_th, detach_reset=detach, strict=True
    )  # fmt: skip


def sequence(values):
    return torch.tensor(values, dtype=torch.double).view(-1, 1, 1)


def chain(detach):
    """Two neurons in a row, one weight each: (weights, o1, o2)."""
    weights = torch.tensor([0.9, 0.7], dtype=torch.double, requires_grad=True)
    o1 = neuron(detach=detach)(weights[0] * sequence(X))
    return weights, o1, neuron(detach=detach)(weights[1] * o1)


def window(u, v_th=0.5):
    return float(abs(u - v_th) < 0.5)


@pytest.mark.parametrize(
    ("detach", "expected"), [(False, [-0.2952159, -0.4930000]), (True, [-0.3115000, -0.5000000])]
)  # fmt: skip
def test_gradient_of_two_neurons_in_a_row(detach, expected):
    """Check 1: autograd against the page's numbers."""
    weights, o1, o2 = chain(detach)
    assert o1.flatten().tolist() == [0, 1, 0, 1]
    assert o2.flatten().tolist() == [0, 1, 0, 1]
    loss = (o2.mean() - 1).square()
    assert loss.item() == 0.25
    loss.backward()
    assert weights.grad.tolist() == pytest.approx(expected, abs=1e-7)


def test_objective_is_the_square_error_of_the_rate():
    """The same loss through the objective: one class, target 1."""
    weights, _, o2 = chain(detach=False)
    loss, _ = MeanMSE()(o2, torch.ones(1, 1, dtype=torch.double))
    loss.backward()
    assert weights.grad.tolist() == pytest.approx([-0.2952159, -0.4930000], abs=1e-7)


@pytest.mark.parametrize("detach", [False, True])
def test_gradient_is_the_papers_recursion(detach):
    """delta_t = W^T eta_t - eta_{t+1} d u_t;  eta_t = delta_t h(u_t) + eta_{t+1} d (1 - o_t), written out by hand."""
    d, (w1, w2), rows = 0.2, (0.9, 0.7), []
    u1 = u2 = o1 = o2 = 0.0
    for x in X:
        u1 = d * u1 * (1 - o1) + w1 * x
        o1 = float(u1 > 0.5)
        u2 = d * u2 * (1 - o2) + w2 * o1
        o2 = float(u2 > 0.5)
        rows.append((x, u1, o1, u2, o2))
    assert [row[1] for row in rows] == pytest.approx([0.36, 0.612, 0.27, 0.864])
    assert [row[3] for row in rows] == pytest.approx([0, 0.7, 0, 0.7])
    rate = sum(row[4] for row in rows) / 4
    eta1 = eta2 = grad1 = grad2 = 0.0
    for x, u1, o1, u2, o2 in reversed(rows):
        delta2 = 2 * (rate - 1) / 4 - (0 if detach else eta2 * d * u2)
        eta2 = delta2 * window(u2) + eta2 * d * (1 - o2)
        delta1 = w2 * eta2 - (0 if detach else eta1 * d * u1)
        eta1 = delta1 * window(u1) + eta1 * d * (1 - o1)
        grad1, grad2 = grad1 + eta1 * x, grad2 + eta2 * o1
    weights, _, spikes = chain(detach)
    (spikes.mean() - 1).square().backward()
    assert weights.grad.tolist() == pytest.approx([grad1, grad2], abs=1e-12)


X_SEEN = torch.linspace(-3, 3, 6001, dtype=torch.double)
H1 = lambda a, x: (x.abs() < a / 2).double() / a  # noqa: E731
H2 = lambda a, x: (math.sqrt(a) / 2 - a / 4 * x.abs()) * (2 / math.sqrt(a) - x.abs() > 0)  # noqa: E731
H3 = lambda a, x: torch.exp(-x / a) / (a * (1 + torch.exp(-x / a)) ** 2)  # noqa: E731
H4 = lambda a, x: torch.exp(-(x**2) / (2 * a)) / math.sqrt(2 * math.pi * a)  # noqa: E731


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("shape", "surrogate"),
    [
        (H1, lambda a: Rectangle(width=a)),
        (H2, lambda a: Triangle(gamma=2 / math.sqrt(a))),
        (H3, lambda a: Sigmoid(alpha=1 / a)),
        (H4, lambda a: Gaussian(sigma=math.sqrt(a))),
    ],
    ids=["h1", "h2", "h3", "h4"],
)
def test_the_papers_four_shapes(shape, surrogate, a):
    torch.testing.assert_close(surrogate(a).derivative(X_SEEN), shape(a, X_SEEN))


def test_rectangle_has_area_one_and_an_open_edge():
    """Check 3."""
    derivative = Rectangle(1.0).derivative
    middles = (torch.arange(20000, dtype=torch.double) + 0.5) / 10000 - 1
    assert (derivative(middles).sum() / 10000).item() == pytest.approx(1, abs=1e-12)
    assert derivative(torch.tensor([-0.5, -0.4999, 0.0, 0.4999, 0.5])).tolist() == [0, 1, 1, 1, 0]


def test_neuron_at_its_threshold_does_not_fire():
    assert neuron()(sequence([0.5, 0.5001])).flatten().tolist() == [0, 1]


def test_without_memory_steps_are_independent():
    """Check 4: d = 0 is a binary network at each step, in both directions."""
    torch.manual_seed(0)
    x_seq = torch.randn(5, 3, 2, dtype=torch.double, requires_grad=True)
    together, upstream = neuron(decay=0.0)(x_seq), torch.randn(5, 3, 2, dtype=torch.double)
    alone = torch.stack([neuron(decay=0.0)(x_t.unsqueeze(0))[0] for x_t in x_seq])
    assert torch.equal(together, alone)
    (whole,) = torch.autograd.grad(together, x_seq, upstream, retain_graph=True)
    (apart,) = torch.autograd.grad(alone, x_seq, upstream, retain_graph=True)
    assert torch.equal(whole, apart)
    assert torch.equal(whole, upstream * ((x_seq - 0.5).abs() < 0.5))
    for t in range(5):
        (gradient,) = torch.autograd.grad(together[t].sum(), x_seq, retain_graph=True)
        others = [s for s in range(5) if s != t]
        assert not gradient[others].any()


def test_one_step_is_a_straight_through_binary_network():
    """Check 5: T = 1 against binary activations whose gradient passes where |u - V| < 1/2."""
    torch.manual_seed(0)
    first, second = nn.Linear(6, 8).double(), nn.Linear(8, 3).double()
    x, target = torch.rand(4, 6, dtype=torch.double) * 2, torch.tensor([0, 1, 2, 1])

    def straight_through(u):
        inside = torch.where((u - 0.5).abs() < 0.5, u, u.detach())
        return (u > 0.5).double() + inside - inside.detach()

    parameters = [*first.parameters(), *second.parameters()]
    rates = straight_through(second(straight_through(first(x))))
    loss = nn.functional.mse_loss(rates, nn.functional.one_hot(target, 3).double())
    expected = torch.autograd.grad(loss, parameters)
    o = neuron()(second(neuron()(first(x.unsqueeze(0)))))
    found = torch.autograd.grad(MeanMSE()(o, target)[0], parameters)
    assert torch.equal(o[0], rates)
    assert any(gradient.any() for gradient in expected)
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other)
