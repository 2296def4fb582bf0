"""The VGG networks of temporal efficient training, of online training through time, and of SLTT and CLIF.

All are chains of conv3x3 (with bias) - norm - neuron and average pools, and end in one linear layer:

* VGGSNN (Deng et al., TET, ICLR 2022): 64-128-P-256-256-P-512-512-P-512-512-P, flatten. 9,271,498 parameters on
  2x48x48 frames, 10 classes.
* VGG-11 WS (Xiao et al., OTTT, NeurIPS 2022): 64-128-P-256-256-P-512-512-P-512-512, global average. 9,228,362
  parameters with weight-standardised synapses and no norm, 3 input channels, 10 classes. The official code multiplies
  the output of every neuron by 2.74, which is the neuron's `amplitude` here.
* VGG-11 (Meng et al., SLTT, ICCV 2023; Huang et al., CLIF, ICML 2024): 64-P-128-P-256-256-P-512-512-P-512-512-P with
  dropout after every neuron, adaptive average pool to 7x7, flatten. 9,476,298 parameters on event frames with 10
  classes, 9,501,387 with 11. Frames of 48x48 have become one pixel at the adaptive pool, which copies it 49 times.

Convolutions start He-normal (fan out), as in all official codes. Their biases start at 0 in both VGG-11s; in
VGGSNN they keep PyTorch's initial values.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require_size
from snnbench.models.dropout import TemporalDropout
from snnbench.models.init import kaiming_fan_out_, zero_bias_
from snnbench.models.layers import AdaptiveAvgPool2d, AvgPool2d, Flatten, GlobalAvgPool
from snnbench.models.parts import Parts

POOL = "P"
VGGSNN_LAYERS = (64, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL)
VGG11_LAYERS = (64, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512)
VGG11_BN_LAYERS = (64, POOL, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL)
GRID = 7  # height and width in pixels of the input of VGG-11's readout


def conv_chain(parts: Parts, c_in: int, layers: tuple[int | str, ...], dropout: float = 0.0) -> nn.Sequential:
    """Units of conv3x3 with bias, each followed by dropout, and a 2x2 average pool for each `POOL` in `layers`."""
    chain: list[nn.Module] = []
    for layer in layers:
        if layer == POOL:
            chain.append(AvgPool2d(2))
        else:
            chain.append(parts.unit(c_in, layer, bias=True))
            chain += [TemporalDropout(dropout)] if dropout else []
            c_in = layer
    return nn.Sequential(*chain)


class VGGSNN(SpikingModel):
    """VGGSNN of TET, `[T, N, C, H, W] -> [T, N, K]`; published for event frames of 48x48.

    Average pools give multiples of 1/4 to the next convolution, so not all convolutions read binary inputs.

    Args:
        dropout: The share of the readout's inputs that is dropped, with a new mask at each step; TET uses 0, PSN and
            TEBN 0.25.

    Raises:
        ConfigError: The frame is smaller than 16x16 pixels (four pools).
    """

    made_for = {"*": ("data=cifar10_dvs",)}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        dropout: Annotated[float, "in [0, 1)"] = 0.0,
    ):
        super().__init__()
        require_size("vggsnn", in_shape, 16, "use model=spiking_resnet_tiny")
        channels, height, width = in_shape
        self.features = conv_chain(parts, channels, VGGSNN_LAYERS)
        self.flatten, self.dropout = Flatten(), nn.Dropout(dropout)
        self.readout = parts.readout(512 * (height // 16) * (width // 16), num_classes)
        kaiming_fan_out_(self, zero_biases=False)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.dropout(self.flatten(self.features(x_seq))))


class VGG11WS(SpikingModel):
    """VGG-11 of OTTT, `[T, N, C, H, W] -> [T, N, K]`, for any synapse and norm, also without statistics over a batch.

    Published with `synapse=weight_std norm=none`; the readout starts N(0, 0.01), bias 0.

    Raises:
        ConfigError: The image is smaller than 8x8 pixels (three pools).
    """

    made_for = {"*": ("data=cifar10", "neuron=lif_ottt", "norm=none", "synapse=weight_std")}  # noqa: RUF012

    def __init__(self, parts: Parts, in_shape: tuple[int, int, int], num_classes: int):
        super().__init__()
        require_size("vgg11_ws", in_shape, 8, "use a larger image")
        self.features = conv_chain(parts, in_shape[0], VGG11_LAYERS)
        self.pool = GlobalAvgPool()
        self.readout = parts.readout(512, num_classes)
        kaiming_fan_out_(self)
        nn.init.normal_(self.readout.weight, std=0.01)
        zero_bias_(self.readout)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.pool(self.features(x_seq)))


class VGG11BN(SpikingModel):
    """VGG-11 of SLTT and CLIF, `[T, N, C, H, W] -> [T, N, K]`; published for event frames of 48x48 and 128x128.

    The readout starts N(0, 0.01), bias 0.

    Args:
        dropout: The share of every neuron layer's spikes that is dropped, with the same mask at all T steps.

    Raises:
        ConfigError: The frame is smaller than 32x32 pixels (five pools).
    """

    made_for = {"*": ("data=cifar10_dvs", "norm=bn_by_step")}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        dropout: Annotated[float, "in [0, 1)"] = 0.0,
    ):
        super().__init__()
        require_size("vgg11_bn", in_shape, 32, "use model=vggsnn")
        self.features = conv_chain(parts, in_shape[0], VGG11_BN_LAYERS, dropout)
        self.pool = nn.Sequential(AdaptiveAvgPool2d(GRID), Flatten())
        self.readout = parts.readout(512 * GRID * GRID, num_classes)
        kaiming_fan_out_(self)
        nn.init.normal_(self.readout.weight, std=0.01)
        zero_bias_(self.readout)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.pool(self.features(x_seq)))
