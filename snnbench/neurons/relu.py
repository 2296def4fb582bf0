"""Rectified linear units, y_t = max(x_t, 0), in the place of spiking neurons (Nair & Hinton, ICML 2010).

A model with `neuron=relu` and T = 1 is the ordinary artificial network of the same layers: the teacher in distillation,
and the reference of tandem learning and conversion. There is no state, threshold or surrogate.
"""

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import State, is_static, over_time, shown, step_of


class ReLU(Neuron):
    """`[T, N, C, *]` currents -> activations >= 0 of the same shape; a static sequence is computed once.

    Args:
        v_th: Not used; it is accepted because some models set a threshold.
    """

    traits = ("analogue",)

    def __init__(self, site: Site, surrogate: nn.Module, v_th: Annotated[float, "> 0"] = 1.0):
        super().__init__(site, surrogate, v_th, strict=False, amplitude=1.0)

    def forward(self, x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        """Activations of `norm(x_seq) + residual`. The sum of two static sequences stays static."""
        current = x_seq if norm is None else norm(x_seq)
        if residual is None:
            return self.sequence(current)
        if is_static(current) and is_static(residual):
            return self.sequence(shown(step_of(current) + step_of(residual), current.shape[0]))
        return self.sequence(current + residual)

    def sequence(self, x_seq: Tensor) -> Tensor:
        return over_time(F.relu, x_seq)

    def step(self, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        return F.relu(x_t), state

    def extra_repr(self) -> str:
        return ""
