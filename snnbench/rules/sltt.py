"""Spatial learning through time: the gradient through time is dropped (SLTT, Meng et al., ICCV 2023, arXiv:2302.14311).

The network walks through time; each step has its own loss over T, its own backward pass, and a membrane cut from the
graph, so memory does not grow with T. Gradients of all steps add up and the optimiser steps once a batch. OSR (Zhu et
al., ICLR 2024, OpenReview CIj1CVbkpr) trains by this gradient; its norm (`norm=osr`) and threshold stabiliser
(`neuron=lif_osr`) are switches of their own.

The survey's OSR script without AMP back-propagates the last step only; its runs used AMP, and this is what they do.
"""

from __future__ import annotations

from torch import nn

from snnbench.rules.base import Batch, Outcome, Rule
from snnbench.rules.walk import walk_batch


class SLTT(Rule):
    """One forward and backward a time step, one optimiser step a batch."""

    traits = ("online",)
    rejects = {  # noqa: RUF012
        "batch_statistics": "online rules see one time step at a time, so statistics over time do not exist; "
        "use norm=osr, or norm=none with synapse=weight_std",
        "parallel_in_time": "online rules see one time step at a time and this neuron needs the whole sequence; "
        "use neuron=lif_osr",
    }
    requires = {  # noqa: RUF012
        "per_step_loss": "an online rule needs a loss of each time step alone; use objective=per_step or objective=tet",
    }
    one_step_at_the_end = True

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        return walk_batch(model, batch)
