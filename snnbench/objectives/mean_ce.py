"""Cross entropy of the time-averaged logits, the standard direct-training loss ("SDT" in TET, Deng et al. 2022).

L = CE(1/T sum_t o_t, y);   dL/do_t = (softmax(mean) - y) / (T N), the same at every step.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from snnbench.objectives.base import Loss, Objective
from snnbench.temporal import full_precision


class MeanCE(Objective):
    """`(logits [T, N, K], target [N] or [N, K]) -> (loss, {"ce"})`.

    Args:
        label_smoothing: The share of the target that is spread evenly over the classes.
    """

    def __init__(self, label_smoothing: Annotated[float, "in [0, 1)"] = 0.0):
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        loss = F.cross_entropy(full_precision(logits).mean(0), target, label_smoothing=self.label_smoothing)
        return loss, {"ce": loss}
