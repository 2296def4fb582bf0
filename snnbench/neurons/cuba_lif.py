"""Current-based leaky integrate-and-fire neuron with an exponential synaptic current (SuperSpike).

Zenke & Ganguli, Neural Computation 30(6), 2018, in the discrete form of fzenke/spytorch @f4dcc66. (spytorch's notebooks
before April 2021 subtract 1 from the potential instead of resetting it to 0.)

    s_t = 1[U_t > v_th];   I_{t+1} = alpha I_t + x_t;   U_{t+1} = (beta U_t + I_t) (1 - s_t),      U_0 = I_0 = 0

alpha = exp(-dt/tau_syn), beta = exp(-dt/tau_mem). A step fires before it updates the potential, and the update adds the
current of the step before, so an input at t first changes U_{t+2}. The reset is detached; it also discards the current
that would have entered the membrane in that step. Without resets, U is x convolved with h = 0, 0, 1, alpha + beta, ...
(`response`). The paper simulates in continuous time with U_rest -60 mV, threshold -50 mV, tau_mem 10 ms, tau_syn 5 ms
and a refractory time of 5 ms; this neuron has no refractory time.
"""

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.filters import causal_filter, synapse_then_membrane
from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import full_precision


class CubaLIF(Neuron):
    """`[T, N, C, *]` inputs -> spikes; the state is (I, U), both `[N, C, *]`. It has no parameters.

    spytorch uses the surrogate `fast_sigmoid` with beta 100.

    Args:
        tau_mem: The time constant of the membrane, in ms.
        tau_syn: The time constant of the synaptic current, in ms.
        dt: The length of a time step, in ms.
    """

    traits = ("synaptic_current",)
    delay = 2  # an input needs one step to enter I and one more to go from I into U
    zero_states = 2
    printed = ("tau_mem", "tau_syn", "dt", *Neuron.printed)

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
        """exp(-dt/tau_syn), the share of the synaptic current that one step leaves."""
        return math.exp(-self.dt / self.tau_syn)

    @property
    def beta(self) -> float:
        """exp(-dt/tau_mem), the share of the membrane potential that one step leaves."""
        return math.exp(-self.dt / self.tau_mem)

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        current, u = state
        spike = self.fire(u)
        charged = torch.where(spike.detach().bool(), 0.0, torch.add(current, u, alpha=self.beta))
        return self.emit(spike, x_t), (torch.add(full_precision(x_t), current, alpha=self.alpha), charged)

    def potentials(self, x_seq: Tensor) -> tuple[Tensor, Tensor]:
        """The spikes that `forward` returns and the potentials U that they depend on, both `[T, N, C, *]`."""
        state, spikes, potentials = self.initial_state(x_seq[0]), [], []
        for x_t in x_seq:
            potentials.append(state[1])
            spike, state = self.step(x_t, state)
            spikes.append(spike)
        return torch.stack(spikes), torch.stack(potentials)

    def response(self, x_seq: Tensor) -> Tensor:
        """The potential U `[T, *]` that the inputs `x_seq` `[T, *]` cause without resets, in at least fp32."""
        return causal_filter(synapse_then_membrane(len(x_seq), self.alpha, self.beta), full_precision(x_seq))
