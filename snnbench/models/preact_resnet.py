"""PreAct ResNet-18 of SLTT and CLIF for CIFAR: norm and neuron come before a block, and the shortcut carries spikes.

Meng et al. (SLTT, ICCV 2023, arXiv:2302.14311) and Huang et al. (CLIF, ICML 2024, arXiv:2402.04663), whose code
(HuuYuLong/Complementary-LIF @d76af59) has the same network. A block computes, with the spiking neurons SN:

    s = SN(norm(x));   y = conv(drop(SN(norm(conv s)))) + shortcut(s)

Every shortcut carries the spikes s and not the current x (that of He et al. and of MS-ResNet carries x). Where the
shape changes, it is a conv1x1 without norm. The convolutions of the blocks have biases; the stem has neither bias nor
norm. 11,176,906 parameters on CIFAR-10, 11,223,076 on CIFAR-100.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

from torch import Tensor, nn

from snnbench.models.base import SpikingModel
from snnbench.models.dropout import TemporalDropout
from snnbench.models.init import zero_bias_
from snnbench.models.layers import GlobalAvgPool
from snnbench.models.parts import Parts
from snnbench.models.resnet_parts import check_size, check_stages, halving, residual_stages
from snnbench.synapses.base import Synapse


class PreActBlock(nn.Module):
    """Currents `[T, N, C_in, H, W] -> [T, N, width, H', W']`."""

    def __init__(self, parts: Parts, c_in: int, width: int, stride: int, zero_init: bool, *, dropout: float):
        super().__init__()
        self.out_channels = width
        self.norm, self.neuron = parts.norm(c_in), parts.neuron(c_in)
        self.unit = parts.unit(c_in, width, 3, stride=stride, bias=True)
        self.dropout = TemporalDropout(dropout)
        self.conv = parts.conv(width, width, 3, bias=True)
        same = stride == 1 and c_in == width
        self.shortcut = nn.Identity() if same else parts.conv(c_in, width, 1, stride=stride, bias=True)

    def forward(self, x_seq: Tensor) -> Tensor:
        spikes = self.neuron(x_seq, self.norm)
        return self.conv(self.dropout(self.unit(spikes))) + self.shortcut(spikes)


class PreActResNet(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Convolutions start He-normal (fan out) with PyTorch's biases, the readout's bias at 0.

    Args:
        blocks: The number of blocks of each stage; every stage but the first halves the image.
        widths: The number of channels of each stage; the stem has as many as the first.
        dropout: The share of the spikes that is dropped before the second convolution of each block and before the
            readout, with the same mask at all T steps.

    Raises:
        ConfigError: The lists have different lengths, or the image is smaller than the total stride.
    """

    traits = ("residual",)
    made_for = {"*": ("data=cifar10", "norm=bn_by_step")}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        blocks: list[int] = (2, 2, 2, 2),
        widths: list[int] = (64, 128, 256, 512),
        dropout: Annotated[float, "in [0, 1)"] = 0.0,
    ):
        super().__init__()
        check_stages("preact_resnet", blocks, widths)
        check_size("preact_resnet", in_shape, 2 ** (len(blocks) - 1), "use fewer stages")
        self.stem = parts.conv(in_shape[0], widths[0], 3)
        make_block = partial(PreActBlock, dropout=dropout)
        self.stages, channels = residual_stages(parts, make_block, widths[0], blocks, widths, halving(len(blocks)))
        self.norm, self.neuron = parts.norm(channels), parts.neuron(channels)
        self.pool = GlobalAvgPool()
        self.dropout = TemporalDropout(dropout)
        self.readout = parts.readout(channels, num_classes)
        for module in self.modules():
            if isinstance(module, Synapse) and module is not self.readout:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        zero_bias_(self.readout)

    def forward(self, x_seq: Tensor) -> Tensor:
        spikes = self.neuron(self.stages(self.stem(x_seq)), self.norm)
        return self.readout(self.dropout(self.pool(spikes)))
