"""Feature distillation before the activation (KDSNN, Xu et al., CVPR 2023, with the loss of Heo et al., ICCV 2019).

    L = CE(mean_t o_t, y) + lam / N sum_i 2^-(n-1-i) sum (s_i - t_i)^2 1[s_i > t_i or t_i > 0]
    t_i = max(T_i, m),   m = E[T | T < 0] of each channel from the norm before it;   s_i = BN(conv1x1(mean_t S_i))

T_i and S_i are the inputs of the last neuron layer of stage i. KDSNN names this loss and released no code. The margin
m, the partial sum and the weights follow the code of Heo et al., which divides by the batch size N and by 1000, hence
lam = 1e-3. A spiking network has no value before a ReLU; we take the mean over time of the current into the membrane,
or the firing rate. The 1x1 convolutions are trained together with the student but do not belong to it.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.objectives.base import Loss
from snnbench.objectives.distillation import Distillation, Lesson, pairs_of
from snnbench.objectives.taps import Outline
from snnbench.temporal import full_precision, time_mean


class FeatureDistillation(Distillation):
    """`(logits [T, N, K], target, lesson) -> (loss, {"ce", "feature"})`; "feature" does not contain lam.

    Args:
        lam: The weight of the distance between features.
        student: The signal of the student's layers, "current" into the neurons or their firing "rate".
        layers: The names of the student's neuron layers that are compared; null takes the last of each image size.
        teacher_layers: The names of the teacher's neuron layers, one for each of `layers`; null chooses them likewise.

    Raises:
        ConfigError: The layers of a pair differ in image size, or a teacher's layer has no batch norm before it.
    """

    asks = "current"

    def __init__(
        self,
        lam: Annotated[float, ">= 0"] = 0.001,
        student: Literal["current", "rate"] = "current",
        layers: list[str] | None = None,
        teacher_layers: list[str] | None = None,
        **rest,
    ):
        super().__init__(**rest)
        self.lam, self.wanted = lam, (layers, teacher_layers)
        self.sees = ("current" if student == "current" else "features",)
        self.transforms = nn.ModuleList()

    def prepare(self, student: Outline, teacher: Outline) -> None:
        self.layers, self.teacher_layers = pairs_of(*self.wanted, student, teacher, _stage_ends)
        if self.sees == ("current",) and student.replaced.intersection(self.layers):
            raise ConfigError(
                "objective.student=current compares currents, through which this rule sends no gradient; "
                "set objective.student=rate, or use rule=bptt"
            )
        for index, (ours, theirs) in enumerate(zip(self.layers, self.teacher_layers)):
            (c_in, *size), (c_out, *their_size) = student.layers[ours], teacher.layers[theirs]
            if size != their_size:
                raise ConfigError(
                    f"objective=kd_feature matches channels, not sizes: the student's {ours} is {size} and the "
                    f"teacher's {theirs} {their_size}; name pairs of one size in objective.layers and "
                    "objective.teacher_layers"
                )
            self.transforms.append(_to_channels(c_in, c_out, len(size)))
            margin = margin_of(teacher.norms.get(theirs), theirs)
            self.register_buffer(f"margin_{index}", margin.view(-1, *[1] * len(size)), persistent=False)

    def forward(self, logits: Tensor, target: Tensor, lesson: Lesson) -> Loss:
        ce = self.task_loss(logits, target)
        last, feature = len(self.transforms) - 1, torch.zeros_like(ce)
        for index, (transform, ours, theirs) in enumerate(zip(self.transforms, lesson.student, lesson.teacher)):
            wished = torch.maximum(time_mean(theirs), getattr(self, f"margin_{index}"))
            shown = full_precision(transform(time_mean(ours)))
            feature = feature + 2.0 ** (index - last) * partial_l2(shown, wished) / logits.shape[1]
        return ce + self.lam * feature, {"ce": ce, "feature": feature}


def partial_l2(shown: Tensor, wished: Tensor) -> Tensor:
    """The sum of (s - t)^2 where s > t or t > 0; no loss where the student is below a negative target."""
    counts = (shown > wished) | (wished > 0)
    return ((shown - wished).square() * counts).sum()


@torch.no_grad()
def margin_of(norm: nn.Module | None, layer: str) -> Tensor:
    """E[t | t < 0] of every channel `[C]` for the output t ~ N(shift, gain^2) of a batch norm (Heo et al. 2019).

    Where t is negative with a probability of at most 0.001, it is -3 gain.
    """
    shift = getattr(norm, "bias", None)
    if shift is None:
        raise ConfigError(
            f"objective=kd_feature needs a batch norm before the teacher's {layer} and there is none: choose layers "
            "behind one in objective.teacher_layers, or objective=feature_mse"
        )
    gain = (norm.gain() if hasattr(norm, "gain") else norm.weight).double().abs().clamp_min(1e-12)
    shift = shift.double()
    below = 0.5 * torch.erfc(shift / gain / math.sqrt(2))
    mean = shift - gain * torch.exp(-0.5 * (shift / gain).square()) / (math.sqrt(2 * math.pi) * below)
    return torch.where(below > 1e-3, mean, -3 * gain).float()


def _to_channels(c_in: int, c_out: int, dims: int) -> nn.Module:
    conv, norm = {1: (nn.Conv1d, nn.BatchNorm1d), 2: (nn.Conv2d, nn.BatchNorm2d)}[dims]
    return nn.Sequential(conv(c_in, c_out, 1, bias=False), norm(c_out))


def _stage_ends(outline: Outline) -> list[str]:
    """The last neuron layer of each image size; layers without spatial axes are left out."""
    ends = {shape[1:]: name for name, shape in outline.layers.items() if len(shape) in (2, 3)}
    return list(ends.values())
