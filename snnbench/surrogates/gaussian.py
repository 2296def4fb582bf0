"""Gaussian surrogate: a normal density (Fang et al., "Exploiting Neuron and Synapse Filter Dynamics ...", IJCAI 2020).

s'(x) = exp(-(x / sigma)^2 / 2) / (sqrt(2 pi) sigma): peak 0.9974 at sigma = 0.4, integral 1. STBP's h4 (Wu et al.,
2018) is the same curve. The released code (Snow-Crash/snn-iir) rounds sqrt(2 pi) to 2.506628.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from snnbench.kernels.common.codes import GAUSSIAN
from snnbench.kernels.common.form import SurrogateForm
from snnbench.surrogates.base import Surrogate


class Gaussian(Surrogate):
    """Normal density around the threshold; peak 1 / (sqrt(2 pi) sigma), integral 1.

    Args:
        sigma: The standard deviation of the Gaussian, in units of membrane potential.
    """

    def __init__(self, sigma: Annotated[float, "> 0"] = 0.4):
        super().__init__()
        self.sigma = sigma

    def derivative(self, x: Tensor) -> Tensor:
        return torch.exp(-0.5 * (x / self.sigma).square()) / (math.sqrt(2 * math.pi) * self.sigma)

    def kernel_form(self) -> SurrogateForm:
        return SurrogateForm(GAUSSIAN, 1 / (math.sqrt(2 * math.pi) * self.sigma), 0.5 / self.sigma**2)
