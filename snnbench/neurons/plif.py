"""Parametric LIF: the leak of each layer is learnt (Fang et al., ICCV 2021, arXiv:2007.05785).

    h_t = v_{t-1} + sigma(w) (x_t - (v_{t-1} - v_reset)),   1/tau = sigma(w) = 1/(1 + exp(-w)),   w_0 = -ln(tau_0 - 1).

One scalar w a layer, so tau > 1 always. A survey prints k(a) = 1/exp(-a); paper and code have the sigmoid.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.kernels.membrane.codes import DECAY_INPUT, DECAY_STATE_LEARNT
from snnbench.kernels.membrane.form import ChargeForm
from snnbench.neurons.membrane import MembraneNeuron
from snnbench.site import Site


class PLIF(MembraneNeuron):
    """`[T, N, C, *]` currents -> spikes; see `MembraneNeuron` for the other arguments and errors.

    `w.no_weight_decay` is True: the optimiser must not pull tau towards 2.

    Args:
        init_tau: membrane time constant in steps before training.
        decay_input: the input is divided by tau too (the paper's neuron).
    """

    traits = ("learnable_leak",)

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
        self.w = nn.Parameter(torch.tensor(-math.log(init_tau - 1)))
        self.w.no_weight_decay = True

    @property
    def tau(self) -> float:
        """The present membrane time constant in steps."""
        return 1 / torch.sigmoid(self.w).item()

    def learnt(self) -> dict[str, Tensor]:
        """tau in steps."""
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

    def extra_repr(self) -> str:
        return f"decay_input={self.decay_input}, {super().extra_repr()}"
