"""Wide ResNet with spiking neurons instead of ReLU: the student and, with `neuron=relu`, the teacher of KDSNN.

Zagoruyko & Komodakis (BMVC 2016, arXiv:1605.07146): WRN-d-k has three stages of (d - 4)/6 pre-activation blocks,
16 k, 32 k and 64 k wide; Xu et al. (KDSNN, CVPR 2023) distil WRN-28-4 (5.85 M) into WRN-16-2 (0.69 M). A block
computes:

    s = SN(norm(x));   y = conv(SN(norm(conv s))) + x,   or + conv1x1(s) where the shape changes

KDSNN's code is not public; that neurons replace ReLU at the same places is our interpretation.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require
from snnbench.models.layers import GlobalAvgPool
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import check_size, halving, residual_stages

STEM = 16  # channels of the stem for every width
STAGES = (16, 32, 64)


class WideBlock(nn.Module):
    """Currents `[T, N, C_in, H, W] -> [T, N, width, H', W']`."""

    def __init__(self, parts: Parts, c_in: int, width: int, stride: int, zero_init: bool):
        super().__init__()
        self.out_channels = width
        self.norm, self.neuron = parts.norm(c_in), parts.neuron(c_in)
        same = stride == 1 and c_in == width
        self.shortcut = None if same else parts.conv(c_in, width, 1, stride=stride)
        self.unit = parts.unit(c_in, width, 3, stride=stride)
        self.conv = parts.conv(width, width, 3)

    def forward(self, x_seq: Tensor) -> Tensor:
        spikes = self.neuron(x_seq, self.norm)
        shortcut = x_seq if self.shortcut is None else self.shortcut(spikes)
        return self.conv(self.unit(spikes)) + shortcut


class WideResNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        depth: The number of layers with weights as the paper counts them, 6 n + 4.
        widen: The factor k on 16, 32 and 64 channels.

    Raises:
        ConfigError: `depth` is not 6 n + 4, or the image is smaller than the total stride of 4.
    """

    traits = ("residual",)
    made_for = {"*": ("data=cifar10",)}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        depth: Annotated[int, ">= 10"] = 16,
        widen: Annotated[int, ">= 1"] = 2,
    ):
        super().__init__()
        require(depth % 6 == 4, f"model.depth={depth} must be 6 n + 4, e.g. 16, 22 or 28.")
        check_size("wide_resnet", in_shape, 2 ** (len(STAGES) - 1), "use a larger image")
        self.stem = parts.conv(in_shape[0], STEM, 3)
        blocks, widths = [(depth - 4) // 6] * len(STAGES), [widen * width for width in STAGES]
        self.stages, channels = residual_stages(parts, WideBlock, STEM, blocks, widths, halving(len(STAGES)))
        self.norm, self.neuron = parts.norm(channels), parts.neuron(channels)
        self.pool = GlobalAvgPool()
        self.readout = parts.readout(channels, num_classes)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.pool(self.neuron(self.stages(self.stem(x_seq)), self.norm)))
