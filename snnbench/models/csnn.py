"""CSNN, the convolutional network of the surrogate-gradient survey (Fang et al., Chinese Journal of Computers 2025).

2 x [3 x (conv3x3 - norm - neuron) - avg-pool 2] - flatten - linear - neuron - linear; 17,542,026 parameters at
`width=128, hidden=2048`, 3x32x32, 10 classes. Convolutions have no bias, linear layers do. The official network returns
the mean over T; here it returns the logits of every step.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require_size
from snnbench.models.layers import AvgPool2d, Flatten
from snnbench.models.parts import Parts


class CSNN(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        width: The number of channels of every convolution.
        hidden: The number of neurons of the fully connected layer.

    Raises:
        ConfigError: The image is smaller than 4x4 pixels.
    """

    made_for = {"*": ("data=cifar10",)}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        width: Annotated[int, ">= 1"] = 128,
        hidden: Annotated[int, ">= 1"] = 2048,
    ):
        super().__init__()
        require_size("csnn", in_shape, 4, "use a larger image")
        c_in, height, width_px = in_shape
        layers: list[nn.Module] = []
        for _ in range(2):
            for _ in range(3):
                layers.append(parts.unit(c_in, width))
                c_in = width
            layers.append(AvgPool2d(2))
        self.features = nn.Sequential(*layers, Flatten())
        self.hidden = parts.linear_unit(width * (height // 4) * (width_px // 4), hidden)
        self.readout = parts.readout(hidden, num_classes)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.hidden(self.features(x_seq)))
