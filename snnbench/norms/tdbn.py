"""Threshold-dependent batch normalisation (Zheng et al., "Going Deeper With Directly-Trained Larger SNNs", AAAI 2021).

    y = lambda * alpha * V_th * (x - mu) / sqrt(var + eps) + beta,  lambda init 1, beta init 0, alpha = 1/sqrt(branches)

The statistics are taken over (T, N, space). alpha V_th is either a fixed factor ("factor": the paper, the co-author's
code, MPBN) or the initial value of lambda ("init": SpikingJelly, BrainCog, MS-ResNet). Both start as the same function,
but learning rate and weight decay act differently on the gain.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from snnbench.norms.batch_norm import BatchNorm
from snnbench.site import Site


class TdBN(BatchNorm):
    """`[T, N, C, *] -> [T, N, C, *]`; at the start each channel of the output has the deviation alpha * V_th.

    Args:
        site: The layer's place in the network, with V_th of the next neuron and the number of branches that are added
            up before it. The program passes it.
        parametrisation: "factor" multiplies by alpha * V_th as a constant, "init" starts the trained gain there.
    """

    def __init__(
        self,
        site: Site,
        eps: Annotated[float, "> 0"] = 1e-5,
        momentum: Annotated[float, "in [0, 1]"] = 0.1,
        sync: bool = False,
        parametrisation: Literal["factor", "init"] = "factor",
    ):
        super().__init__(site, eps, momentum, sync)
        scale = site.v_th / math.sqrt(site.branches)
        self.factor = scale if parametrisation == "factor" else 1.0
        if parametrisation == "init" and not site.zero_init:
            nn.init.constant_(self.weight, scale)

    def gain(self) -> Tensor:
        return self.weight * self.factor

    @torch.no_grad()
    def folded(self, weight: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weight and bias of a convolution that computes the convolution before this norm and the norm in one."""
        scale = self.gain() * torch.rsqrt(self.running_var + self.eps)
        shift = self.bias - scale * self.running_mean
        folded_bias = shift if bias is None else shift + scale * bias
        return weight * scale.view(-1, *[1] * (weight.dim() - 1)), folded_bias
