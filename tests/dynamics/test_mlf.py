"""The multi-level firing unit against its catalogue page's numbers (float64) and its limits."""

import pytest
import torch
from tiny import site

from snnbench.neurons.lif import LIF
from snnbench.neurons.mlf import MLF
from snnbench.surrogates.rectangle import Rectangle
from snnbench.temporal import stepping

F64 = torch.float64


def column(*values: float) -> torch.Tensor:
    """A sequence for one neuron: `[T, 1, 1]` in double."""
    return torch.tensor(values, dtype=F64).view(-1, 1, 1)


def unit(**changes) -> MLF:
    return MLF(site(1), Rectangle(1.0), **changes)


def potentials(neuron: MLF, x_seq: torch.Tensor) -> list[list[float]]:
    """The potential of each level before firing."""
    seen = [[] for _ in neuron.levels]
    for level, values in zip(neuron.levels, seen):
        fire = level.fire
        level.fire = lambda u, fire=fire, values=values: values.append(u.item()) or fire(u)
    state = neuron.initial_state(x_seq[0])
    for x_t in x_seq:
        _, state = neuron.step(x_t, state)
    return seen


def response(neuron: MLF, *values: float) -> tuple[list[float], list[float]]:
    """Outputs, and the gradient of their sum in the inputs."""
    x = column(*values).requires_grad_()
    o = neuron(x)
    o.sum().backward()
    return o.flatten().tolist(), x.grad.flatten().tolist()


def test_loud_input():
    """mlf page, check 1."""
    u = potentials(unit(), column(0.9, 1.4, 2.4, 3.0))
    assert u[0] == pytest.approx([0.9, 1.4, 2.4, 3.0])
    assert u[1] == pytest.approx([0.9, 1.625, 2.4, 3.0])
    assert u[2] == pytest.approx([0.9, 1.625, 2.80625, 3.0])
    o, dx = response(unit(), 0.9, 1.4, 2.4, 3.0)
    assert o == [1, 2, 3, 3]
    assert dx == pytest.approx([1.2686523, 1.0746094, 0.2984375, 1], abs=1e-7)


def test_quiet_input():
    """mlf page, check 2."""
    o, dx = response(unit(), 0.5, 0.4, 0.7, 0.3)
    assert o == [0, 0, 1, 0]
    assert dx == pytest.approx([1.1367590, 1.0940723, 0.7921875, 1], abs=1e-7)


def test_adds_no_parameters():
    """mlf page, check 3 (the counts of the nets are in tests/models)."""
    assert not list(unit().parameters())
    assert not unit().state_dict()
    assert unit().v_th == 0.6  # what tdBN scales by


def test_one_level_is_the_iterative_lif():
    """mlf page, check 4: decay 0.25, threshold 0.6, rectangle of width 1, reset in the graph."""
    lif = LIF(site(1), Rectangle(1.0), 1 / 0.75, False, v_th=0.6, detach_reset=False, strict=True)
    x = torch.randn(8, 5, 1, 3, dtype=F64, generator=torch.Generator().manual_seed(0)) * 2
    found = []
    for neuron in (unit(levels=1), lif):
        x_in = x.clone().requires_grad_()
        o = neuron(x_in)
        (o * torch.arange(8, dtype=F64).view(-1, 1, 1, 1)).sum().backward()
        found += [o.detach(), x_in.grad]
    assert 0 < found[0].mean() < 1
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[3])


def test_one_step_counts_the_thresholds_below_the_input():
    """mlf page, check 5; the thresholds are strict."""
    x = torch.tensor([0.3, 0.6, 0.7, 1.6, 1.7, 2.7, 9.0], dtype=F64)
    assert unit()(x.view(1, -1, 1)).flatten().tolist() == [0, 0, 1, 1, 2, 3, 3]
    assert unit(levels=2)(x.view(1, -1, 1)).flatten().tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_windows_of_the_levels_tile():
    """mlf page, check 6: the summed surrogate is 1 on (0.1, 3.1), 0 outside."""
    x = torch.linspace(-0.5, 4.0, 46, dtype=F64).add(0.013).view(1, -1, 1).requires_grad_()
    unit()(x).sum().backward()
    inside = (x > 0.1) & (x < 3.1)
    assert torch.equal(x.grad, inside.double())


def test_walking_equals_running_and_norm_and_residual_enter_the_current():
    neuron, x = MLF(site(), Rectangle()), torch.randn(6, 2, 3, 4) * 2
    run = neuron(x)
    assert set(run.unique().tolist()) == {0.0, 1.0, 2.0, 3.0}
    with stepping(neuron) as step:
        assert torch.equal(torch.stack([step(x_t) for x_t in x]), run)
    twice = torch.nn.Module()
    twice.forward = lambda z: 2 * z
    assert torch.equal(neuron(x, twice, x), neuron(3 * x))


def test_spikes_under_bf16_are_whole_numbers():
    x = (torch.randn(4, 2, 3, 8) * 2).bfloat16()
    o = MLF(site(), Rectangle())(x)
    assert o.dtype == torch.bfloat16
    assert torch.equal(o.float(), MLF(site(), Rectangle())(x.float()))
