"""The networks of synapse filter dynamics: convolutions and linear layers with biases, no norm, spiking outputs.

Fang, Shrestha, Zhao, Qiu (IJCAI 2020); code Snow-Crash/snn-iir @cb1e7fa (MLP 784-500-500-10) and the reproduction
zhongyuchen/snn-iir @7b21cbf (convolutional nets). The filters lie in the synapses (synapse=iir), so each layer is
filter -> weights -> neuron. The class score is the number of spikes of an output neuron: the mean over T of
logits[t] = T s_t is that number, so objective=mean_ce is the published cross entropy of spike counts.

The reproduction also filters the input of a max pool; here a pool reads spikes. With the initial weights of the
reproduction (PyTorch's default, lr 1e-4), the deeper convolutional layers do not fire at first: its DVS Gesture log
stays at chance for the first epochs, and here no layer after the first fires in 135 steps on N-MNIST.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require
from snnbench.models.layer_text import read_layers, require_pixels
from snnbench.models.layers import Flatten, MaxPool2d
from snnbench.models.parts import Parts


class FilterNet(SpikingModel):
    """`[T, N, C, H, W] -> T x spikes [T, N, K]`.

    Args:
        layers: The layers before flattening: "32C3" 32 channels of 3x3, "64C7S3P1" with stride 3 and padding 1
            (default: stride 1, same padding), "MP2" max pool of 2, "MP2P1" padded by 1.
        hidden: The number of neurons of each hidden linear layer.
        dropout: The share of each hidden linear layer's spikes that is dropped, with a new mask at each step.

    Raises:
        ConfigError: A layer cannot be read, or the image is too small for the layers.
    """

    traits = ("max_pool", "silent_start")
    made_for = {  # noqa: RUF012
        "*_gesture": ("data=dvs_gesture", "data.shape=[2,128,128]", "neuron=iir", "synapse=iir", "norm=none"),
        "*_nmnist": ("data=nmnist", "neuron=iir", "synapse=iir", "norm=none"),
        "*": ("data=mnist", "neuron=iir", "synapse=iir", "norm=none"),
    }

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
        width, *size = in_shape
        blocks: list[nn.Module] = []
        for layer in read_layers(layers, "MP"):
            if layer.channels is None:
                blocks.append(MaxPool2d(layer.kernel, layer.stride, layer.padding))
            else:
                conv = {"stride": layer.stride, "padding": layer.padding, "bias": True}
                blocks.append(parts.unit(width, layer.channels, layer.kernel, **conv))
                width = layer.channels
            size = [layer.size(pixels) for pixels in size]
            require_pixels(size, layer)
        blocks.append(Flatten())
        width *= size[0] * size[1]
        for neurons in hidden:
            require(neurons >= 1, f"model.hidden={list(hidden)} must be positive numbers of neurons, e.g. [500, 500].")
            blocks += [parts.linear_unit(width, neurons), nn.Dropout(dropout)]
            width = neurons
        self.features = nn.Sequential(*blocks)
        self.output = parts.linear_unit(width, num_classes)
        self.time_steps = parts.time_steps

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.time_steps * self.output(self.features(x_seq))
