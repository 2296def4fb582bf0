"""The nets of synapse filter dynamics: convolutions and linear layers with biases, no norm, output neurons counted.

Fang, Shrestha, Zhao, Qiu (IJCAI 2020); code Snow-Crash/snn-iir @cb1e7fa (MLP 784-500-500-10) and the reproduction
zhongyuchen/snn-iir @7b21cbf (convolutional nets). The filters lie in the synapses (synapse=iir), so each layer is
filter -> weights -> neuron. The class score is the spike count of an output neuron: logits[t] = T s_t, with mean over T
that count, so objective=mean_ce is the published cross entropy on counts.

The reproduction also filters what enters a max pool; here a pool sees the spikes. With its start (PyTorch's default,
lr 1e-4) the deeper convolutional layers are silent at first: its DVS Gesture log stays at chance for the first epochs,
and here nothing fires from the second layer on in 135 steps on N-MNIST.
"""

from __future__ import annotations

import re
from typing import Annotated

from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.models.base import SpikingModel, require
from snnbench.models.layers import Flatten, MaxPool2d
from snnbench.models.parts import Parts

LAYER = re.compile(r"^(?:(?P<channels>\d+)C|MP)(?P<kernel>\d+)(?:S(?P<stride>\d+))?(?:P(?P<padding>\d+))?$")


class FilterNet(SpikingModel):
    """`[T, N, C, H, W] -> T x spikes [T, N, K]`.

    Args:
        layers: layers before flattening: "32C3" 32 channels of 3x3, "64C7S3P1" with stride 3 and padding 1 (default:
            stride 1, same padding), "MP2" max pool of 2, "MP2P1" padded by 1.
        hidden: neurons of each hidden linear layer.
        dropout: share of each hidden linear layer's spikes that is dropped, anew at each step.

    Raises:
        ConfigError: a layer that cannot be read, or an image too small for the layers.
    """

    traits = ("max_pool", "silent_start")

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        layers: list[str] = (),
        hidden: list[int] = (500, 500),
        dropout: Annotated[float, "in [0, 1)"] = 0.3,
    ):
        super().__init__()
        width, height, width_px = in_shape
        blocks: list[nn.Module] = []
        for layer in layers:
            kernel, stride, padding, channels = _read(layer)
            if channels is None:
                blocks.append(MaxPool2d(kernel, stride, padding))
            else:
                blocks.append(parts.unit(width, channels, kernel, stride=stride, padding=padding, bias=True))
                width = channels
            height, width_px = ((size + 2 * padding - kernel) // stride + 1 for size in (height, width_px))
            require(min(height, width_px) > 0, f"model.layers: nothing is left of the image at {layer}; drop some.")
        blocks.append(Flatten())
        width *= height * width_px
        for size in hidden:
            require(size >= 1, f"model.hidden={list(hidden)} must be positive numbers of neurons, e.g. [500, 500].")
            blocks += [parts.linear_unit(width, size), nn.Dropout(dropout)]
            width = size
        self.features = nn.Sequential(*blocks)
        self.output = parts.linear_unit(width, num_classes)
        self.time_steps = parts.time_steps

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.time_steps * self.output(self.features(x_seq))


def _read(layer: str) -> tuple[int, int, int, int | None]:
    """(kernel, stride, padding, channels or None for a pool)."""
    found = LAYER.match(layer)
    if found is None or int(found["kernel"]) < 1 or found["stride"] == "0" or found["channels"] == "0":
        raise ConfigError(f"model.layers: '{layer}' cannot be read; write e.g. 32C3, 64C7S3P1, MP2 or MP2P1.")
    kernel, pool = int(found["kernel"]), found["channels"] is None
    stride = int(found["stride"] or (kernel if pool else 1))
    padding = int(found["padding"]) if found["padding"] else (0 if pool else kernel // 2)
    return kernel, stride, padding, None if pool else int(found["channels"])
