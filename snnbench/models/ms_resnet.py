"""MS-ResNet: residual networks whose shortcuts carry membrane currents (Hu et al., "Advancing SNNs towards Deep
Residual Learning", IEEE TNNLS 2024, arXiv 2112.08954).

A block computes x + norm(conv(SN(norm(conv(SN(x)))))), SN being a layer of spiking neurons. x is a real-valued current;
the neurons come before the convolutions, and none comes after the addition. So the convolutions of the branch read
spikes, while the stem and the down-sampling shortcuts (conv1x1 - norm on x) read real numbers. The last norm of a block
starts with the gain 0, so every block starts as its shortcut. All other norms start with the neuron's threshold as
gain, 0.5 in the official code (Ariande1/MS-ResNet @7c5f006, whose neuron is `neuron=lif_ms`). 11,693,736 / 21,801,896
parameters for 18 / 34 layers on ImageNet.

The ImageNet stem is conv7x7 s2 - norm, and every stage starts with stride 2, also the first; the official code builds a
max-pool but never calls it. The CIFAR stem is conv3x3 - norm, and the first stage has stride 1. The official code runs
the stem at each step; for static images it runs once here, with equal results.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from snnbench.models.base import SpikingModel
from snnbench.models.init import norm_gain_
from snnbench.models.layers import GlobalAvgPool
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import check_size, check_stages, halving, residual_stages, resolve_stem


class MSBlock(nn.Module):
    """SN - conv3x3 - norm - SN - conv3x3 - norm, plus the shortcut of the current; `[T, N, C, H, W]` real-valued."""

    def __init__(self, parts: Parts, c_in: int, width: int, stride: int, zero_init: bool):
        super().__init__()
        self.out_channels = width
        same = stride == 1 and c_in == width
        self.shortcut = nn.Identity() if same else parts.projection(c_in, width, 1, stride=stride)
        self.neuron = parts.neuron(c_in)
        self.unit = parts.unit(c_in, width, 3, stride=stride)
        self.projection = parts.projection(width, width, 3, zero_init=zero_init, attended=True)

    def forward(self, x_seq: Tensor) -> Tensor:
        shortcut = self.shortcut(x_seq)
        return self.projection(self.unit(self.neuron(x_seq))) + shortcut


class MSResNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        blocks: The number of blocks of each stage, [2,2,2,2] for 18 and [3,4,6,3] for 34 layers.
        widths: The number of channels of each stage; the stem has as many as the first.
        stem: The first layer, "imagenet" (conv7x7 with stride 2, and stride 2 in all stages), "cifar" (conv3x3), or
            "auto", which takes imagenet for images of at least 96 rows.
        zero_init: True starts the last norm of each block with the gain 0, as published.

    Raises:
        ConfigError: The lists have different lengths, or the image is smaller than the total stride.
    """

    traits = ("residual",)
    made_for = {"*": ("data=imagenet", "norm=tdbn")}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        blocks: list[int] = (2, 2, 2, 2),
        widths: list[int] = (64, 128, 256, 512),
        stem: Literal["auto", "cifar", "imagenet"] = "auto",
        zero_init: bool = True,
    ):
        super().__init__()
        check_stages("ms_resnet", blocks, widths)
        large = resolve_stem(stem, in_shape) == "imagenet"
        factor = 2 ** (len(blocks) - 1) * (4 if large else 1)
        check_size("ms_resnet", in_shape, factor, "use model.stem=cifar or model=spiking_resnet_tiny")
        kernel, stride = (7, 2) if large else (3, 1)
        self.stem = parts.projection(in_shape[0], widths[0], kernel, stride=stride)
        strides = halving(len(blocks), stride)
        self.stages, channels = residual_stages(parts, MSBlock, widths[0], blocks, widths, strides, zero_init)
        self.neuron = parts.neuron(channels)
        self.pool = GlobalAvgPool()
        self.readout = parts.readout(channels, num_classes)
        norm_gain_(self, getattr(self.neuron, "v_th", 1.0))

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.pool(self.neuron(self.stages(self.stem(x_seq)))))
