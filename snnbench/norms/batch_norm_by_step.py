"""Batch normalisation of each time step by itself, as in code that calls the network once a step (PLIF, CLIF).

In training, the statistics of step t are taken over (N, space) of that step alone, and every step updates the running
statistics. A rule that walks one step at a time thus gets the same result as one that runs the whole sequence. In
evaluation this is a plain batch norm.

A static sequence shows the same image T times, so it is normalised once. `static` says how often it then updates the
running statistics: CLIF's code runs the whole net at each step ("every_step"), PLIF's evaluates its static stem once
("once").
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from snnbench.kernels.common.form import NormForm, Refusal
from snnbench.norms.batch_norm import BatchNorm
from snnbench.site import Site
from snnbench.temporal import is_static, shown, step_of


class BatchNormByStep(BatchNorm):
    """`[T, N, C, *] -> [T, N, C, *]`; parameters and state-dict keys of `BatchNorm`.

    Args:
        momentum: The weight of a new step in the running statistics.
        static: "every_step" lets a static sequence update the running statistics T times, "once" one time.
    """

    def __init__(
        self,
        site: Site,
        eps: Annotated[float, "> 0"] = 1e-5,
        momentum: Annotated[float, "in [0, 1]"] = 0.1,
        sync: bool = False,
        static: Literal["every_step", "once"] = "every_step",
    ):
        super().__init__(site, eps, momentum, sync)
        self.static = static

    def kernel_form(self) -> NormForm | Refusal:
        """A refusal in training mode; in evaluation mode the form of `BatchNorm`."""
        if self.training:
            return Refusal(
                "the kernels take the statistics of all steps together, and this norm takes those of each step"
            )
        return super().kernel_form()

    def forward(self, x_seq: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x_seq)
        if is_static(x_seq):
            time_steps = x_seq.shape[0]
            return shown(self.normalise(step_of(x_seq), self._momentum_of(time_steps)), time_steps)
        return torch.stack([self.normalise(x_t) for x_t in x_seq])

    def _momentum_of(self, time_steps: int) -> float:
        """The momentum of one update that has the effect of `time_steps` updates by the same image."""
        return self.momentum if self.static == "once" else 1 - (1 - self.momentum) ** time_steps
