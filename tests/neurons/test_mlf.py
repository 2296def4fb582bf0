"""The multi-level firing unit against its catalogue page's numbers (float64) and its limits."""

import pytest
import torch

from snnbench.neurons.lif import LIF
from snnbench.neurons.mlf import MLF
from snnbench.surrogates.rectangle import Rectangle
from tests.tiny import column, compared, graded, site

F64 = torch.float64


def unit(**changes) -> MLF:
    return MLF(site(1), Rectangle(1.0), **changes)


@pytest.mark.parametrize(
    ("x", "outputs", "gradient"),
    [
        ((0.9, 1.4, 2.4, 3.0), [1, 2, 3, 3], [1.2686523, 1.0746094, 0.2984375, 1]),
        ((0.5, 0.4, 0.7, 0.3), [0, 0, 1, 0], [1.1367590, 1.0940723, 0.7921875, 1]),
    ],
)
def test_page_numbers(x, outputs, gradient):
    """mlf page, checks 1 and 2; check 3: no parameters (the counts of the nets are in tests/models)."""
    o, (dx,) = graded(unit(), column(*x))
    assert o.flatten().tolist() == outputs
    assert dx.flatten().tolist() == pytest.approx(gradient, abs=1e-7)
    assert not unit().state_dict()
    assert unit().v_th == 0.6  # what tdBN scales by


def test_page_potentials_of_the_levels():
    """mlf page, check 1."""
    wanted = ([0.9, 1.4, 2.4, 3.0], [0.9, 1.625, 2.4, 3.0], [0.9, 1.625, 2.80625, 3.0])
    for level, potentials in zip(unit().levels, wanted, strict=True):
        assert compared(level, column(0.9, 1.4, 2.4, 3.0)) == pytest.approx(potentials)


def test_one_level_is_the_iterative_lif():
    """mlf page, check 4: decay 0.25, threshold 0.6, rectangle of width 1, reset in the graph."""
    lif = LIF(site(1), Rectangle(1.0), 1 / 0.75, False, v_th=0.6, detach_reset=False, strict=True)
    x, weights = torch.randn(8, 5, 1, 3, dtype=F64) * 2, torch.arange(8, dtype=F64).view(-1, 1, 1, 1)
    found, expected = (graded(neuron, x, weights) for neuron in (unit(levels=1), lif))
    assert 0 < found[0].mean() < 1
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_one_step_counts_the_thresholds_below_the_input():
    """mlf page, check 5; the thresholds are strict."""
    x = torch.tensor([0.3, 0.6, 0.7, 1.6, 1.7, 2.7, 9.0], dtype=F64)
    assert unit()(x.view(1, -1, 1)).flatten().tolist() == [0, 0, 1, 1, 2, 3, 3]
    assert unit(levels=2)(x.view(1, -1, 1)).flatten().tolist() == [0, 0, 1, 1, 2, 2, 2]


def test_windows_of_the_levels_tile():
    """mlf page, check 6: the summed surrogate is 1 on (0.1, 3.1), 0 outside."""
    x = torch.linspace(-0.5, 4.0, 46, dtype=F64).add(0.013).view(1, -1, 1)
    assert torch.equal(graded(unit(), x)[1][0], ((x > 0.1) & (x < 3.1)).double())


def test_norm_and_residual_enter_the_current():
    neuron, x, twice = MLF(site(), Rectangle()), torch.randn(6, 2, 3, 4) * 2, torch.nn.Module()
    twice.forward = lambda z: 2 * z
    assert torch.equal(neuron(x, twice, x), neuron(3 * x))


def test_levels_run_as_fused_kernels_where_a_lif_does():
    thresholds = [level.kernel_form().constants[1] for level in MLF(site(), Rectangle()).levels]
    assert thresholds == pytest.approx([0.6, 1.6, 2.6])
