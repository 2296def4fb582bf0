"""Stems, stages and size checks that the families of residual networks share."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from snnbench.models.base import require, require_size
from snnbench.models.layers import MaxPool2d
from snnbench.models.parts import Parts

# make_block(parts, c_in, width, stride, zero_init) -> block with an attribute `out_channels`
MakeBlock = Callable[[Parts, int, int, int, bool], nn.Module]

LARGE = 96  # "auto" takes the ImageNet stem from this height on; its stride of 4 leaves at least 24x24 pixels
BY_ROWS = {0: "cifar", LARGE: "imagenet"}


def resolve_stem(stem: str, in_shape: tuple[int, int, int], by_rows: dict[int, str] = BY_ROWS) -> str:
    """Replace the stem "auto" by the one for the size of the input.

    Args:
        stem: The configured stem, which is returned unless it is "auto".
        in_shape: The shape (C, H, W) of the input.
        by_rows: Maps a number of rows to the stem for inputs with at least as many.
    """
    if stem != "auto":
        return stem
    return by_rows[max(rows for rows in by_rows if rows <= in_shape[1])]


def spiking_stem(parts: Parts, stem: str, c_in: int, width: int) -> nn.Sequential:
    """conv7x7 s2 - norm - neuron - max-pool 3 s2 on spikes ("imagenet"), or conv3x3 - norm - neuron ("cifar").

    A static image's conv and norm cost one pass whatever T is (see `snnbench.temporal.over_time`).
    """
    if stem == "imagenet":
        return nn.Sequential(parts.unit(c_in, width, 7, stride=2), MaxPool2d(3, stride=2, padding=1))
    return nn.Sequential(parts.unit(c_in, width, 3))


def check_stages(model: str, blocks: list[int], widths: list[int]) -> None:
    """Raise ConfigError unless every stage has one width and at least one block."""
    require(
        len(blocks) == len(widths) and len(blocks) > 0 and min([*blocks, *widths]) >= 1,
        f"{model} needs one positive width for each stage of blocks, got blocks={list(blocks)} widths={list(widths)}.",
    )


def check_size(model: str, in_shape: tuple[int, int, int], factor: int, instead: str) -> None:
    """Raise ConfigError if the net would shrink the image below one pixel (`factor` is its total stride)."""
    require_size(model, in_shape, factor, instead)


def halving(stages: int, first: int = 1) -> list[int]:
    """The strides of most ResNets: `first` for the first stage, 2 for each stage after it."""
    return [first] + [2] * (stages - 1)


def residual_stages(
    parts: Parts, make_block: MakeBlock, c_in: int, blocks: list[int], widths: list[int], strides: list[int],
    zero_init: bool = False,
) -> tuple[nn.Sequential, int]:  # fmt: skip
    """All stages in sequence. The first block of a stage has the stage's stride, its other blocks have stride 1.

    Returns:
        The stages and the number of channels of the last one.
    """
    stages: list[nn.Module] = []
    for count, width, stride in zip(blocks, widths, strides):
        stage: list[nn.Module] = []
        for position in range(count):
            block = make_block(parts, c_in, width, stride if position == 0 else 1, zero_init)
            stage.append(block)
            c_in = block.out_channels
        stages.append(nn.Sequential(*stage))
    return nn.Sequential(*stages), c_in
