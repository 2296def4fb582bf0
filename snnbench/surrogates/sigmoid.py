"""Sigmoid surrogate: the derivative of a logistic function of slope alpha.

s'(x) = alpha * sg(alpha x) * (1 - sg(alpha x)): peak alpha/4 at x = 0, integral 1. alpha = 4 (peak 1) is what OTTT
(Xiao et al., NeurIPS 2022) and Spikformer (Zhou et al., ICLR 2023) use; STBP's h3 (Wu et al., 2018) is the same curve.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from snnbench.kernels.common.codes import SIGMOID
from snnbench.kernels.common.form import SurrogateForm
from snnbench.surrogates.base import Surrogate


class Sigmoid(Surrogate):
    """Logistic density; peak alpha/4, integral 1.

    Args:
        alpha: The slope of the sigmoid, per unit of membrane potential; four times the peak.
    """

    def __init__(self, alpha: Annotated[float, "> 0"] = 4.0):
        super().__init__()
        self.alpha = alpha

    def derivative(self, x: Tensor) -> Tensor:
        s = torch.sigmoid(self.alpha * x)
        return self.alpha * s * (1 - s)

    def kernel_form(self) -> SurrogateForm:
        return SurrogateForm(SIGMOID, self.alpha)
