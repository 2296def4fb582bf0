"""CifarNet of tandem learning (Wu, Chua, Zhang, G. Li, H. Li, Tan, TNNLS 2021; deepspike/tandem_learning @006feb1).

128C3 - 256C3s2 - 512C3s2 - 1024C3 - 512C3 - FC1024 - dropout - readout, with a norm in every hidden layer,
strides instead of pools, and biases everywhere, also before the norms, which cancel them: 44,490,250 parameters on
CIFAR-10. The released code keeps its dropout on in evaluation; here it is off.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require, require_size
from snnbench.models.dropout import TemporalDropout
from snnbench.models.layers import Flatten
from snnbench.models.parts import Parts, Unit


class CifarNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        channels: The number of channels of each convolution.
        strides: The stride of each convolution.
        hidden: The number of neurons of the fully connected layer.
        dropout: The share of the readout's inputs that is dropped, with the same mask at all T steps.

    Raises:
        ConfigError: The numbers of channels and strides differ, or the image is smaller than the total stride.
    """

    made_for = {"*": ("data=cifar10", "neuron=if")}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        channels: list[int] = (128, 256, 512, 1024, 512),
        strides: list[int] = (1, 2, 2, 1, 1),
        hidden: Annotated[int, ">= 1"] = 1024,
        dropout: Annotated[float, "in [0, 1)"] = 0.2,
    ):
        super().__init__()
        require(
            len(channels) == len(strides) and min([*channels, *strides], default=0) >= 1,
            f"model.channels={list(channels)} needs one positive model.strides={list(strides)} each.",
        )
        width, *size = in_shape
        layers: list[nn.Module] = []
        factor = 1
        for c_out, stride in zip(channels, strides):
            layers.append(parts.unit(width, c_out, 3, stride=stride, bias=True))
            width, factor = c_out, factor * stride
            size = [(pixels - 1) // stride + 1 for pixels in size]
        require_size("cifarnet", in_shape, factor, "lower model.strides")
        self.features = nn.Sequential(*layers, Flatten())
        linear = parts.linear(width * size[0] * size[1], hidden)
        self.hidden = Unit(linear, parts.norm(hidden), parts.neuron(hidden))
        self.dropout = TemporalDropout(dropout)
        self.readout = parts.readout(hidden, num_classes)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.dropout(self.hidden(self.features(x_seq))))
