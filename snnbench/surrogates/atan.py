"""ATan surrogate (Fang et al., "Incorporating Learnable Membrane Time Constant ...", ICCV 2021).

s'(x) = (alpha/2) / (1 + (pi/2 * alpha * x)^2): peak alpha/2 at x = 0, integral 1 for every alpha. With the usual
alpha = 2 it is 1 / (1 + (pi x)^2).
"""

from __future__ import annotations

import math
from typing import Annotated

from torch import Tensor

from snnbench.kernels.common.codes import ATAN
from snnbench.kernels.common.form import SurrogateForm
from snnbench.surrogates.base import Surrogate


class ATan(Surrogate):
    """Derivative of arctan(pi/2 * alpha * x)/pi + 1/2; peak alpha/2, integral 1.

    Args:
        alpha: The inverse width, per unit of membrane potential; twice the peak.
    """

    def __init__(self, alpha: Annotated[float, "> 0"] = 2.0):
        super().__init__()
        self.alpha = alpha

    def derivative(self, x: Tensor) -> Tensor:
        return (self.alpha / 2) / (1 + (math.pi / 2 * self.alpha * x).square())

    def kernel_form(self) -> SurrogateForm:
        return SurrogateForm(ATAN, self.alpha / 2, math.pi / 2 * self.alpha)
