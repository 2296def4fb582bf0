"""CSNN-1d, the survey's network for column-sequential images (Fang et al., Chinese Journal of Computers 2025, `scf10`).

2 x [3 x (conv1d 3 - norm - neuron) - avg-pool 2] - flatten - linear - neuron - linear over `[T, N, C, L]`, where a step
is one image column of L = H pixels; 513,418 parameters at `width=128, hidden=256`, 3x32x32, 10 classes (the sequential
net of PSN, Fang et al., NeurIPS 2023, is the same). Convolutions have no bias, linear layers do. As in the official
code, the network returns the logits of every step.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require_size
from snnbench.models.layers import AvgPool1d, Flatten
from snnbench.models.parts import Parts


class CSNN1d(SpikingModel):
    """`[T, N, C, L] -> [T, N, K]`, T the image's width and L its height.

    Args:
        width: The number of channels of every convolution.
        hidden: The number of neurons of the fully connected layer.

    Raises:
        ConfigError: The image is smaller than 4x4 pixels.
    """

    traits = ("sequence_1d",)
    requires = {"columns": "model=csnn_1d reads one image column a step; use encoder=column and T=<image width>"}  # noqa: RUF012
    made_for = {"*": ("data=cifar10", "encoder=column")}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        width: Annotated[int, ">= 1"] = 128,
        hidden: Annotated[int, ">= 1"] = 256,
    ):
        super().__init__()
        require_size("csnn_1d", in_shape, 4, "use a larger image")
        c_in, length, _ = in_shape
        layers: list[nn.Module] = []
        for _ in range(2):
            for _ in range(3):
                layers.append(parts.unit(c_in, width, dims=1))
                c_in = width
            layers.append(AvgPool1d(2))
        self.features = nn.Sequential(*layers, Flatten())
        self.hidden = parts.linear_unit(width * (length // 2 // 2), hidden)
        self.readout = parts.readout(hidden, num_classes)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.hidden(self.features(x_seq)))
