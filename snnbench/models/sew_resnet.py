"""Spike-element-wise ResNets (Fang et al., "Deep Residual Learning in Spiking Neural Networks", NeurIPS 2021).

A block computes O = g(A, S), A = SN(norm(conv(SN(norm(conv S))))), SN being a layer of spiking neurons. S are the
spikes that enter the block, or those of its shortcut conv1x1 - norm - SN where the shape changes. No neuron comes after
g. g is ADD: A + S (small integers, not binary), AND: A * S, or IAND: (1 - A) * S.

* `SEWResNet` 18/34/50/101/152: 11,689,512 / 21,797,672 / 25,557,032 / 44,549,160 / 60,192,808 parameters on ImageNet.
* `SEWNet`, the event-camera nets: 7B-Net 130,426 parameters (DVS Gesture) and Wide-7B-Net 1,192,218 (CIFAR10-DVS), both
  with one PLIF scalar a layer. Their channel-raising convolutions are 1x1 in the released code; the paper prints c32k3.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require
from snnbench.models.init import kaiming_fan_out_
from snnbench.models.layers import Flatten, GlobalAvgPool, MaxPool2d
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import check_size, check_stages, halving, residual_stages, resolve_stem, spiking_stem

CONNECT = {
    "ADD": lambda a, s: a + s,
    "AND": lambda a, s: a * s,
    "IAND": lambda a, s: (1.0 - a) * s,
}


class SEWBlock(nn.Module):
    """Two (basic) or three (bottleneck) spiking units, joined with the shortcut by `connect`.

    With `zero_init` the block starts as its shortcut: the last norm starts with the gain 0, and for AND with the bias
    1, so that the last neuron always fires (if a current of 1 is enough for it, as for IF).
    """

    def __init__(
        self, parts: Parts, c_in: int, width: int, stride: int, zero_init: bool, *, connect: str, bottleneck: bool
    ):
        super().__init__()
        self.connect, self.out_channels = connect, width * (4 if bottleneck else 1)
        same = stride == 1 and c_in == self.out_channels
        self.shortcut = nn.Identity() if same else parts.unit(c_in, self.out_channels, 1, stride=stride)
        if bottleneck:
            head = [parts.unit(c_in, width, 1), parts.unit(width, width, 3, stride=stride)]
            last = parts.unit(width, self.out_channels, 1, zero_init=zero_init)
        else:
            head = [parts.unit(c_in, width, 3, stride=stride)]
            last = parts.unit(width, width, 3, zero_init=zero_init)
        if zero_init and connect == "AND":
            for name, parameter in last.norm.named_parameters():
                if name.endswith("bias"):
                    nn.init.ones_(parameter)
        self.branch = nn.Sequential(*head, last)

    def forward(self, x_seq: Tensor) -> Tensor:
        shortcut = self.shortcut(x_seq)
        return CONNECT[self.connect](self.branch(x_seq), shortcut)


def _block_maker(connect: str, bottleneck: bool):
    def make(parts: Parts, c_in: int, width: int, stride: int, zero_init: bool) -> SEWBlock:
        return SEWBlock(parts, c_in, width, stride, zero_init, connect=connect, bottleneck=bottleneck)

    return make


class SEWResNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        block: The kind of block, "basic" (18, 34 layers) or "bottleneck" (50, 101, 152 layers).
        blocks: The number of blocks of each stage.
        widths: The number of channels of each stage; the stem has as many as the first.
        connect: The function that combines branch and shortcut; the main published results use "ADD".
        stem: The first layers, "imagenet" (conv7x7 with stride 2, max-pool), "cifar" (conv3x3), or "auto", which takes
            imagenet for images of at least 96 rows.
        zero_init: True starts every block as its shortcut; the published ImageNet runs do not.

    Raises:
        ConfigError: The lists have different lengths, or the image is smaller than the total stride.
    """

    traits = ("residual", "max_pool")
    made_for = {"*": ("data=imagenet", "neuron=if")}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        block: Literal["basic", "bottleneck"] = "basic",
        blocks: list[int] = (2, 2, 2, 2),
        widths: list[int] = (64, 128, 256, 512),
        connect: Literal["ADD", "AND", "IAND"] = "ADD",
        stem: Literal["auto", "cifar", "imagenet"] = "auto",
        zero_init: bool = False,
    ):
        super().__init__()
        check_stages("sew_resnet", blocks, widths)
        stem = resolve_stem(stem, in_shape)
        factor = 2 ** (len(blocks) - 1) * (4 if stem == "imagenet" else 1)
        check_size("sew_resnet", in_shape, factor, "use model.stem=cifar or model=spiking_resnet_tiny")
        make_block = _block_maker(connect, block == "bottleneck")
        self.stem = spiking_stem(parts, stem, in_shape[0], widths[0])
        strides = halving(len(blocks))
        self.stages, channels = residual_stages(parts, make_block, widths[0], blocks, widths, strides, zero_init)
        self.pool = GlobalAvgPool()
        self.readout = parts.readout(channels, num_classes)
        kaiming_fan_out_(self)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.pool(self.stages(self.stem(x_seq))))


class SEWNet(SpikingModel):
    """7B-Net and Wide-7B-Net for event frames, `[T, N, C, H, W] -> [T, N, K]`.

    A conv1x1 unit raises the channels wherever `channels` changes; every basic block is followed by a 2x2 max-pool of
    its output, so 7 blocks take 128x128 to 1x1. Convolutions keep PyTorch's initialisation.

    Args:
        channels: The number of channels of each block.
        connect: The function that combines the branch and the input of a block.
        zero_init: True starts every block as the identity, as in the published DVS Gesture log; later code has no such
            option.

    Raises:
        ConfigError: There are no blocks, or the frame is smaller than 2^blocks.
    """

    traits = ("residual", "max_pool")
    made_for = {  # noqa: RUF012
        "*_wide7b": ("data=cifar10_dvs", "data.shape=[2,128,128]", "neuron=plif"),
        "*": ("data=dvs_gesture", "data.shape=[2,128,128]", "neuron=plif"),
    }

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        channels: list[int] = (32, 32, 32, 32, 32, 32, 32),
        connect: Literal["ADD", "AND", "IAND"] = "ADD",
        zero_init: bool = False,
    ):
        super().__init__()
        require(len(channels) > 0, "sew_7b needs at least one block in model.channels, e.g. [32, 32].")
        factor = 2 ** len(channels)
        check_size(
            "sew_7b", in_shape, factor, "give model.channels fewer blocks (each halves the frame) or use sew_resnet18"
        )
        make_block = _block_maker(connect, bottleneck=False)
        layers: list[nn.Module] = []
        width = in_shape[0]
        for index, block_width in enumerate(channels):
            if index == 0 or block_width != width:
                layers.append(parts.unit(width, block_width, 1))
                width = block_width
            layers += [make_block(parts, width, width, 1, zero_init), MaxPool2d(2)]
        self.features = nn.Sequential(*layers, Flatten())
        self.readout = parts.readout(width * (in_shape[1] // factor) * (in_shape[2] // factor), num_classes)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.features(x_seq))
