"""Backpropagation through time and space with surrogate gradients (STBP, Wu et al. 2018; Neftci et al. 2019).

The whole sequence is one graph: memory grows with T, nothing is approximated beyond the surrogate. What is detached is
the neuron's choice (`detach_reset`).
"""

from __future__ import annotations

from torch import nn

from snnbench.rules.base import Batch, Outcome, Rule, detached_outcome


class BPTT(Rule):
    """One forward, one backward, one optimiser step a batch."""

    one_step_at_the_end = True

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        batch.zero_grad()
        logits = model(batch.x_seq)
        loss, parts = batch.loss_of(logits)
        batch.backward(loss)
        batch.optimizer_step()
        return detached_outcome(logits, loss, parts)
