"""A rule that walks through time and learns from the last time steps alone."""

from typing import Annotated

from torch import nn

from snnbench.rules.base import Batch, Outcome, Rule
from snnbench.rules.walk import walk_batch


class LastSteps(Rule):
    """One backward pass for each of the last steps, one optimiser step a batch; earlier steps only run forward.

    Args:
        share: The share of the time steps, counted from the end, that is learnt from.
    """

    one_step_at_the_end = True
    traits = ("online",)
    rejects = {  # noqa: RUF012
        "batch_statistics": "this rule sees one time step at a time, which has no statistics over time; use norm=osr",
        "parallel_in_time": "this rule sees one time step at a time; use neuron=lif",
    }
    requires = {"per_step_loss": "this rule needs a loss of each time step alone; use objective=per_step"}  # noqa: RUF012

    def __init__(self, share: Annotated[float, "in (0, 1]"] = 0.5):
        self.share = share

    def train_batch(self, model: nn.Module, batch: Batch) -> Outcome:
        first = len(batch.x_seq) * (1 - self.share)
        return walk_batch(model, batch, learn=lambda t: t >= first)
