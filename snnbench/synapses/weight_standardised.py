"""Scaled weight standardisation: convolutions that need no batch normalisation.

Brock, De, Smith, "Characterizing signal propagation to close the performance gap in unnormalized ResNets" (ICLR 2021),
as used by OTTT (Xiao et al., NeurIPS 2022). For each output channel with n = C_in/groups * kernel area inputs:

    W_eff = gain * (W - mean(W)) / sqrt(var(W) * n + eps),      var unbiased (n - 1), gain trained from 1.

This follows the released code (torch.var's default, eps 1e-4 under the root). The paper's formula has no eps and uses
the biased variance. The networks also multiply spikes by 2.74, which is the neuron's `amplitude` here.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.synapses.base import Conv1d, Conv2d, Linear, Synapse, SynapseFamily


class _Standardised(Synapse):
    """Adds the gain `[C_out, 1, ..]` to a convolution and standardises its weight."""

    eps: float = 1e-4

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fan_in = self.weight[0].numel()
        if self.fan_in < 2:
            raise ConfigError("weight-standardised synapses need at least 2 weights a channel; use synapse=plain here.")
        self.gain = nn.Parameter(torch.ones(self.weight.shape[0], *[1] * (self.weight.dim() - 1)))
        nn.init.zeros_(self.bias)

    def effective_weight(self) -> Tensor:
        axes = tuple(range(1, self.weight.dim()))
        variance, mean = torch.var_mean(self.weight, dim=axes, keepdim=True)
        return (self.weight - mean) * (self.gain * torch.rsqrt(variance * self.fan_in + self.eps))


class StandardisedConv1d(_Standardised, Conv1d):
    """Weight-standardised 1-d convolution over `[T, N, C_in, L]`."""


class StandardisedConv2d(_Standardised, Conv2d):
    """Weight-standardised 2-d convolution over `[T, N, C_in, H, W]`."""


class WeightStandardised(SynapseFamily):
    """Weight-standardised convolutions, which always have a bias that starts at 0, and plain linear layers.

    In the published networks the only linear layer is the readout, an ordinary `nn.Linear`.

    Args:
        eps: The number that is added to n * variance under the root.
    """

    traits = ("weight_standardised",)
    convolutions = {1: StandardisedConv1d, 2: StandardisedConv2d}  # noqa: RUF012
    linear_class = Linear

    def __init__(self, eps: Annotated[float, "> 0"] = 1e-4):
        self.eps = eps

    def conv(self, dims: int, c_in: int, c_out: int, kernel: int, *, stride: int = 1, padding: int = 0,
             bias: bool = False, groups: int = 1) -> Synapse:  # fmt: skip
        """As `SynapseFamily.conv`, but `bias` is ignored: these convolutions always have one."""
        synapse = super().conv(dims, c_in, c_out, kernel, stride=stride, padding=padding, bias=True, groups=groups)
        synapse.eps = self.eps
        return synapse
