"""The networks of SLAYER: spiking convolutions, sum pools and linear layers, without biases and norms.

Shrestha & Orchard, NeurIPS 2018; code bamsumit/slayerPytorch @01beeeb. Its N-MNIST CNN 16C5(padding 1)-SP2-32C3-SP2-
64C3-FC10 has 800 + 4,608 + 18,432 + 40,960 = 64,800 weights, its MLP 34x34x2-512-10 1,183,744 + 5,120 = 1,188,864.
For a threshold of 10, initial weights are PyTorch's default times 10 (linear layers) and 100 (convolutions); with
smaller ones no neuron fires. A pool sums its window with a constant weight of 1.1 thresholds and has neurons of its
own. One input spike, whose postsynaptic potential peaks at 1, is enough to make them fire.

The logits are the output neurons' spikes. SLAYER predicts the class with the most spikes over T.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.models.base import SpikingModel, require
from snnbench.models.layer_text import read_layers, require_pixels
from snnbench.models.layers import Flatten
from snnbench.models.parts import Parts, Unit
from snnbench.synapses.base import Synapse
from snnbench.temporal import over_time

POOL_WEIGHT = 1.1  # in multiples of the threshold


class SumPool2d(nn.Module):
    """`weight` times the sum over each kernel x kernel window, `[T, N, C, H, W] -> [T, N, C, H', W']`.

    As released, H mod kernel rows and W mod kernel columns of zeros are added to the image.
    """

    def __init__(self, kernel: int, weight: float):
        super().__init__()
        self.kernel, self.weight = kernel, weight

    def size(self, pixels: int) -> int:
        """The height or width of the output for that of the input."""
        return (pixels + pixels % self.kernel) // self.kernel

    def forward(self, x_seq: Tensor) -> Tensor:
        return over_time(self._pool, x_seq)

    def _pool(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, width % self.kernel, 0, height % self.kernel))
        return self.weight * F.avg_pool2d(padded, self.kernel, divisor_override=1)

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}, weight={self.weight}"


class SpikingPool(nn.Module):
    """sum pool -> neurons, spikes `[T, N, C, H, W] -> [T, N, C, H', W']`, without parameters."""

    def __init__(self, parts: Parts, channels: int, kernel: int):
        super().__init__()
        self.neuron = parts.neuron(channels)
        self.pool = SumPool2d(kernel, POOL_WEIGHT * self.neuron.v_th)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.neuron(self.pool(x_seq))


class SlayerNet(SpikingModel):
    """`[T, N, C, H, W] -> spikes [T, N, K]`.

    Args:
        layers: The layers before flattening: "32C3" a unit of 32 channels of 3x3 with same padding, "16C5P1" with
            padding 1, "SP2" a spiking sum pool of 2x2.
        hidden: The number of neurons of each hidden linear layer.
        dense_scale: The factor on PyTorch's default initial weights of linear layers.
        conv_scale: The factor on PyTorch's default initial weights of convolutions.

    Raises:
        ConfigError: A layer cannot be read, an even kernel has no padding, a hidden layer has no neurons, or
            an image too small for the layers.
    """

    traits = ("spike_output",)
    made_for = {"*": ("data=nmnist",)}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        layers: list[str] = (),
        hidden: list[int] = (512,),
        dense_scale: Annotated[float, "> 0"] = 10.0,
        conv_scale: Annotated[float, "> 0"] = 100.0,
    ):
        super().__init__()
        require(min(hidden, default=1) >= 1, f"model.hidden={list(hidden)} must be positive, e.g. [512].")
        width, *size = in_shape
        blocks: list[nn.Module] = []
        for layer in read_layers(layers, "SP"):
            if layer.channels is None:
                plain = layer.text == f"SP{layer.kernel}"
                require(plain, f"model.layers: '{layer.text}' cannot be read; a spiking pool is SP{layer.kernel}.")
                pool = SpikingPool(parts, width, layer.kernel)
                blocks.append(pool)
                size = [pool.pool.size(pixels) for pixels in size]
            else:
                conv = {"stride": layer.stride, "padding": layer.padding, "bias": False}
                blocks.append(_scaled(parts.unit(width, layer.channels, layer.kernel, **conv), conv_scale))
                width, size = layer.channels, [layer.size(pixels) for pixels in size]
            require_pixels(size, layer)
        blocks.append(Flatten())
        width *= size[0] * size[1]
        for neurons in hidden:
            blocks.append(_scaled(parts.linear_unit(width, neurons, bias=False), dense_scale))
            width = neurons
        self.features = nn.Sequential(*blocks)
        self.output = _scaled(parts.linear_unit(width, num_classes, bias=False), dense_scale)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.output(self.features(x_seq))


def _scaled(unit: Unit, factor: float) -> Unit:
    """Multiply the initial weights of the unit by `factor` and return it."""
    with torch.no_grad():
        for synapse in unit.modules():
            if isinstance(synapse, Synapse):
                synapse.weight.mul_(factor)
    return unit
