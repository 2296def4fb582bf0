"""Complementary LIF: a second state remembers recent firing (Huang et al., ICML 2024, arXiv:2402.04663).

    u_t = gamma u_{t-1} + x_t,   gamma = 1 - 1/tau;   s_t = H(u_t - v_th)
    m_t = m_{t-1} sigmoid(u_t / tau) + s_t                     (u_t before the reset)
    u_t <- u_t - s_t (v_th + sigmoid(m_t));   u_0 = m_0 = 0

Nothing is detached: m carries a gradient through time also where the gradient of the membrane is zero. The paper and
the official single-step class agree. The official multi-step class, and the survey's benchmark which copies it, compute
sigmoid(m_t) in place, so the next step starts from sigmoid(m_t) instead of m_t; `overwrite_m=True` reproduces that.
"""

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.kernels.common.form import Refusal, overridden
from snnbench.kernels.membrane.codes import COMPLEMENTARY, COMPLEMENTARY_OVERWRITTEN
from snnbench.kernels.membrane.form import MembraneForm
from snnbench.neurons.base import Neuron
from snnbench.neurons.membrane import membrane_form
from snnbench.site import Site
from snnbench.temporal import full_precision

# the kernels compute these methods: a subclass that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("initial_state", "step", "sequence", "fire", "emit", "leak")


class CLIF(Neuron):
    """`[T, N, C, *]` currents -> spikes; the state is (u, m), both `[N, C, *]`. It has no parameters.

    The paper uses the surrogate `rectangle` of width 1.

    Args:
        tau: The membrane time constant, in steps; it also divides u inside the sigmoid.
        overwrite_m: True passes sigmoid(m) on to the next step, as the survey's code does. Use it only to reproduce the
            survey's published results.
    """

    zero_states = 2
    printed = ("tau", "overwrite_m", *Neuron.printed)

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
        """gamma = 1 - 1/tau, the share of the potential that one step leaves."""
        return 1 - 1 / self.tau

    def kernel_form(self) -> MembraneForm | Refusal:
        dynamics = COMPLEMENTARY_OVERWRITTEN if self.overwrite_m else COMPLEMENTARY
        return overridden(self, CLIF, *_KERNEL_DOES) or membrane_form(self, dynamics, self.leak, soft=True)

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        u, m = state
        u = torch.add(full_precision(x_t), u, alpha=self.leak)
        spike = self.fire(u)
        m = torch.addcmul(spike, m, torch.sigmoid(u / self.tau))
        complement = torch.sigmoid(m)
        u = torch.addcmul(u, spike, complement + self.v_th, value=-1)
        return self.emit(spike, x_t), (u, complement if self.overwrite_m else m)
