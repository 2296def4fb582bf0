"""Double-sided exponential surrogate: SLAYER's spike escape rate (Shrestha & Orchard, NeurIPS 2018).

rho(x) = scale/width exp(-|x|/width): peak scale/width, integral 2 * scale (not 1). The paper writes alpha exp(-beta
|x|) (recalled); the released code (bamsumit/slayerPytorch @01beeeb) has alpha = scaleRho/(tauRho theta) and
beta = 1/(tauRho theta). Hence scale = scaleRho and width = tauRho theta with the threshold theta. The released examples
(theta 10, tauRho 1, scaleRho 1) have width 10 and scale 1; lava-dl has scale 0.5. For time steps of dt ms, scale is
scaleRho dt, because spikes have the height 1 here (neuron `srm`).
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from snnbench.kernels.common.codes import EXP_ABS
from snnbench.kernels.common.form import SurrogateForm
from snnbench.surrogates.base import Surrogate


class ExpAbs(Surrogate):
    """Exponential on both sides of the threshold; peak scale / width, integral 2 * scale.

    Args:
        width: The distance from the threshold at which the derivative is 1/e of its peak, in units of membrane
            potential.
        scale: Half of the derivative's integral.
    """

    def __init__(self, width: Annotated[float, "> 0"] = 1.0, scale: Annotated[float, "> 0"] = 1.0):
        super().__init__()
        self.width, self.scale = width, scale

    def derivative(self, x: Tensor) -> Tensor:
        return self.scale / self.width * torch.exp(-x.abs() / self.width)

    def kernel_form(self) -> SurrogateForm:
        return SurrogateForm(EXP_ABS, self.scale / self.width, 1 / self.width)
