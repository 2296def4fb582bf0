"""Spike-response neuron whose reset decays over time (synapse filter dynamics).

Fang, Shrestha, Zhao, Qiu (IJCAI 2020, arXiv:2003.02944); code Snow-Crash/snn-iir @cb1e7fa, `neuron_cell`.

    V_t = x_t - R_{t-1}   (+ d V_{t-1} with membrane_filter),   s_t = 1[V_t > v_th],   R_t = d R_{t-1} + s_t v_th

with d = exp(-1/tau) and V_0 = R_0 = 0. Nothing is detached. The paper filters the input over time as well; here
`synapse=iir` does so, and x_t is its output. Code and paper use v_th = 1.
"""

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import full_precision


class IIRNeuron(Neuron):
    """`[T, N, C, *]` currents -> spikes; the state is (V, R), both `[N, C, *]`. It has no parameters.

    The paper uses the surrogate `gaussian` of width 0.4.

    Args:
        tau: The time constant of the reset R, and of the potential if `membrane_filter` is set, in steps.
        membrane_filter: True adds d times the potential of the last step; the published configurations do not.
    """

    zero_states = 2
    printed = ("tau", "membrane_filter", *Neuron.printed)

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        tau: Annotated[float, "> 0"] = 4.0,
        membrane_filter: bool = False,
        strict: bool = True,
        **rest,
    ):
        super().__init__(site, surrogate, strict=strict, **rest)
        self.tau, self.membrane_filter = tau, membrane_filter

    @property
    def leak(self) -> float:
        """d = exp(-1/tau), the share of R that one step leaves."""
        return math.exp(-1 / self.tau)

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        v, r = state
        v_next = full_precision(x_t) - r
        if self.membrane_filter:
            v_next = torch.add(v_next, v, alpha=self.leak)
        spike = self.fire(v_next)
        r = torch.add(self.v_th * spike, r, alpha=self.leak)
        return self.emit(spike, x_t), (v_next, r)
