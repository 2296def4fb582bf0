"""A recurrent module gives the same whether it runs or is walked, with the gradients of a plain loop."""

import pytest
import torch
from unit_plugin.models import Echo

from snnbench.config.catalogue import options
from snnbench.errors import ConfigError
from snnbench.surrogates.atan import ATan
from snnbench.temporal import Recurrent, stepping
from tests.contracts.components import class_of, lif_by_hand, made, parts_of

T, N, C = 6, 3, 5


def walked(module, x_seq, detach=False):
    with stepping(module, detach=detach) as step:
        return torch.stack([step(x_t) for x_t in x_seq])


@pytest.mark.parametrize("name", options("neuron"))
def test_walking_equals_running_with_every_neuron(name):
    echo = Echo(parts_of(T, lambda site: made("neuron", name, site, surrogate=ATan())), C)
    echo.recurrent.weight.data.mul_(3)
    x = torch.randn(T, N, C) * 3
    if "parallel_in_time" in class_of("neuron", name).traits:
        with pytest.raises(ConfigError, match="neuron"):
            echo(x)
        return
    assert torch.equal(walked(echo, x), echo(x))
    assert torch.equal(echo(x), echo(x)), "a state is left over"


@pytest.mark.parametrize("way", ["running", "walking"])
def test_gradients_are_those_of_a_loop(way):
    echo, x = Echo(parts_of(T), C).double(), (3 * torch.randn(T, N, C).double()).requires_grad_()
    echo.recurrent.weight.data.mul_(4)
    weight, other = (t.detach().clone().requires_grad_() for t in (echo.recurrent.weight, x))
    spikes, expected = (echo(x) if way == "running" else walked(echo, x)), lif_by_hand(other, feedback=weight)[0]
    assert torch.equal(spikes, expected)
    assert 0 < spikes.mean() < 1
    factors = torch.randn_like(spikes)
    for y in (spikes, expected):
        (y * factors).sum().backward()
    torch.testing.assert_close(x.grad, other.grad)
    torch.testing.assert_close(echo.recurrent.weight.grad, weight.grad)


def test_a_rule_that_cuts_the_state_cuts_the_feedback_too():
    echo, x = Echo(parts_of(T), C), torch.randn(T, N, C, requires_grad=True)
    walked(echo, x, detach=True)[-1].sum().backward()
    assert x.grad[:-1].abs().sum() == 0
    assert x.grad[-1].abs().sum() > 0


class Feedback(Recurrent):
    """A unit with a norm whose output joins its input one step later, as in SNASNet's backward connections."""

    def __init__(self, made):
        super().__init__()
        self.unit, self.echo = made.unit(C, C, 3, dims=1), Echo(made, C)

    def initial_state(self, x_t):
        return torch.zeros_like(x_t)

    def step(self, x_t, feedback):
        spikes = self.run(self.unit, x_t + feedback)
        return self.run(self.echo, spikes.transpose(1, 2)).transpose(1, 2), spikes


@pytest.mark.parametrize("training", [True, False])
def test_units_and_recurrent_modules_nest(training):
    block, x = Feedback(parts_of(T)).train(training), torch.randn(T, N, C, 4)
    state = {key: value.clone() for key, value in block.state_dict().items()}
    ran = block(x)
    moved = block.unit.norm.running_mean.clone()
    block.load_state_dict(state)
    assert torch.equal(walked(block, x), ran)
    assert torch.equal(block.unit.norm.running_mean, moved)


def test_a_step_by_hand_is_refused():
    echo = Echo(parts_of(T), C)
    with pytest.raises(RuntimeError, match="inside a walk"):
        echo.step(torch.zeros(N, C), torch.zeros(N, C))
