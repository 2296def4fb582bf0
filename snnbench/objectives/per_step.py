"""Cross entropy and square error of every step alone: the loss of online rules (OTTT, Xiao et al. 2022).

    L = 1/T sum_t [ (1 - a) CE(o_t, y) + a MSE(o_t, onehot(y)) ],      MSE a mean over batch and classes.

No term joins two steps, so a rule may take the gradient of each step as it comes.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from snnbench.objectives.base import Loss, Objective, as_probabilities, per_step_cross_entropy
from snnbench.temporal import full_precision


class PerStep(Objective):
    """`(logits [T, N, K], target [N] or [N, K]) -> (loss, {"ce", "mse"})`; `[1, N, K]` gives the loss of one step.

    Args:
        mse_weight: a (the released code's loss_lambda): 0.05 CIFAR, 0.001 event data, 0 ImageNet.
        label_smoothing: share of the target spread evenly over the classes (0 in the paper); not seen by the MSE.
    """

    traits = ("per_step_loss",)

    def __init__(
        self,
        mse_weight: Annotated[float, "in [0, 1]"] = 0.05,
        label_smoothing: Annotated[float, "in [0, 1)"] = 0.0,
    ):
        super().__init__()
        self.mse_weight, self.label_smoothing = mse_weight, label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        logits = full_precision(logits)
        ce = per_step_cross_entropy(logits, target, self.label_smoothing)
        mse = F.mse_loss(logits, as_probabilities(target, logits).expand_as(logits))
        return (1 - self.mse_weight) * ce + self.mse_weight * mse, {"ce": ce, "mse": mse}
