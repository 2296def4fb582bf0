"""Temporal efficient training: cross entropy at every step (Deng et al., ICLR 2022, arXiv:2202.11946).

    L = (1 - lamb) 1/T sum_t CE(o_t, y) + lamb * mean((o - phi)^2),      phi = `means` (the threshold) for every class.

The first term is never below the cross entropy of the mean logits, because cross entropy is convex. The paper uses
lamb = 0.05 on CIFAR, where its script defaults to 0; both use 1e-3 on CIFAR10-DVS.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from snnbench.objectives.base import Loss, Objective, per_step_cross_entropy
from snnbench.temporal import full_precision


class TET(Objective):
    """`(logits [T, N, K], target [N] or [N, K]) -> (loss, {"ce", "mse"})`.

    Args:
        lamb: The weight of the regulariser that pulls every logit to `means`.
        means: The value phi to which the regulariser pulls the logits.
        label_smoothing: The share of the target that is spread evenly over the classes; 0 in the paper.
    """

    traits = ("per_step_loss",)

    def __init__(
        self,
        lamb: Annotated[float, "in [0, 1]"] = 0.05,
        means: float = 1.0,
        label_smoothing: Annotated[float, "in [0, 1)"] = 0.0,
    ):
        super().__init__()
        self.lamb, self.means, self.label_smoothing = lamb, means, label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        logits = full_precision(logits)
        ce = per_step_cross_entropy(logits, target, self.label_smoothing)
        mse = (logits - self.means).square().mean()
        return (1 - self.lamb) * ce + self.lamb * mse, {"ce": ce, "mse": mse}
