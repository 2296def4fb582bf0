"""Backpropagation through time and space with surrogate gradients (STBP, Wu et al. 2018; Neftci et al. 2019).

The whole sequence is one autograd graph, so memory grows with T. The surrogate is the only approximation, unless a
neuron detaches its reset (`detach_reset`).
"""

from __future__ import annotations

from torch import nn

from snnbench.rules.base import Batch, Outcome, Rule, detached_outcome


class BPTT(Rule):
    """One forward pass, one backward pass and one optimiser step for each batch."""

    one_step_at_the_end = True

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        batch.zero_grad()
        logits = model(batch.x_seq)
        loss, parts = batch.loss_of(logits)
        batch.backward(loss)
        batch.optimizer_step()
        return detached_outcome(logits, loss, parts)
