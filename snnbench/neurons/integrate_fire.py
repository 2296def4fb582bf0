"""Integrate-and-fire neuron without a leak, h_t = v_{t-1} + x_t (Abbott 1999, in discrete time; the survey's IF)."""

from torch import Tensor

from snnbench.kernels.membrane.codes import INTEGRATE
from snnbench.kernels.membrane.form import ChargeForm
from snnbench.neurons.membrane import MembraneNeuron


class IF(MembraneNeuron):
    """`[T, N, C, *]` currents -> spikes; `MembraneNeuron` explains the arguments."""

    traits = ("no_leak",)

    def kernel_charge(self) -> ChargeForm:
        return ChargeForm(INTEGRATE)

    def charge(self, v: Tensor, x_t: Tensor) -> Tensor:
        return v + x_t
