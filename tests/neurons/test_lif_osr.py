"""OSR's threshold stabiliser: the numbers of the catalogue page."""

import pytest
import torch
from torch import Tensor

from snnbench.neurons.lif_osr import LIFOSR
from snnbench.surrogates.sigmoid import Sigmoid
from tests.tiny import site

F64 = torch.float64


def images(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*(shape or (4, 6, 3, 5, 5)), dtype=F64, generator=generator)
    return x * torch.arange(1, x.shape[0] + 1).view(-1, *[1] * (x.ndim - 1)) * 0.7 + 0.3


def stabilised(**changes) -> LIFOSR:
    return LIFOSR(site(), Sigmoid(4.0), **changes)


class TestThreshold:
    def test_toy_of_the_page(self):
        """Page, check 6."""
        neuron, ratio = stabilised(), None
        potentials = torch.tensor([[0, 0.5, 1, 1.5], [0, 1, 2, 3], [-1, 0, 1, 2]], dtype=F64)
        for u, expected in zip(potentials, (1, 2, 1)):
            theta, ratio = neuron.threshold(u, ratio)
            assert theta.item() == pytest.approx(expected)
            assert (u >= theta).double().mean() == 0.5

    @pytest.mark.parametrize("reset", ["soft", "hard"])
    def test_equations_step_by_step(self, reset):
        neuron, x = stabilised(reset=reset), images(5, 4, 3, 6)
        v, first = torch.zeros_like(x[0]), None
        for x_t, spikes in zip(x, neuron(x)):
            u = 0.5 * v + x_t
            first = (1 - u.mean()) / u.std() if first is None else first
            theta = u.mean() + u.std() * first
            assert torch.equal(spikes, (u >= theta).double())
            v = u - theta * spikes if reset == "soft" else u * (1 - spikes)

    def test_rate_stays_where_the_drive_grows(self):
        x = images(6, 64, 3, 16) * 2
        rates = stabilised()(x).mean((1, 2, 3))
        assert (rates - rates[0]).abs().max() < 0.05
        assert rates[0] > 0.05

    def test_threshold_and_reset_carry_no_gradient(self):
        neuron, x = stabilised(), images(2, 4, 3, 6).requires_grad_()
        neuron(x)[1].sum().backward()
        with torch.no_grad():
            u = [x[0], None]
            theta, ratio = neuron.threshold(u[0], None)
            u[1] = 0.5 * (u[0] - theta * (u[0] >= theta)) + x[1]
            theta, _ = neuron.threshold(u[1], ratio)
            g = neuron.surrogate.derivative(u[1] - theta)
        torch.testing.assert_close(x.grad, torch.stack([0.5 * g, g]))

    def test_flat_membrane_keeps_the_threshold(self):
        x = torch.zeros(3, 4, 3, 6)
        x[1:] = 1.5
        spikes = stabilised()(x.requires_grad_())
        assert spikes[:, 0, 0, 0].tolist() == [0, 1, 1]
        spikes.sum().backward()
        assert x.grad.isfinite().all()

    def test_frozen_threshold_is_kept_and_used_in_evaluation(self):
        neuron, x = stabilised(frozen_at_test=True).double(), images(4, 4, 3, 6)
        assert not stabilised().state_dict()
        thetas, neuron.threshold_of = [], neuron.threshold
        neuron.threshold = lambda u, ratio: thetas.append(out := neuron.threshold_of(u, ratio)) or out
        neuron(x)
        expected = torch.ones((), dtype=F64)
        for theta, _ in thetas:
            expected += 0.1 / 4 * (theta - expected)
        torch.testing.assert_close(neuron.running_threshold, expected)
        thetas.clear()
        neuron.eval()
        assert torch.equal(torch.cat([neuron(x[:, :1]), neuron(x[:, 1:])], 1), neuron(x))  # the batch does not matter
        assert all(torch.equal(theta, expected) for theta, _ in thetas)
