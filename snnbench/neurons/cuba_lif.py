"""Current-based leaky integrate-and-fire neuron with an exponential synaptic current (SuperSpike's, as in spytorch).

Zenke & Ganguli, Neural Computation 30(6), 2018; discrete form of fzenke/spytorch @f4dcc66
(its notebooks before April 2021 subtract 1 instead of resetting to 0):

    s_t = 1[U_t > v_th];   I_{t+1} = alpha I_t + x_t;   U_{t+1} = (beta U_t + I_t) (1 - s_t),      U_0 = I_0 = 0

alpha = exp(-dt/tau_syn), beta = exp(-dt/tau_mem). The spike is read before the update and the membrane takes the old
current, so an input at t first moves U_{t+2}; the reset is detached and takes the incoming current of its step with it.
Without a reset U = h * x with h = 0, 0, 1, alpha + beta, ... (`response`). The paper's own simulation is continuous:
U_rest -60 mV, threshold -50 mV, refractory 5 ms, tau_mem 10 ms, tau_syn 5 ms; the refractory time is left out here.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.filters import causal_filter, synapse_then_membrane
from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import full_precision


class CubaLIF(Neuron):
    """`[T, N, C, *]` inputs -> spikes; the state is (I, U), both `[N, C, *]`. No parameters.

    spytorch's surrogate is `fast_sigmoid`, beta 100.

    Args:
        tau_mem: time constant of the membrane, in ms.
        tau_syn: time constant of the synaptic current, in ms.
        dt: length of a time step, in ms.
    """

    traits = ("synaptic_current",)
    delay = 2  # steps from an input to the first spike that it can cause: one into I, one from I into U

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        tau_mem: Annotated[float, "> 0"] = 10.0,
        tau_syn: Annotated[float, "> 0"] = 5.0,
        dt: Annotated[float, "in [1e-6, 1e6]"] = 1.0,
        strict: bool = True,
        **rest,
    ):
        super().__init__(site, surrogate, strict=strict, **rest)
        self.tau_mem, self.tau_syn, self.dt = tau_mem, tau_syn, dt

    @property
    def alpha(self) -> float:
        """What a step leaves of the synaptic current."""
        return math.exp(-self.dt / self.tau_syn)

    @property
    def beta(self) -> float:
        """What a step leaves of the membrane potential."""
        return math.exp(-self.dt / self.tau_mem)

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, Tensor]:
        rest = torch.zeros_like(full_precision(x_t), requires_grad=False)
        return rest, rest

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        current, u = state
        spike = self.fire(u)
        charged = torch.where(spike.detach().bool(), 0.0, torch.add(current, u, alpha=self.beta))
        return self.emit(spike, x_t), (torch.add(full_precision(x_t), current, alpha=self.alpha), charged)

    def potentials(self, x_seq: Tensor) -> tuple[Tensor, Tensor]:
        """Spikes as `forward` gives them and the potentials U that they were read from, both `[T, N, C, *]`."""
        state, spikes, potentials = self.initial_state(x_seq[0]), [], []
        for x_t in x_seq:
            potentials.append(state[1])
            spike, state = self.step(x_t, state)
            spikes.append(spike)
        return torch.stack(spikes), torch.stack(potentials)

    def response(self, x_seq: Tensor) -> Tensor:
        """What `x_seq` `[T, *]` adds to U without a reset, at least fp32: the postsynaptic potential of each line."""
        return causal_filter(synapse_then_membrane(len(x_seq), self.alpha, self.beta), full_precision(x_seq))

    def extra_repr(self) -> str:
        return f"tau_mem={self.tau_mem}, tau_syn={self.tau_syn}, dt={self.dt}, {super().extra_repr()}"
