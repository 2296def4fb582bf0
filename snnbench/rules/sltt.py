"""Spatial learning through time: the gradient through time is dropped (SLTT, Meng et al., ICCV 2023, arXiv:2302.14311).

The network walks through time; each step has its own loss over T, its own backward pass, and a membrane cut from the
graph, so memory does not grow with T. Gradients of all steps add up and the optimiser steps once a batch. OSR (Zhu et
al., ICLR 2024, OpenReview CIj1CVbkpr) trains by this gradient; its norm (`norm=osr`) and threshold stabiliser
(`neuron=lif_osr`) are switches of their own.

The survey's OSR script without AMP back-propagates the last step only; its runs used AMP, and this is what they do.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import nn

from snnbench.rules.base import Batch, Outcome, Rule
from snnbench.rules.walk import walk_batch


class SLTT(Rule):
    """One forward and backward a time step, one optimiser step a batch.

    Args:
        steps: K of SLTT-K. So many steps of each batch, drawn at random, are learnt from, and the others only run
            forward; every loss keeps its factor 1/T. Null, or K >= T: all steps.
    """

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

    def __init__(self, steps: Annotated[int, ">= 1"] | None = None):
        self.steps = steps
        self.one_step_at_the_end = steps is None  # a CUDA graph would learn from the same steps of every batch

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        if self.steps is None:
            return walk_batch(model, batch)
        learnt = torch.randperm(len(batch.x_seq))[: self.steps].tolist()
        return walk_batch(model, batch, learn=learnt.__contains__)
