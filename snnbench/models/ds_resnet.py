"""Spiking DS-ResNet, the dormant-suppressed residual net of MLF (Feng et al., IJCAI 2022, arXiv 2210.06386).

A block computes y = SN(norm(conv(SN(norm(conv x))))) + shortcut(x). It adds spikes and not currents, so a neuron that
never fires does not block the gradient of the shortcut. The shortcut is the identity, or conv1x1 - norm - SN where the
shape changes. Activations are small integers (the paper's union of spikes). With the same neuron this is the ADD block
of SEW-ResNet (Fang et al., 2021); the layout is He et al.'s for CIFAR: three stages of n blocks, depth 6n + 2.

With `dormant_suppressed=False` the last neuron comes after the addition (the paper's baseline); both norms have alpha
1.

2,777,674 / 4,327,754 / 7,427,914 / 10,528,074 / 16,728,394 parameters for ResNet-14/20/32/44/68 (64-128-256) on
CIFAR-10. The official tdBN adds its eps outside of the square root; ours adds it inside.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from snnbench.models.base import SpikingModel
from snnbench.models.layers import GlobalAvgPool
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import check_size, check_stages, halving, residual_stages
from snnbench.synapses.base import Synapse
from snnbench.temporal import over_time


class DSBlock(nn.Module):
    """Two units and a shortcut, `[T, N, C_in, H, W] -> [T, N, width, H', W']`."""

    def __init__(self, parts: Parts, c_in: int, width: int, stride: int, zero_init: bool, *, dormant_suppressed: bool):
        super().__init__()
        self.dormant_suppressed, self.out_channels = dormant_suppressed, width
        make_shortcut = parts.unit if dormant_suppressed else parts.projection
        same = stride == 1 and c_in == width
        self.shortcut = nn.Identity() if same else make_shortcut(c_in, width, 1, stride=stride)
        self.unit1 = parts.unit(c_in, width, 3, stride=stride)
        self.unit2 = parts.unit(width, width, 3, zero_init=zero_init)

    def forward(self, x_seq: Tensor) -> Tensor:
        shortcut = self.shortcut(x_seq)
        if self.dormant_suppressed:
            return self.unit2(self.unit1(x_seq)) + shortcut
        return self.unit2(self.unit1(x_seq), shortcut)


class InputNorm(nn.Module):
    """tdBN without gain and shift on the event frames, `[T, N, C, H, W] -> same`: v_th (x - mu) / sqrt(var + eps)."""

    def __init__(self, channels: int, v_th: float):
        super().__init__()
        self.v_th = v_th
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.v_th * over_time(self.norm, x_seq)


class DSResNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        blocks: The number of blocks of each stage; every stage but the first halves the image.
        widths: The number of channels of each stage; the conv3x3 stem has as many as the first.
        dormant_suppressed: True adds the spikes after the last neuron of a block (DS-ResNet), False the currents before
            it.
        input_norm: True puts a tdBN without gain and shift before the stem, as in the DVS Gesture network.

    Raises:
        ConfigError: The lists have different lengths, or the image is smaller than the total stride.
    """

    traits = ("residual",)
    made_for = {  # noqa: RUF012
        "*_dvs": ("data=cifar10_dvs", "data.shape=[2,42,42]", "neuron=mlf", "norm=tdbn"),
        "*_gesture": ("data=dvs_gesture", "data.shape=[2,32,32]", "neuron=mlf", "norm=tdbn"),
        "*": ("data=cifar10", "neuron=mlf", "norm=tdbn"),
    }

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        blocks: list[int] = (3, 3, 3),
        widths: list[int] = (64, 128, 256),
        dormant_suppressed: bool = True,
        input_norm: bool = False,
    ):
        super().__init__()
        check_stages("ds_resnet", blocks, widths)
        check_size("ds_resnet", in_shape, 2 ** (len(blocks) - 1), "use fewer stages")
        v_th = getattr(parts.neuron(in_shape[0]), "v_th", 1.0)
        self.input_norm = InputNorm(in_shape[0], v_th) if input_norm else nn.Identity()
        self.stem = parts.unit(in_shape[0], widths[0], 3)
        make_block = partial(DSBlock, dormant_suppressed=dormant_suppressed)
        self.stages, channels = residual_stages(parts, make_block, widths[0], blocks, widths, halving(len(blocks)))
        self.pool = GlobalAvgPool()
        self.readout = parts.readout(channels, num_classes)
        for module in self.modules():
            if isinstance(module, Synapse):
                nn.init.kaiming_normal_(module.weight)  # fan in, gain sqrt(2), the linear layer too: the official code

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.pool(self.stages(self.stem(self.input_norm(x_seq)))))
