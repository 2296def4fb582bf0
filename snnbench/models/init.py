"""Initial weights that papers name; all else keeps PyTorch's default."""

from __future__ import annotations

from torch import nn

from snnbench.synapses.base import Synapse


def kaiming_fan_out_(model: nn.Module) -> None:
    """He-normal (fan out, ReLU gain) for every convolution of `model`, biases 0; linear layers stay as they are."""
    for module in model.modules():
        if isinstance(module, Synapse) and module.weight.ndim > 2:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            zero_bias_(module)


def trunc_normal_(synapse: nn.Module, std: float = 0.02) -> None:
    """Truncated normal weights of one synapse, bias 0 (the transformers' linear layers)."""
    nn.init.trunc_normal_(synapse.weight, std=std)
    zero_bias_(synapse)


def zero_bias_(synapse: nn.Module) -> None:
    if getattr(synapse, "bias", None) is not None:
        nn.init.zeros_(synapse.bias)
