"""Initial weights that papers specify; all other weights keep PyTorch's defaults."""

from __future__ import annotations

import torch
from torch import nn

from snnbench.synapses.base import Synapse


def kaiming_fan_out_(model: nn.Module, *, zero_biases: bool = True) -> None:
    """He-normal (fan out, ReLU gain) for every convolution of `model`, biases 0; linear layers stay as they are."""
    for module in model.modules():
        if isinstance(module, Synapse) and module.weight.ndim > 2:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if zero_biases:
                zero_bias_(module)


def norm_gain_(model: nn.Module, gain: float) -> None:
    """Set the gain of every norm of `model`, except of those that start at 0 (`zero_init`) or have no gain."""
    for module in model.modules():
        if hasattr(module, "running_mean") and module.weight is not None:
            with torch.no_grad():
                now = module.gain() if hasattr(module, "gain") else module.weight
                module.weight.copy_(torch.where(now == 0, now, module.weight * gain / now))


def trunc_normal_(synapse: nn.Module, std: float = 0.02) -> None:
    """Truncated normal weights of one synapse, bias 0 (the transformers' linear layers)."""
    nn.init.trunc_normal_(synapse.weight, std=std)
    zero_bias_(synapse)


def zero_bias_(synapse: nn.Module) -> None:
    if getattr(synapse, "bias", None) is not None:
        nn.init.zeros_(synapse.bias)
