"""Spatial learning through time: no gradient flows through time (SLTT, Meng et al., ICCV 2023, arXiv:2302.14311).

The network runs one time step at a time. Each step has its own loss, divided by T, and its own backward pass, and the
membrane is detached between steps, so memory does not grow with T. The gradients of all steps add up, and the optimiser
steps once for each batch. OSR (Zhu et al., ICLR 2024, OpenReview CIj1CVbkpr) trains by this gradient; its norm
(`norm=osr`) and threshold stabiliser (`neuron=lif_osr`) are chosen separately.

The survey's OSR script back-propagates only the last step if AMP is off. Its runs used AMP, which back-propagates every
step, as here.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import nn

from snnbench.rules.base import Batch, Outcome, Rule
from snnbench.rules.walk import walk_batch


class SLTT(Rule):
    """One forward and one backward pass for each time step, and one optimiser step for each batch.

    Args:
        steps: The number K of SLTT-K: the rule learns from K random steps of each batch, and the other steps only run
            forward. Every loss keeps the factor 1/T. Null, or K >= T, learns from all steps.
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
        self.one_step_at_the_end = steps is None  # a CUDA graph would repeat the steps drawn at its capture

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        if self.steps is None:
            return walk_batch(model, batch)
        learnt = torch.randperm(len(batch.x_seq))[: self.steps].tolist()
        return walk_batch(model, batch, learn=learnt.__contains__)
