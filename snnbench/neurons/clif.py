"""Complementary LIF: a second state remembers recent firing (Huang et al., ICML 2024, arXiv:2402.04663).

    u_t = gamma u_{t-1} + x_t,   gamma = 1 - 1/tau;   s_t = H(u_t - v_th)
    m_t = m_{t-1} sigmoid(u_t / tau) + s_t                     (u_t before the reset)
    u_t <- u_t - s_t (v_th + sigmoid(m_t));   u_0 = m_0 = 0

Nothing is detached: the m path carries gradients through time where the membrane's own is zero. Paper and official
single-step class agree. The official multi-step class, and the survey's benchmark which copies it, apply the second
sigmoid in place, so that m_t <- sigmoid(m_t) is what the next step sees; `overwrite_m=True` reproduces that defect.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.kernels.common.form import Refusal, overridden, surrogate_form
from snnbench.kernels.membrane.codes import COMPLEMENTARY, COMPLEMENTARY_OVERWRITTEN
from snnbench.kernels.membrane.form import MembraneForm
from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import full_precision

# what the kernels write out: a neuron that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("initial_state", "step", "sequence", "fire", "emit", "leak")


class CLIF(Neuron):
    """`[T, N, C, *]` currents -> spikes; the state is (u, m), both `[N, C, *]`. No parameters.

    The paper's surrogate is `rectangle`, width 1.

    Args:
        tau: membrane time constant in steps; it also divides u inside the sigmoid.
        overwrite_m: the stored m is sigmoid(m) (the survey's CLIF); only to match its published figures.
    """

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        tau: Annotated[float, "> 1"] = 2.0,
        overwrite_m: bool = False,
        **rest,
    ):
        super().__init__(site, surrogate, **rest)
        self.tau, self.overwrite_m = tau, overwrite_m

    @property
    def leak(self) -> float:
        """gamma = 1 - 1/tau."""
        return 1 - 1 / self.tau

    def kernel_form(self) -> MembraneForm | Refusal:
        surrogate = overridden(self, CLIF, *_KERNEL_DOES) or surrogate_form(self.surrogate)
        if isinstance(surrogate, Refusal):
            return surrogate
        dynamics = COMPLEMENTARY_OVERWRITTEN if self.overwrite_m else COMPLEMENTARY
        constants = [self.leak, self.v_th, 0.0, self.amplitude, surrogate.p0, surrogate.p1]
        return MembraneForm([float(c) for c in constants], [dynamics, surrogate.kind, 1, 0, int(self.strict)])

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, Tensor]:
        rest = torch.zeros_like(full_precision(x_t), requires_grad=False)
        return rest, rest

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        u, m = state
        u = torch.add(full_precision(x_t), u, alpha=self.leak)
        spike = self.fire(u)
        m = torch.addcmul(spike, m, torch.sigmoid(u / self.tau))
        complement = torch.sigmoid(m)
        u = torch.addcmul(u, spike, complement + self.v_th, value=-1)
        return self.emit(spike, x_t), (u, complement if self.overwrite_m else m)

    def extra_repr(self) -> str:
        return f"tau={self.tau}, overwrite_m={self.overwrite_m}, {super().extra_repr()}"
