"""Fast-sigmoid surrogate of SuperSpike (Zenke & Ganguli, Neural Computation 2018).

s'(x) = scale / (1 + beta |x|)^2: peak `scale` at x = 0, integral 2 * scale / beta (not 1: the effective learning rate
changes with beta; scale = beta/2 gives a unit integral). SuperSpike writes x in mV with beta = 1/mV; in units of the
threshold spytorch and norse use beta = 100, snnTorch 25. The released C++ code also multiplies by beta, a factor that
its normalisation of each weight's update removes.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from snnbench.kernels.common.codes import FAST_SIGMOID
from snnbench.kernels.common.form import SurrogateForm
from snnbench.surrogates.base import Surrogate


class FastSigmoid(Surrogate):
    """Derivative of the fast sigmoid x/(1 + beta |x|); peak scale, integral 2 * scale / beta.

    Args:
        beta: The slope, per unit of membrane potential.
        scale: The value of the derivative at the threshold.
    """

    def __init__(self, beta: Annotated[float, "> 0"] = 25.0, scale: Annotated[float, "> 0"] = 1.0):
        super().__init__()
        self.beta, self.scale = beta, scale

    def derivative(self, x: Tensor) -> Tensor:
        return self.scale / (1 + self.beta * x.abs()).square()

    def kernel_form(self) -> SurrogateForm:
        return SurrogateForm(FAST_SIGMOID, self.scale, self.beta)
