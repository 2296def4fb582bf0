"""Axonal delays of SLAYER: whole steps forward, the released gradient, ms, the clamp, and what they do to a synapse."""

import pytest
import torch

from snnbench.errors import ConfigError
from snnbench.synapses.axonal_delay import AxonalDelay

F64 = torch.float64


def delayed(delays, dt=1.0):
    synapse = AxonalDelay(dt).linear(len(delays), 1, bias=False).double()
    with torch.no_grad():
        synapse.filter.delay.copy_(torch.tensor(delays))
    return synapse


def test_delay_shifts_by_whole_steps_with_the_released_gradient():
    """dE/dd = sum_n dE/dy[n] (y[n-1] - y[n]); dE/dx comes back by as many steps."""
    lines = delayed([0.9, 1.0, 2.7, 9.0]).filter
    x = torch.tensor([1.0, 4, 0, 2, 3], dtype=F64).view(5, 1, 1).repeat(1, 1, 4).requires_grad_()
    y = lines(x)
    assert y[:, 0].T.tolist() == [[1, 4, 0, 2, 3], [0, 1, 4, 0, 2], [0, 0, 1, 4, 0], [0] * 5]
    g = torch.tensor([1.0, -2, 5, 3, 7], dtype=F64).view(5, 1, 1)
    (y * g).sum().backward()
    assert lines.delay.grad.tolist() == [
        -1 + (1 - 4) * -2 + 4 * 5 + (0 - 2) * 3 + (2 - 3) * 7,
        0 - 1 * -2 + (1 - 4) * 5 + 4 * 3 - 2 * 7,
        0 + 0 - 1 * 5 + (1 - 4) * 3 + 4 * 7,
        0,
    ]
    assert x.grad[:, 0].T.tolist() == [[1, -2, 5, 3, 7], [-2, 5, 3, 7, 0], [5, 3, 7, 0, 0], [0] * 5]


def test_delays_are_in_ms_and_start_below_one():
    assert delayed([1.0], dt=0.5).filter(torch.eye(4, dtype=F64)[0].view(4, 1, 1)).flatten().tolist() == [0, 0, 1, 0]
    lines = AxonalDelay().linear(500, 2).filter
    assert 0 <= lines.delay.min() < 0.02 < 0.98 < lines.delay.max() < 1
    assert lines.delay.no_weight_decay
    x = torch.rand(4, 2, 500)
    assert torch.equal(lines(x), x)
    assert torch.equal(lines.learnt()["delay"], lines.delay)


def test_negative_delays_are_clamped_in_training_and_read_as_zero_in_evaluation():
    synapse, x = delayed([-0.5, 1.5]), torch.rand(4, 1, 2, dtype=F64)
    out = synapse.eval()(x)
    assert synapse.filter.delay.tolist() == [-0.5, 1.5], "evaluation must not change what is trained"
    assert torch.equal(synapse.train()(x), out)
    assert synapse.filter.delay.tolist() == [0, 1.5], "clamped as after the released examples' optimiser step"


@pytest.mark.parametrize("dims", [0, 1, 2])
def test_a_delayed_synapse_is_a_plain_one_of_shifted_lines(dims):
    family, x = AxonalDelay(), torch.randn(9, 2, 4, *[6] * dims, dtype=F64)
    synapse = family.conv(dims, 4, 6, 3, stride=2, padding=1, groups=2) if dims else family.linear(4, 3)
    synapse.double().filter.delay.data.copy_(torch.tensor([0.2, 3.4, 1.0, 2.0]))
    lines = [torch.cat([x.new_zeros(d, *x.shape[1:]), x[: 9 - d]])[:, :, c] for c, d in enumerate((0, 3, 1, 2))]
    torch.testing.assert_close(synapse(x), synapse.synapse(torch.stack(lines, dim=2)))


def test_an_unknown_dimension_is_refused():
    with pytest.raises(ConfigError, match="3-d"):
        AxonalDelay().conv(3, 1, 1, 1)
