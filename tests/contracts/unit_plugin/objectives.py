"""A loss of membrane potentials, in the manner of RMP-Loss (Guo et al., ICCV 2023)."""

from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from snnbench.objectives.base import Loss, Objective
from snnbench.objectives.taps import Outline


class RMP(Objective):
    """CE(mean_t o_t, y) + weight * mean over layers of mean (u - v_th s)^2, s = 1 where u >= v_th, else 0.

    Args:
        weight: weight of the distance between potentials and spikes.
        layers: names of the neuron layers that are seen; null sees all of them.
    """

    sees = ("potential",)

    def __init__(self, weight: Annotated[float, ">= 0"] = 0.1, layers: list[str] | None = None):
        super().__init__()
        self.weight, self.layers = weight, layers

    def prepare(self, student: Outline, teacher: Outline | None = None) -> None:
        super().prepare(student)
        self.v_th = student.thresholds

    def forward(self, logits: Tensor, target: Tensor, seen: dict[str, dict[str, Tensor]]) -> Loss:
        ce = F.cross_entropy(logits.mean(0), target)
        distances = [(u - v * (u >= v)).square().mean() for u, v in self.pairs(seen)]
        distance = sum(distances) / len(distances)
        return ce + self.weight * distance, {"ce": ce, "distance": distance}

    def pairs(self, seen: dict[str, dict[str, Tensor]]) -> list[tuple[Tensor, float]]:
        """Potential and threshold of every layer."""
        return [(u, self.v_th[name]) for name, u in seen["potential"].items()]
