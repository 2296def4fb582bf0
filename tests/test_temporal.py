"""Time as the models see it: means over it, and sequences that show one step."""

import pytest
import torch

from snnbench.neurons.lif import LIF
from snnbench.site import Site
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.temporal import full_precision, is_static, over_time, shown, step_of, stepping, time_mean

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def sequence(layout=torch.contiguous_format, dtype=torch.float32):
    x = torch.randn(12, 5, 4, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    return x.contiguous(memory_format=layout).unflatten(0, (4, 3))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_time_mean_is_the_mean_in_full_precision(dtype, layout):
    x_seq, other = (sequence(layout, dtype).requires_grad_() for _ in range(2))
    mean, expected = time_mean(x_seq), full_precision(other).mean(0)
    assert mean.dtype == expected.dtype
    assert mean.stride() == x_seq[0].stride()
    torch.testing.assert_close(mean, expected)
    for y in (mean, expected):
        y.square().sum().backward()
    torch.testing.assert_close(x_seq.grad, other.grad)


def test_gradients_of_time_mean_and_of_its_input_add_up():
    x_seq, other = (sequence(torch.channels_last).requires_grad_() for _ in range(2))
    (time_mean(x_seq).square().sum() + x_seq.pow(3).sum()).backward()
    (other.mean(0).square().sum() + other.pow(3).sum()).backward()
    torch.testing.assert_close(x_seq.grad, other.grad)


def test_a_shown_step_is_found_again_and_computed_once():
    step = sequence()[0].requires_grad_()
    x_seq, calls = shown(step, 4), []
    assert is_static(x_seq)
    assert step_of(x_seq) is step
    y_seq = over_time(lambda x: calls.append(x.shape) or 2 * x, x_seq)
    assert calls == [step.shape]
    assert torch.equal(y_seq, (2 * step).expand(4, *step.shape))
    (y_seq * torch.arange(4.0).view(4, 1, 1, 1, 1)).sum().backward()
    assert torch.equal(step.grad, torch.full_like(step, 2 * 6.0))


def test_a_copy_of_a_static_sequence_does_not_lead_back_to_the_step():
    """Else what was cut from the graph would get a gradient."""
    step = sequence()[0].requires_grad_()
    cut = shown(step, 4).detach()
    assert is_static(cut)
    assert not step_of(cut).requires_grad


def test_gradients_keep_their_layout_in_a_walk():
    """Else every layer of every step copies its gradient out of channels-last order and back."""
    x_seq, strides = sequence(torch.channels_last).requires_grad_(), []
    neuron = LIF(Site(5, 4), Sigmoid())
    with stepping(neuron, detach=True) as step:
        for x_t in x_seq:
            current = 2 * x_t
            current.register_hook(lambda grad: strides.append(grad.stride()))
            step(current).square().sum().backward(retain_graph=True)
    assert strides == [x_seq[0].stride()] * 4
