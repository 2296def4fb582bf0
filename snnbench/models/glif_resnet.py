"""ResNets of GLIF for CIFAR and ImageNet (Yao et al., NeurIPS 2022, arXiv:2210.13768).

SN stands for a layer of spiking neurons. The last neuron of a block comes after the addition, as in tdBN's ResNet-19,
but identity shortcuts have a norm too, so both branches are always scaled by 1/sqrt(2). The stem is conv3x3 - norm - SN
and as wide as the first stage. The classifier has no bias. For up to 50 classes it has two linear layers without a
neuron between them (512 - 256 - K), else one.

The strides of the stages are those of the official classes. ResNet-18 for CIFAR keeps 32x32 through its first two
stages (strides 1, 1, 2, 2) and ends at 8x8, as ResNet-19 does (1, 2, 2).

The ImageNet networks begin with conv7x7 stride 2 (padding 1, as released) - norm - SN without a pool, and every stage
halves the image. ResNet-18MS ("membrane shortcut") has its neurons before the convolutions and none after the addition,
so the classifier reads real numbers; unlike in MS-ResNet, the stem has neurons and identity shortcuts have norms.

With channel-wise GLIF: ResNet-18 11,347,456 parameters (CIFAR-10, T 4), 11,272,832 (CIFAR-100, T 6); ResNet-19
12,749,824 (CIFAR-10, T 4); code Ikarosy/Gated-LIF @60638b2.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require
from snnbench.models.init import kaiming_fan_out_
from snnbench.models.layers import GlobalAvgPool
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import check_size, check_stages, residual_stages


class GLIFBlock(nn.Module):
    """conv3x3 - norm - SN - conv3x3 - norm (+ norm of shortcut) - SN, `[T, N, C_in, H, W] -> [T, N, width, H', W']`."""

    def __init__(self, parts: Parts, c_in: int, width: int, stride: int, zero_init: bool):
        super().__init__()
        self.out_channels = width
        same = stride == 1 and c_in == width
        self.shortcut = (
            parts.norm(width, branches=2) if same else parts.projection(c_in, width, 1, stride=stride, branches=2)
        )
        self.unit1 = parts.unit(c_in, width, 3, stride=stride)
        self.unit2 = parts.unit(width, width, 3, branches=2, zero_init=zero_init)

    def forward(self, x_seq: Tensor) -> Tensor:
        residual = self.shortcut(x_seq)
        return self.unit2(self.unit1(x_seq), residual)


class GLIFMembraneBlock(nn.Module):
    """SN - conv3x3 - norm - SN - conv3x3 - norm (+ norm of shortcut), on currents of the same shapes."""

    def __init__(self, parts: Parts, c_in: int, width: int, stride: int, zero_init: bool):
        super().__init__()
        self.out_channels = width
        same = stride == 1 and c_in == width
        self.shortcut = (
            parts.norm(width, branches=2) if same else parts.projection(c_in, width, 1, stride=stride, branches=2)
        )
        self.neuron = parts.neuron(c_in)
        self.unit = parts.unit(c_in, width, 3, stride=stride)
        self.projection = parts.projection(width, width, 3, branches=2, zero_init=zero_init, attended=True)

    def forward(self, x_seq: Tensor) -> Tensor:
        residual = self.shortcut(x_seq)
        return self.projection(self.unit(self.neuron(x_seq))) + residual


class GLIFResNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        blocks: The number of blocks of each stage.
        widths: The number of channels of each stage; the stem has as many as the first.
        strides: The stride of the first block of each stage.
        bottleneck: The width between the two linear layers of the classifier for up to 50 classes; null uses one layer.
        stem: The first layer, "cifar" (conv3x3) or "imagenet" (conv7x7 with stride 2 and padding 1).
        membrane_shortcut: True puts the neurons before the convolutions and none after the addition (ResNet-18MS).

    Raises:
        ConfigError: The lists have different lengths, a stride is below 1, or the image is smaller than the total
            stride.
    """

    traits = ("residual",)
    made_for = {  # noqa: RUF012
        "*_cifar": ("data=cifar10", "neuron=glif", "norm=tdbn"),
        "*": ("data=imagenet", "neuron=glif", "norm=tdbn"),
    }

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        blocks: list[int] = (2, 2, 2, 2),
        widths: list[int] = (64, 128, 256, 512),
        strides: list[int] = (1, 1, 2, 2),
        bottleneck: Annotated[int, ">= 1"] | None = 256,
        stem: Literal["cifar", "imagenet"] = "cifar",
        membrane_shortcut: bool = False,
    ):
        super().__init__()
        check_stages("glif_resnet", blocks, widths)
        require(
            len(strides) == len(blocks) and min(strides) >= 1,
            f"glif_resnet needs one positive stride for each stage, got model.strides={list(strides)} for "
            f"model.blocks={list(blocks)}; ResNet-18 for CIFAR has [1, 1, 2, 2].",
        )
        large = stem == "imagenet"
        check_size("glif_resnet", in_shape, prod(strides) * (2 if large else 1), "lower model.strides")
        kernel = {"kernel": 7, "stride": 2, "padding": 1} if large else {"kernel": 3}
        self.stem = parts.unit(in_shape[0], widths[0], **kernel)
        make_block = GLIFMembraneBlock if membrane_shortcut else GLIFBlock
        self.stages, channels = residual_stages(parts, make_block, widths[0], blocks, widths, strides)
        self.pool = GlobalAvgPool()
        narrow = bottleneck if bottleneck is not None and num_classes <= 50 else None
        self.head = nn.Identity() if narrow is None else parts.linear(channels, narrow, bias=False)
        self.readout = parts.linear(narrow or channels, num_classes, bias=False)
        kaiming_fan_out_(self)
        for linear in (self.head, self.readout):
            if hasattr(linear, "weight"):
                nn.init.normal_(linear.weight, std=0.01)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.head(self.pool(self.stages(self.stem(x_seq)))))
