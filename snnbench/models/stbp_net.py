"""The networks of STBP: spiking convolutions and linear layers with biases, average pools, and no norm.

Wu, Deng, Li, Zhu, Shi (Frontiers in Neuroscience 12:331, 2018); code yjwu17/STBP-for-training-SpikingNN @e3c0c93 (MNIST
CNN 32C3-AP2-32C3-AP2-FC128-FC10: 320 + 9,248 + 200,832 + 1,290 = 211,690 parameters) and its branch with the
CIFAR-10 net of the follow-up (AAAI 2019), where ten output neurons vote for each class and the input of every layer
but the first and the last goes through dropout, after the pool. The released branch does not contain NeuNorm, so this
model does not either. With PyTorch's default weights, as released, no layer of that network fires from the third
convolution on, and no weight gets a gradient (found here on smooth random images); a larger `gain` prevents this.

The logits are the output neurons' spikes. `objective=mean_mse` compares their mean over T, the firing rate in [0, 1],
with the one-hot label.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require
from snnbench.models.layer_text import read_layers, require_pixels
from snnbench.models.layers import AvgPool2d, Flatten
from snnbench.models.parts import Parts, Unit
from snnbench.models.plif_net import Vote


class STBPNet(SpikingModel):
    """`[T, N, C, H, W] -> spikes [T, N, K]`, or their mean in [0, 1] if a class has several voters.

    Args:
        layers: The layers before flattening: "32C3" a unit of 32 channels of 3x3, same padding; "AP2" average pool of
            2.
        hidden: The number of neurons of each hidden linear layer.
        voters: The number of output neurons for each class; those of a class are neighbours.
        dropout: The share of the inputs that is dropped before every unit but the first and the last, with a new mask
            at each step.
        gain: The factor on PyTorch's default initial weights and biases (1 as released; 2.45 gives He's variance).

    Raises:
        ConfigError: A layer cannot be read or has an even kernel, a hidden layer has no neurons, or there are too many
            pools.
    """

    traits = ("spike_output",)
    made_for = {  # noqa: RUF012
        "*_cifar10": ("data=cifar10", "neuron=lif_stbp", "norm=none"),
        "*": ("data=mnist", "neuron=lif_stbp", "norm=none"),
    }

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

        for layer in read_layers(layers, "AP"):
            if layer.channels is None:
                blocks.append(AvgPool2d(layer.kernel, layer.stride, layer.padding))
            else:
                conv = {"stride": layer.stride, "padding": layer.padding, "bias": True}
                add(parts.unit(width, layer.channels, layer.kernel, **conv))
                width = layer.channels
            size = [layer.size(pixels) for pixels in size]
            require_pixels(size, layer)
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
