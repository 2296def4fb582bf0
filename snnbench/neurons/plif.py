"""Parametric LIF: a LIF neuron whose time constant is trained (Fang et al., ICCV 2021, arXiv:2007.05785).

    h_t = v_{t-1} + sigma(w) (x_t - (v_{t-1} - v_reset)),   1/tau = sigma(w) = 1/(1 + exp(-w)),   w_0 = -ln(tau_0 - 1).

Each layer has one scalar w; the sigmoid keeps tau above 1.
"""

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.kernels.membrane.codes import DECAY_INPUT, DECAY_STATE_LEARNT
from snnbench.kernels.membrane.form import ChargeForm
from snnbench.neurons.membrane import MembraneNeuron
from snnbench.neurons.parameters import spared
from snnbench.site import Site


class PLIF(MembraneNeuron):
    """`[T, N, C, *]` currents -> spikes; `MembraneNeuron` explains the other arguments.

    The optimiser applies no weight decay to w, since that would pull tau towards 2.

    Args:
        init_tau: The initial membrane time constant, in steps.
        decay_input: True divides the input by tau as well, as in the paper.
    """

    traits = ("learnable_leak",)
    printed = ("decay_input", *MembraneNeuron.printed)

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        init_tau: Annotated[float, "> 1"] = 2.0,
        decay_input: bool = True,
        **rest,
    ):
        super().__init__(site, surrogate, **rest)
        self.decay_input = decay_input
        self.w = spared(torch.tensor(-math.log(init_tau - 1)))

    @property
    def tau(self) -> float:
        """The current membrane time constant, in steps."""
        return 1 / torch.sigmoid(self.w).item()

    def learnt(self) -> dict[str, Tensor]:
        """The membrane time constant tau, in steps."""
        return {"tau": 1 / torch.sigmoid(self.w)}

    def kernel_charge(self) -> ChargeForm:
        kind = DECAY_INPUT if self.decay_input else DECAY_STATE_LEARNT
        return ChargeForm(kind, torch.sigmoid(self.w))

    def charge(self, v: Tensor, x_t: Tensor) -> Tensor:
        k = torch.sigmoid(self.w)
        above_rest = v if self.v_reset == 0 else v - self.v_reset
        if self.decay_input:
            return v + (x_t - above_rest) * k
        return v - above_rest * k + x_t
