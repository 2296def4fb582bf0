"""Triangle surrogate (Esser et al., 2016; in the form of TET, Deng et al., ICLR 2022).

s'(x) = max(0, gamma - |x|) / gamma^2: peak 1/gamma at x = 0, zero from |x| = gamma on, integral 1.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from snnbench.kernels.common.codes import TRIANGLE
from snnbench.kernels.common.form import SurrogateForm
from snnbench.surrogates.base import Surrogate


class Triangle(Surrogate):
    """Triangle of half-width gamma; peak 1/gamma, integral 1.

    Args:
        gamma: Half the width of the triangle, in units of membrane potential.
    """

    def __init__(self, gamma: Annotated[float, "> 0"] = 1.0):
        super().__init__()
        self.gamma = gamma

    def derivative(self, x: Tensor) -> Tensor:
        return (self.gamma - x.abs()).clamp(min=0) / self.gamma**2

    def kernel_form(self) -> SurrogateForm:
        return SurrogateForm(TRIANGLE, self.gamma, 1 / self.gamma**2)
