"""7B-wideNet of GLIF for CIFAR10-DVS at 48x48 (Yao et al., NeurIPS 2022; code Ikarosy/Gated-LIF @60638b2, cifar10dvs).

This is SEW-ResNet's Wide-7B-Net (Fang et al., NeurIPS 2021) with average pools, and only after the last four of its
seven blocks, so 48x48 pixels become 3x3. Its norms are plain batch norms.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require
from snnbench.models.layers import AvgPool2d, Flatten
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import check_size
from snnbench.models.sew_resnet import SEWBlock


class GLIFWideNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        channels: The number of channels of each basic block; a conv1x1 unit changes it where two blocks differ.
        pools: The number of last blocks that are followed by a 2x2 average pool.
        connect: The function that combines the branch and the input of a block.

    Raises:
        ConfigError: There are no blocks or more pools than blocks, or the frame is smaller than 2^pools.
    """

    traits = ("residual",)
    made_for = {"*": ("data=cifar10_dvs", "neuron=glif")}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        channels: list[int] = (64, 64, 64, 64, 128, 128, 128),
        pools: int = 4,
        connect: Literal["ADD", "AND", "IAND"] = "ADD",
    ):
        super().__init__()
        require(
            0 <= pools <= len(channels) and len(channels) > 0,
            f"model.pools={pools} must lie between 0 and the number of blocks, {len(channels)} in model.channels.",
        )
        check_size("glif_wide7b", in_shape, 2**pools, "lower model.pools (each halves the frame)")
        make_block = partial(SEWBlock, connect=connect, bottleneck=False)
        layers: list[nn.Module] = []
        width = in_shape[0]
        for index, block_width in enumerate(channels):
            if block_width != width:
                layers.append(parts.unit(width, block_width, 1))
                width = block_width
            layers.append(make_block(parts, width, width, 1, False))
            if index >= len(channels) - pools:
                layers.append(AvgPool2d(2))
        self.features = nn.Sequential(*layers, Flatten())
        self.readout = parts.readout(width * (in_shape[1] >> pools) * (in_shape[2] >> pools), num_classes)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.features(x_seq))
