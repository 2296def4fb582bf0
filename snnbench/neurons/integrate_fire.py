"""Integrate-and-fire neuron without a leak: h_t = v_{t-1} + x_t (Abbott 1999, discretised; the survey's IF column)."""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor, nn

from snnbench.kernels.membrane.codes import INTEGRATE
from snnbench.kernels.membrane.form import ChargeForm
from snnbench.neurons.membrane import MembraneNeuron
from snnbench.site import Site


class IF(MembraneNeuron):
    """`[T, N, C, *]` currents -> spikes; see `MembraneNeuron` for the arguments and errors."""

    traits = ("no_leak",)

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        v_th: Annotated[float, "> 0"] = 1.0,
        reset: Literal["hard", "soft"] = "hard",
        v_reset: float = 0.0,
        detach_reset: bool = True,
        strict: bool = False,
        amplitude: Annotated[float, "> 0"] = 1.0,
    ):
        super().__init__(site, surrogate, v_th, reset, v_reset, detach_reset, strict, amplitude)

    def kernel_charge(self) -> ChargeForm:
        return ChargeForm(INTEGRATE)

    def charge(self, v: Tensor, x_t: Tensor) -> Tensor:
        return v + x_t
