"""The network of the survey's tandem script: CSNN with a norm in the hidden fully connected layer too.

`cf10/tandem_learning/tandem_my.py` @2d8a509 builds every hidden layer as synapse - batch norm - IF; 17,544,074
parameters at `width=128, hidden=2048`, 3x32x32, 10 classes. Its biases before the norms are left out, because a norm
cancels them.
"""

from __future__ import annotations

from typing import Annotated

from snnbench.models.csnn import CSNN
from snnbench.models.parts import Parts, Unit, needs_bias


class CSNNTandem(CSNN):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        width: The number of channels of every convolution.
        hidden: The number of neurons of the fully connected layer.

    Raises:
        ConfigError: The image is smaller than 4x4 pixels.
    """

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        width: Annotated[int, ">= 1"] = 128,
        hidden: Annotated[int, ">= 1"] = 2048,
    ):
        super().__init__(parts, in_shape, num_classes, width, hidden)
        norm, linear = parts.norm(hidden), self.hidden.synapse
        if not needs_bias(None, norm):
            linear.register_parameter("bias", None)
        self.hidden = Unit(linear, norm, self.hidden.neuron)
