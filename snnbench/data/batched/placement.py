"""Flip, roll and padded crop of all samples, combined into one gather.

Each operation says from which old row or column a new one is read. All channels and time steps of a sample share that.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from snnbench.data.batched.stage import Draws, to_device


class Move(Protocol):
    """A move that maps new positions to old ones, separately along height (axis 0) and width (axis 1)."""

    def draw(self, rng: np.random.Generator, count: int) -> Draws: ...

    def source(self, at: Tensor, axis: int, size: int, drawn: dict[str, Tensor]) -> Tensor:
        """Map new positions `[n, size]` to old positions. An old position outside [0, size) is background."""
        ...


class Flip:
    """Mirror left and right with probability `prob`."""

    def __init__(self, prob: float):
        self.prob = prob

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        return {"flip": (rng.random(count) < self.prob).astype(np.int64)}

    def source(self, at: Tensor, axis: int, size: int, drawn: dict[str, Tensor]) -> Tensor:
        return torch.where(drawn["flip"][:, None] == 1, size - 1 - at, at) if axis == 1 else at


class Roll:
    """Shift circularly along height and width, each by a uniform integer in [-reach, reach]."""

    def __init__(self, reach: int):
        self.reach = reach

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        return {"roll": rng.integers(-self.reach, self.reach + 1, (count, 2))}

    def source(self, at: Tensor, axis: int, size: int, drawn: dict[str, Tensor]) -> Tensor:
        return torch.remainder(at - drawn["roll"][:, axis : axis + 1], size)


class PaddedCrop:
    """Zero-pad by `padding` on each side and crop back to the old size at a uniform place."""

    def __init__(self, padding: int):
        self.padding = padding

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        return {"crop": rng.integers(0, 2 * self.padding + 1, (count, 2))}

    def source(self, at: Tensor, axis: int, size: int, drawn: dict[str, Tensor]) -> Tensor:
        return at + drawn["crop"][:, axis : axis + 1] - self.padding


class Placement:
    """Apply several moves in order, as one gather from `[n, ..., H, W]`. Background pixels become 0.

    At most one move, the crop, may read outside of the picture. Its background is noted before the earlier moves are
    traced back.
    """

    def __init__(self, moves: list[Move]):
        self.moves = moves

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        drawn: Draws = {}
        for move in self.moves:
            drawn |= move.draw(rng, count)
        return drawn

    def __call__(self, x: Tensor, draws: Draws) -> Tensor:
        drawn = {name: to_device(values, x.device) for name, values in draws.items()}
        *_, height, width = x.shape
        row, row_inside = self._trace(len(x), 0, height, drawn, x.device)
        column, column_inside = self._trace(len(x), 1, width, drawn, x.device)
        flat = x.reshape(len(x), -1, height * width)
        index = (row[:, :, None] * width + column[:, None, :]).view(len(x), 1, -1)
        moved = flat.gather(2, index.expand_as(flat)).view(x.shape)
        if any(isinstance(move, PaddedCrop) for move in self.moves):
            inside = row_inside[:, :, None] & column_inside[:, None, :]
            moved.mul_(inside.view(len(x), *[1] * (x.ndim - 3), height, width))
        return moved

    def _trace(self, count: int, axis: int, size: int, drawn: dict[str, Tensor], device) -> tuple[Tensor, Tensor]:
        """Return (old position, True if it lies inside), both `[n, size]`. The last move is undone first."""
        at = torch.arange(size, device=device).expand(count, size)
        inside = torch.ones_like(at, dtype=torch.bool)
        for move in reversed(self.moves):
            at = move.source(at, axis, size, drawn)
            inside = inside & (at >= 0) & (at < size)
            at = at.clamp(0, size - 1)
        return at, inside


class KeepFrames:
    """Keep `keep` of the T frames of `[n, T, ...]`, drawn without replacement for each sample and left in order."""

    def __init__(self, keep: int, time_steps: int):
        self.keep, self.time_steps = keep, time_steps

    def draw(self, rng: np.random.Generator, count: int) -> Draws:
        chosen = rng.random((count, self.time_steps)).argsort(axis=1)[:, : self.keep]
        return {"frames": np.sort(chosen, axis=1)}

    def __call__(self, x: Tensor, draws: Draws) -> Tensor:
        offset = np.arange(len(x))[:, None] * x.shape[1]
        index = to_device((draws["frames"] + offset).reshape(-1), x.device)
        return x.flatten(0, 1).index_select(0, index).unflatten(0, (len(x), self.keep))
