"""Leaky integrate-and-fire neuron in its two discrete forms.

    decay_input:      h_t = v_{t-1} + (x_t - (v_{t-1} - v_reset)) / tau    (Euler step of tau v' = -(v - v_reset) + x)
    not decay_input:  h_t = v_{t-1} - (v_{t-1} - v_reset) / tau + x_t

The second form with v_reset = 0 is the iterative LIF of STBP (Wu et al. 2018), tdBN, TET and MS-ResNet, which they
write h_t = d v_{t-1} + x_t with d = 1 - 1/tau. A neuron with their decay d has tau = 1 / (1 - d) and `strict=True`,
since their code fires at h > v_th. Both forms equal SpikingJelly's LIFNode.
"""

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.kernels.membrane.codes import DECAY_INPUT, DECAY_STATE
from snnbench.kernels.membrane.form import ChargeForm
from snnbench.neurons.membrane import MembraneNeuron
from snnbench.site import Site


class LIF(MembraneNeuron):
    """`[T, N, C, *]` currents -> spikes; `MembraneNeuron` explains the other arguments.

    Args:
        tau: The membrane time constant, in steps.
        decay_input: True divides the input by tau as well.
    """

    printed = ("tau", "decay_input", *MembraneNeuron.printed)

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        tau: Annotated[float, "> 1"] = 2.0,
        decay_input: bool = True,
        **rest,
    ):
        super().__init__(site, surrogate, **rest)
        self.tau, self.decay_input = tau, decay_input

    @property
    def leak(self) -> float:
        """1 - 1/tau, the share of the potential that one step leaves; online rules call it lambda."""
        return 1 - 1 / self.tau

    def kernel_charge(self) -> ChargeForm:
        return ChargeForm(DECAY_INPUT, 1 / self.tau) if self.decay_input else ChargeForm(DECAY_STATE, self.leak)

    def charge(self, v: Tensor, x_t: Tensor) -> Tensor:
        above_rest = v if self.v_reset == 0 else v - self.v_reset
        if self.decay_input:
            return v + (x_t - above_rest) / self.tau
        drive = x_t if self.v_reset == 0 else x_t + self.v_reset
        return torch.add(drive, above_rest, alpha=self.leak)
