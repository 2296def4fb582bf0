"""STBP's nets: convolutions, average pools and linear layers with biases, no norm, every layer spiking.

Wu, Deng, Li, Zhu, Shi (Frontiers in Neuroscience 12:331, 2018); code yjwu17/STBP-for-training-SpikingNN @e3c0c93 (MNIST
CNN 32C3-AP2-32C3-AP2-FC128-FC10: 320 + 9,248 + 200,832 + 1,290 = 211,690 parameters) and its branch with the
CIFAR-10 net of the follow-up (AAAI 2019), where ten output neurons vote for each class and the input of every layer
but the first and the last goes through dropout, behind the pool. NeuNorm is not in the released branch, nor here. With
PyTorch's default weights, as released, that net is silent from its third convolution on and no weight gets a gradient
(found here on smooth random images); `gain` wakes it.

The output neurons' spikes are the logits: their mean over T is the firing rate in [0, 1] that `objective=mean_mse`
compares with the one-hot label.
"""

from __future__ import annotations

import re
from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.models.base import SpikingModel, require
from snnbench.models.layers import AvgPool2d, Flatten
from snnbench.models.parts import Parts, Unit
from snnbench.models.plif_net import Vote

LAYER = re.compile(r"^(?:(?P<channels>[1-9]\d*)C|AP)(?P<kernel>[1-9]\d*)$")


class STBPNet(SpikingModel):
    """`[T, N, C, H, W] -> spikes [T, N, K]`, with several voters a class their mean in [0, 1].

    Args:
        layers: layers before flattening: "32C3" a unit of 32 channels of 3x3, same padding; "AP2" average pool of 2.
        hidden: neurons of each hidden linear layer.
        voters: output neurons a class, neighbours.
        dropout: share of the inputs dropped in front of every unit but the first and the last, anew at each step.
        gain: factor on PyTorch's default initial weights and biases (1 as released; 2.45 is He's variance).

    Raises:
        ConfigError: a layer that cannot be read, an even kernel, a hidden layer without neurons, or too many pools.
    """

    traits = ("spike_output",)

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        layers: list[str] = ("32C3", "AP2", "32C3", "AP2"),
        hidden: list[int] = (128,),
        voters: Annotated[int, ">= 1"] = 1,
        dropout: Annotated[float, "in [0, 1)"] = 0.0,
        gain: Annotated[float, "> 0"] = 1.0,
    ):
        super().__init__()
        require(min(hidden, default=1) >= 1, f"model.hidden={list(hidden)} must be positive, e.g. [128].")
        width, *size = in_shape
        blocks: list[nn.Module] = []

        def add(unit: nn.Module) -> None:
            first = not any(isinstance(block, Unit) for block in blocks)
            blocks.extend([unit] if first or dropout == 0 else [nn.Dropout(dropout), unit])

        for layer in layers:
            kernel, channels = _read(layer)
            if channels is None:
                size = [pixels // kernel for pixels in size]
                require(min(size) > 0, f"model.layers: nothing is left of the image at {layer}; drop some pools.")
                blocks.append(AvgPool2d(kernel))
            else:
                require(kernel % 2 == 1, f"model.layers: {layer} has no same padding; take an odd kernel.")
                add(parts.unit(width, channels, kernel, bias=True))
                width = channels
        blocks.append(Flatten())
        width *= size[0] * size[1]
        for neurons in hidden:
            add(parts.linear_unit(width, neurons))
            width = neurons
        self.features = nn.Sequential(*blocks)
        self.output = parts.linear_unit(width, num_classes * voters)
        self.vote = Vote(voters) if voters > 1 else nn.Identity()
        if gain != 1:
            with torch.no_grad():
                for synapse in self.synapses():
                    synapse.weight.mul_(gain)
                    synapse.bias.mul_(gain)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.vote(self.output(self.features(x_seq)))


def _read(layer: str) -> tuple[int, int | None]:
    """(kernel, channels or None for a pool)."""
    found = LAYER.match(layer)
    if found is None:
        raise ConfigError(f"model.layers: '{layer}' cannot be read; write e.g. 32C3 or AP2.")
    return int(found["kernel"]), int(found["channels"]) if found["channels"] else None
