"""ResNet-9 with spiking neurons and membrane shortcuts, the network of the CIFAR-10 speed run.

The shape is that of the fastest entries of DAWNBench's CIFAR-10 contest (Page, "How to Train Your ResNet", 2018): a
stem, three stages that each pool once, and a residual pair of convolutions in the first and the last of them. The
shortcut adds a real-valued current as in MS-ResNet (Hu et al., TNNLS 2024), so that a kernel can compute the last norm,
the addition and the neuron in one pass. All convolutions read spikes except for the stem, which runs once for a static
image.
"""

from __future__ import annotations

from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require, require_size
from snnbench.models.layers import GlobalAvgPool, MaxPool2d
from snnbench.models.parts import Parts


class Stage(nn.Module):
    """conv3x3 - max-pool 2 - norm - neuron, and, if `residual`, two units whose second adds the current.

    `[T, N, C_in, H, W] -> [T, N, C, H/2, W/2]` spikes. The norm comes after the pool, where it reads a quarter of the
    values.
    """

    def __init__(self, parts: Parts, c_in: int, width: int, residual: bool):
        super().__init__()
        self.down = parts.projection(c_in, width, 3, pool=MaxPool2d(2), pool_at="before_norm", attended=True)
        self.neuron = parts.neuron(width)
        self.first = parts.unit(width, width) if residual else None
        self.second = parts.unit(width, width) if residual else None

    def forward(self, x_seq: Tensor) -> Tensor:
        current = self.down(x_seq)
        spikes = self.neuron(current)
        return spikes if self.first is None else self.second(self.first(spikes), residual=current)


class ResNet9(SpikingModel):
    """`[T, N, C, H, W] -> [T, N, K]`.

    Args:
        widths: The number of channels of the stem and of each stage; every stage halves the image.
        residual: Whether each stage has a residual pair of convolutions.

    Raises:
        ConfigError: `residual` has not one value for each stage, or the image is smaller than the total stride.
    """

    traits = ("residual", "max_pool")
    made_for = {"*": ("data=cifar10",)}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        widths: list[int] = (64, 128, 256, 512),
        residual: list[bool] = (True, False, True),
    ):
        super().__init__()
        require(
            len(widths) == len(residual) + 1 and min(widths) >= 1,
            f"resnet9 needs one flag a stage and one more width for the stem, got model.widths={list(widths)} and "
            f"model.residual={list(residual)}.",
        )
        require_size("resnet9", in_shape, 2 ** len(residual), "use a larger image")
        self.stem = parts.unit(in_shape[0], widths[0])
        self.stages = nn.Sequential(
            *(Stage(parts, c_in, width, pair) for c_in, width, pair in zip(widths, widths[1:], residual))
        )
        self.pool = GlobalAvgPool()
        self.readout = parts.readout(widths[-1], num_classes)

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.readout(self.pool(self.stages(self.stem(x_seq))))
