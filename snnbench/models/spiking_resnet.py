"""Spiking ResNet with the neuron after the addition, trained directly.

A block computes O[t] = SN(F(S)[t] + shortcut(S)[t]), F = norm(conv(SN(norm(conv S)))), SN being a layer of spiking
neurons. The sum is a current, so every tensor between blocks is binary. The shortcut is the identity on spikes, or
conv1x1 - norm without a neuron. The sum has two branches with norms, hence `branches=2` (tdBN scales both by 1/sqrt(2);
other norms ignore it).

* `SpikingResNet`: torchvision's layouts 18/34/50/101/152 as the baseline of Fang et al. (SEW-ResNet, NeurIPS 2021);
  11,689,512 / 21,797,672 / 25,557,032 / 44,549,160 / 60,192,808 parameters on ImageNet. The name goes back to Hu et
  al. (2018), who convert trained ANNs; that is another training rule.
* `CifarSpikingResNet`: 3x3 stem and no pooling layer; as ResNet-19 of Zheng et al. (tdBN, AAAI 2021) 12,630,858
  parameters on CIFAR-10. That is "variant A": 64-wide stem, a projection in every stage, a spiking hidden layer of 256.
* `ResNet19`: the same net with the initial weights of tdBN's code (thiswinex/STBP-simple @a15de7c). That code lets the
  output neurons fire and counts their spikes; here, as everywhere in this package, the readout is linear.
"""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor, nn

from snnbench.models.base import SpikingModel
from snnbench.models.init import kaiming_fan_out_
from snnbench.models.layers import GlobalAvgPool
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import check_size, check_stages, halving, residual_stages, resolve_stem, spiking_stem


class BasicBlock(nn.Module):
    """conv3x3 - norm - SN - conv3x3 - norm (+ shortcut) - SN, `[T, N, C_in, H, W] -> [T, N, width, H', W']`."""

    expansion = 1

    def __init__(self, parts: Parts, c_in: int, width: int, stride: int, zero_init: bool):
        super().__init__()
        self.out_channels = width
        self.shortcut = _shortcut(parts, c_in, width, stride)
        self.unit1 = parts.unit(c_in, width, 3, stride=stride)
        self.unit2 = parts.unit(width, width, 3, branches=2, zero_init=zero_init)

    def forward(self, x_seq: Tensor) -> Tensor:
        residual = self.shortcut(x_seq)
        return self.unit2(self.unit1(x_seq), residual)


class Bottleneck(nn.Module):
    """conv1x1 - conv3x3 (stride) - conv1x1, with norms and SN; the last SN follows the sum, 4 x width at the end."""

    expansion = 4

    def __init__(self, parts: Parts, c_in: int, width: int, stride: int, zero_init: bool):
        super().__init__()
        self.out_channels = 4 * width
        self.shortcut = _shortcut(parts, c_in, self.out_channels, stride)
        self.unit1 = parts.unit(c_in, width, 1)
        self.unit2 = parts.unit(width, width, 3, stride=stride)
        self.unit3 = parts.unit(width, self.out_channels, 1, branches=2, zero_init=zero_init)

    def forward(self, x_seq: Tensor) -> Tensor:
        residual = self.shortcut(x_seq)
        return self.unit3(self.unit2(self.unit1(x_seq)), residual)


def _shortcut(parts: Parts, c_in: int, c_out: int, stride: int) -> nn.Module:
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    return parts.projection(c_in, c_out, 1, stride=stride, branches=2)


class SpikingResNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        block: The kind of block, "basic" (18, 34 layers) or "bottleneck" (50, 101, 152 layers), whose output has four
            times the width.
        blocks: The number of blocks of each stage.
        widths: The number of channels of each stage; the stem has as many as the first.
        stem: The first layers, "imagenet" (conv7x7 with stride 2, max-pool), "cifar" (conv3x3), or "auto", which takes
            imagenet for images of at least 96 rows.
        zero_init: True starts the last norm of each block with the gain 0 (the ImageNet recipe of Fang et al.).

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
        stem: Literal["auto", "cifar", "imagenet"] = "auto",
        zero_init: bool = False,
    ):
        super().__init__()
        check_stages("spiking_resnet", blocks, widths)
        stem = resolve_stem(stem, in_shape)
        factor = 2 ** (len(blocks) - 1) * (4 if stem == "imagenet" else 1)
        check_size("spiking_resnet", in_shape, factor, "use model.stem=cifar or model=spiking_resnet_tiny")
        make_block = BasicBlock if block == "basic" else Bottleneck
        self.stem = spiking_stem(parts, stem, in_shape[0], widths[0])
        strides = halving(len(blocks))
        self.stages, channels = residual_stages(parts, make_block, widths[0], blocks, widths, strides, zero_init)
        self.pool = GlobalAvgPool()
        self.readout = parts.readout(channels, num_classes)
        kaiming_fan_out_(self)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.pool(self.stages(self.stem(x_seq))))


class CifarSpikingResNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]` without a pool before the global average, so OTTT can train it too.

    Convolutions keep PyTorch's initialisation, as in TET's code (Gus-Lab/temporal_efficient_training @f9bde41).

    Args:
        blocks: The number of basic blocks of each stage; every stage but the first halves the image.
        widths: The number of channels of each stage.
        stem_width: The number of channels of the conv3x3 stem.
        hidden: The number of neurons of a fully connected layer before the readout; null leaves the layer out.
        zero_init: True starts the last norm of each block with the gain 0.

    Raises:
        ConfigError: The lists have different lengths, or the image is smaller than the total stride.
    """

    traits = ("residual",)
    made_for = {"*_tiny": ("data=digits",), "*": ("data=cifar10", "neuron=lif_tet")}  # noqa: RUF012
    he_start = False  # whether convolutions start He-normal (fan out)

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        blocks: list[int] = (3, 3, 2),
        widths: list[int] = (128, 256, 512),
        stem_width: Annotated[int, ">= 1"] = 64,
        hidden: Annotated[int, ">= 1"] | None = 256,
        zero_init: bool = False,
    ):
        super().__init__()
        check_stages("resnet19", blocks, widths)
        check_size("resnet19", in_shape, 2 ** (len(blocks) - 1), "use fewer stages")
        self.stem = spiking_stem(parts, "cifar", in_shape[0], stem_width)
        strides = halving(len(blocks))
        self.stages, channels = residual_stages(parts, BasicBlock, stem_width, blocks, widths, strides, zero_init)
        self.pool = GlobalAvgPool()
        self.hidden = nn.Identity() if hidden is None else parts.linear_unit(channels, hidden)
        self.readout = parts.readout(hidden or channels, num_classes)
        if self.he_start:
            kaiming_fan_out_(self)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.hidden(self.pool(self.stages(self.stem(x_seq)))))


class ResNet19(CifarSpikingResNet):
    """ResNet-19 with the initial weights of tdBN's code: all convolutions He-normal (fan out)."""

    made_for = {"*": ("data=cifar10", "neuron=lif_tdbn", "norm=tdbn")}  # noqa: RUF012

    he_start = True
