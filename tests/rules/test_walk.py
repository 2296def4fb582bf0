"""The walk of the online rules: when the optimiser steps, which steps are learnt from, what comes out."""

import pytest
import torch
from torch import nn

from snnbench.rules.base import Batch
from snnbench.rules.walk import walk_batch

STEPS = 4


class Calls:
    """Writes down in which order a rule calls what a batch gives it."""

    def __init__(self, net: nn.Module):
        self.net, self.order = net, []

    def batch(self, x_seq: torch.Tensor) -> Batch:
        return Batch(x_seq, None, self.loss_of, self.backward, self.optimizer_step, self.zero_grad)

    def loss_of(self, logits):
        return logits.sum(), {"square": logits.square().sum()}

    def backward(self, loss):
        self.order.append("backward")
        loss.backward()

    def optimizer_step(self):
        self.order.append("step")

    def zero_grad(self):
        self.order.append("zero")
        self.net.zero_grad()


@pytest.fixture
def net():
    return nn.Linear(3, 2, bias=False)


@pytest.fixture
def x_seq():
    return torch.randn(STEPS, 5, 3, generator=torch.Generator().manual_seed(0))


def test_one_optimiser_step_a_batch(net, x_seq):
    calls = Calls(net)
    walk_batch(net, calls.batch(x_seq))
    assert calls.order == ["zero", *["backward"] * STEPS, "step"]
    torch.testing.assert_close(net.weight.grad, x_seq.mean(0).sum(0).expand(2, 3))


def test_one_optimiser_step_a_time_step_with_its_own_gradient(net, x_seq):
    calls = Calls(net)
    walk_batch(net, calls.batch(x_seq), each_step=True)
    assert calls.order == ["zero", "backward", "step"] * STEPS
    torch.testing.assert_close(net.weight.grad, x_seq[-1].sum(0).expand(2, 3) / STEPS)


@pytest.mark.parametrize("each_step", [False, True])
def test_steps_that_are_not_learnt_from_make_no_gradient_and_are_counted_all_the_same(net, x_seq, each_step):
    calls, learnt = Calls(net), (1, 3)
    logits, loss, parts = walk_batch(net, calls.batch(x_seq), each_step=each_step, learn=lambda t: t in learnt)
    assert calls.order.count("backward") == 2
    assert calls.order.count("step") == (2 if each_step else 1)
    wanted = x_seq[3].sum(0) if each_step else x_seq[[1, 3]].sum((0, 1))
    torch.testing.assert_close(net.weight.grad, wanted.expand(2, 3) / STEPS)
    torch.testing.assert_close(logits, net(x_seq).detach())
    torch.testing.assert_close(loss, logits.sum() / STEPS)
    torch.testing.assert_close(parts["square"], logits.square().sum() / STEPS)
    assert not any(tensor.requires_grad for tensor in (logits, loss, *parts.values()))
