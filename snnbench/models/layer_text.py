"""Reads layers as papers write them: "32C3" is a convolution, "MP2" a pool, "64C7S3P1" sets stride and padding.

A convolution is <channels>C<kernel>, a pool is two letters and its kernel; S<stride> and P<padding> may follow. Without
them a convolution has stride 1 and the padding that keeps the size, and a pool has its kernel as stride and no padding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from snnbench.errors import ConfigError
from snnbench.models.base import require

_LAYER = re.compile(r"(?:([1-9]\d*)C|([A-Z]P))([1-9]\d*)(?:S([1-9]\d*))?(?:P(\d+))?")


@dataclass(frozen=True)
class LayerText:
    """One layer of the text; `channels` is None for a pool."""

    text: str
    channels: int | None
    kernel: int
    stride: int
    padding: int

    def size(self, pixels: int) -> int:
        """The height or width of the output for an input with this number of pixels."""
        return (pixels + 2 * self.padding - self.kernel) // self.stride + 1


def read_layers(texts: list[str], pool: str) -> list[LayerText]:
    """The layers of `model.layers`.

    Args:
        texts: The layers, for example ["32C3", "MP2"].
        pool: The two letters of the kind of pool that the model has: "MP", "AP" or "SP".

    Raises:
        ConfigError: A layer cannot be read, or has an even kernel and no padding, which cannot keep the size.
    """
    return [_read(text, pool) for text in texts]


def _read(text: str, pool: str) -> LayerText:
    found = _LAYER.fullmatch(text)
    if found is None or found[2] not in (None, pool):
        raise ConfigError(f"model.layers: '{text}' cannot be read; write e.g. 32C3, 64C7S3P1 or {pool}2.")
    kernel = int(found[3])
    if found[2]:
        return LayerText(text, None, kernel, int(found[4] or kernel), int(found[5] or 0))
    require(
        kernel % 2 == 1 or found[5] is not None,
        f"model.layers: {text} has no same padding; take an odd kernel, or say e.g. {text}P0.",
    )
    padding = kernel // 2 if found[5] is None else int(found[5])
    return LayerText(text, int(found[1]), kernel, int(found[4] or 1), padding)


def require_pixels(size: list[int], layer: LayerText) -> None:
    """Raise ConfigError if the output of `layer` has no pixels."""
    require(min(size) > 0, f"model.layers: nothing is left of the image at {layer.text}; drop some layers.")
