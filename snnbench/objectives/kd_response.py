"""Response distillation: the student's softened output follows the teacher's (KDSNN, Xu et al., CVPR 2023).

    L = alpha tau^2 CE(softmax(z_S / tau), softmax(z_T / tau)) + (1 - alpha) CE(softmax(z_S), y),

with the time-averaged logits z. This cross entropy is the Kullback-Leibler divergence plus the teacher's entropy, so
the gradient is the same. The paper does not state alpha and tau; ours are 0.5 and 4.

`raw_logit_target` repeats a defect of the surrogate-gradient survey's code (fangwei123456/
chinese_snn_surrogate_gradient_review @2d8a509, cf10/distill.py): z_T / tau is the target of the cross entropy
without a softmax, so it is no probability and the loss has no lower bound. Use it only to reproduce the survey's row.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from snnbench.objectives.base import Loss
from snnbench.objectives.distillation import Distillation, Lesson
from snnbench.temporal import full_precision


class ResponseDistillation(Distillation):
    """`(logits [T, N, K], target, lesson) -> (loss, {"ce", "response"})`; "response" does not contain alpha tau^2.

    Args:
        alpha: The weight of the teacher's part; the label's part has the weight 1 - alpha.
        temperature: The number tau that divides the logits of student and teacher before the softmax.
        raw_logit_target: True omits the softmax of the teacher's logits, a defect of the survey's code. Use it only to
            reproduce the survey's published results.
    """

    def __init__(
        self,
        alpha: Annotated[float, "in [0, 1]"] = 0.5,
        temperature: Annotated[float, "> 0"] = 4.0,
        raw_logit_target: bool = False,
        **rest,
    ):
        super().__init__(**rest)
        self.alpha, self.temperature, self.raw_logit_target = alpha, temperature, raw_logit_target

    def forward(self, logits: Tensor, target: Tensor, lesson: Lesson) -> Loss:
        ours, theirs = (full_precision(z).mean(0) / self.temperature for z in (logits, lesson.logits))
        response = F.cross_entropy(ours, theirs if self.raw_logit_target else theirs.softmax(1))
        ce = self.task_loss(logits, target)
        loss = self.alpha * self.temperature**2 * response + (1 - self.alpha) * ce
        return loss, {"ce": ce, "response": response}
