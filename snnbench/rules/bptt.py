"""Backpropagation through time and space with surrogate gradients (STBP, Wu et al. 2018; Neftci et al. 2019).

The whole sequence is one graph: memory grows with T, nothing is approximated beyond the surrogate. What is detached is
the neuron's choice (`detach_reset`).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from snnbench.rules.base import Loss, Outcome, Rule, detached_outcome


class BPTT(Rule):
    """One forward, one backward, one optimiser step a batch."""

    one_step_at_the_end = True

    def train_batch(
        self,
        model: nn.Module,
        x_seq: Tensor,
        loss_of: Callable[[Tensor], Loss],
        backward: Callable[[Tensor], None],
        optimizer_step: Callable[[], None],
        zero_grad: Callable[[], None],
    ) -> Outcome:
        zero_grad()
        logits = model(x_seq)
        loss, parts = loss_of(logits)
        backward(loss)
        optimizer_step()
        return detached_outcome(logits, loss, parts)
