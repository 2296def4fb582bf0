"""The two VGG nets of temporal efficient training and of online training through time.

Both are chains of conv3x3 (with bias) - norm - neuron and average pools, and end in one linear layer:

* VGGSNN (Deng et al., TET, ICLR 2022): 64-128-P-256-256-P-512-512-P-512-512-P, flatten. 9,271,498 parameters on
  2x48x48 frames, 10 classes.
* VGG-11 WS (Xiao et al., OTTT, NeurIPS 2022): 64-128-P-256-256-P-512-512-P-512-512, global average. 9,228,362
  parameters with weight-standardised synapses and no norm, 3 input channels, 10 classes. The factor 2.74 behind every
  neuron in the official code is the neuron's `amplitude` here.

Convolutions start He-normal (fan out), as in both official codes.
"""

from __future__ import annotations

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require_size
from snnbench.models.init import kaiming_fan_out_, zero_bias_
from snnbench.models.layers import AvgPool2d, Flatten, GlobalAvgPool
from snnbench.models.parts import Parts

POOL = "P"
VGGSNN_LAYERS = (64, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL)
VGG11_LAYERS = (64, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512)


def conv_chain(parts: Parts, c_in: int, layers: tuple[int | str, ...]) -> nn.Sequential:
    """Units of conv3x3 with bias, and 2x2 average pools where `layers` says `POOL`."""
    chain: list[nn.Module] = []
    for layer in layers:
        if layer == POOL:
            chain.append(AvgPool2d(2))
        else:
            chain.append(parts.unit(c_in, layer, bias=True))
            c_in = layer
    return nn.Sequential(*chain)


class VGGSNN(SpikingModel):
    """VGGSNN of TET, `[T, N, C, H, W] -> [T, N, K]`; published for event frames of 48x48.

    Average pools hand multiples of 1/4 to the next convolution, so not every convolution sees binary inputs.

    Raises:
        ConfigError: if the frame is smaller than 16x16 (four pools).
    """

    def __init__(self, parts: Parts, in_shape: tuple[int, int, int], num_classes: int):
        super().__init__()
        require_size("vggsnn", in_shape, 16, "use model=spiking_resnet_tiny")
        channels, height, width = in_shape
        self.features = conv_chain(parts, channels, VGGSNN_LAYERS)
        self.flatten = Flatten()
        self.readout = parts.readout(512 * (height // 16) * (width // 16), num_classes)
        kaiming_fan_out_(self)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.flatten(self.features(x_seq)))


class VGG11WS(SpikingModel):
    """VGG-11 of OTTT, `[T, N, C, H, W] -> [T, N, K]`, for any synapse and norm; needs no statistics over a batch.

    Published with `synapse=weight_std norm=none`; the readout starts N(0, 0.01), bias 0.

    Raises:
        ConfigError: if the image is smaller than 8x8 (three pools).
    """

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
