"""Cross entropy and squared error of each time step: the loss of online rules (OTTT, Xiao et al. 2022).

    L = 1/T sum_t [ (1 - a) CE(o_t, y) + a MSE(o_t, onehot(y)) ],      MSE is the mean over batch and classes.

No term contains two steps, so a rule can compute the gradient of each step by itself.
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
        mse_weight: The weight a of the squared error (released loss_lambda): 0.05 for CIFAR, 0.001 for event data, 0
            for ImageNet.
        label_smoothing: The share of the target that is spread evenly over the classes, in the cross entropy alone; 0
            in the paper.
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
