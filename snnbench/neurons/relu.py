"""Rectified linear units: the analogue twin of any spiking network here (Nair & Hinton, ICML 2010).

    y_t = max(x_t, 0)

A model with `neuron=relu` and T = 1 is the ordinary network of the same layers, which distillation, tandem learning and
conversion compare with. No state, no threshold, no surrogate: time steps do not know of each other.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import State, is_static, over_time, shown, step_of


class ReLU(Neuron):
    """`[T, N, C, *]` currents -> `[T, N, C, *]` non-negative activations; a static sequence is computed once.

    Args:
        site, surrogate: accepted like every neuron's (injected); not used.
        v_th: accepted because some models name a threshold; not used.
    """

    traits = ("analogue",)

    def __init__(self, site: Site, surrogate: nn.Module, v_th: Annotated[float, "> 0"] = 1.0):
        super().__init__(site, surrogate, v_th, strict=False, amplitude=1.0)

    def forward(self, x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        """Activations of `norm(x_seq) + residual`; nothing here asks for a fused kernel."""
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
