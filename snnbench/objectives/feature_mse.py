"""Feature distillation layer by layer, as the surrogate-gradient survey runs it (its code @2d8a509, cf10/distill.py).

    L = CE(mean_t o_t, y) + beta sum_l MSE(mean_t a_l^T, mean_t s_l^S)

The sum runs over all neuron layers l, also that of the hidden linear layer. MSE is the mean over all elements; features
are compared without a transform. a are the ReLU outputs of an artificial network of the same shape, which has one step;
a spiking teacher is compared by its firing rates.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.objectives.base import Loss
from snnbench.objectives.distillation import Distillation, Lesson, pairs_of
from snnbench.objectives.taps import Outline
from snnbench.temporal import time_mean


class FeatureMSE(Distillation):
    """`(logits [T, N, K], target, lesson) -> (loss, {"ce", "feature"})`; "feature" is the sum without beta.

    Args:
        beta: The weight of the distance between features (survey: 0.1; 0.01 gave the same accuracy).
        layers: The names of the student's neuron layers that are compared; null compares all of them.
        teacher_layers: The names of the teacher's neuron layers, one for each of `layers`; null takes all of them.

    Raises:
        ConfigError: The layers of a pair differ in shape.
    """

    sees = ("features",)
    asks = "features"

    def __init__(
        self,
        beta: Annotated[float, ">= 0"] = 0.1,
        layers: list[str] | None = None,
        teacher_layers: list[str] | None = None,
        **rest,
    ):
        super().__init__(**rest)
        self.beta, self.wanted = beta, (layers, teacher_layers)

    def prepare(self, student: Outline, teacher: Outline) -> None:
        self.layers, self.teacher_layers = pairs_of(*self.wanted, student, teacher, lambda net: list(net.layers))
        for ours, theirs in zip(self.layers, self.teacher_layers):
            if student.layers[ours] != teacher.layers[theirs]:
                raise ConfigError(
                    f"objective=feature_mse compares features of one shape, but the student's {ours} is "
                    f"{list(student.layers[ours])} and the teacher's {theirs} {list(teacher.layers[theirs])}: use a "
                    "teacher of the same architecture, or objective=kd_feature, which matches channels"
                )

    def forward(self, logits: Tensor, target: Tensor, lesson: Lesson) -> Loss:
        ce = self.task_loss(logits, target)
        feature = sum(
            F.mse_loss(time_mean(ours), time_mean(theirs)) for ours, theirs in zip(lesson.student, lesson.teacher)
        )
        return ce + self.beta * feature, {"ce": ce, "feature": feature}
