"""Events to T frames of counts, by equal event number or by equal time.

`number`: T slices of floor(n / T) events, the rest goes to the last (SpikingJelly's split_by='number'; PLIF, SEW, TET,
OTTT). `time`: T slices of floor((t_last - t_first) / T) microseconds, the rest goes to the last (split_by='time',
tonic's ToFrame(n_time_bins)). Papers differ, so it is a config field and stands in the record.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F


def slice_of_events(t: np.ndarray, time_steps: int, by: Literal["number", "time"]) -> np.ndarray:
    """Which frame each event belongs to, int64 `[n]` in 0..T-1; t in microseconds."""
    if by == "number":
        step = len(t) // time_steps
        slices = np.arange(len(t)) // max(step, 1)
    else:
        step = (int(t.max()) - int(t.min())) // time_steps
        slices = (t - t.min()) // max(step, 1)
    return np.minimum(slices, time_steps - 1)


@dataclass(frozen=True)
class Framing:
    """How a recording becomes frames `[T, 2, H, W]`.

    Args:
        time_steps: The number T of frames.
        sensor: The (height, width) of the camera in pixels.
        size: The (height, width) of the frames in pixels.
        by: equal event `number` or equal `time`.
        resize: `sum` puts each event into the pixel that covers it (counts stay whole), `bilinear` (with antialias) and
            `nearest` resize the counted frames; without effect when size equals sensor.
        normalise: `max` divides each frame by its own largest count before resizing (TET).
        count_dtype: storage of whole counts, saturating; resized or normalised frames are float16.
    """

    time_steps: int
    sensor: tuple[int, int]
    size: tuple[int, int]
    by: Literal["number", "time"] = "number"
    resize: Literal["bilinear", "nearest", "sum"] = "bilinear"
    normalise: Literal["none", "max"] = "none"
    count_dtype: Literal["uint8", "int16"] = "uint8"

    @property
    def dtype(self) -> np.dtype:
        blurred = self.size != self.sensor and self.resize == "bilinear"
        return np.dtype(np.float16 if blurred or self.normalise == "max" else self.count_dtype)

    def describe(self) -> dict:
        return asdict(self) | {"sensor": list(self.sensor), "size": list(self.size), "dtype": str(self.dtype)}

    def __call__(self, events: np.ndarray) -> tuple[np.ndarray, int]:
        """(frames `[T, 2, H, W]` of `dtype`, channel 0 darker, 1 brighter; number of counts cut by saturation)."""
        pooled = self.resize == "sum"
        height, width = self.size if pooled else self.sensor
        x, y = events["x"].astype(np.int64), events["y"].astype(np.int64)
        if pooled:
            x, y = x * width // self.sensor[1], y * height // self.sensor[0]
        where = slice_of_events(events["t"], self.time_steps, self.by)
        where = ((where * 2 + events["p"]) * height + y) * width + x
        counts = np.bincount(where, minlength=self.time_steps * 2 * height * width)
        counts = counts.reshape(self.time_steps, 2, height, width)
        if self.dtype == np.float16:
            frames = torch.from_numpy(counts.astype(np.float32))
            if self.normalise == "max":
                frames = frames / frames.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1)
            return self._resized(frames).half().numpy(), 0
        if not pooled:
            counts = self._resized(torch.from_numpy(counts).float()).long().numpy()
        ceiling = np.iinfo(self.dtype).max
        return np.minimum(counts, ceiling).astype(self.dtype), int((counts > ceiling).sum())

    def _resized(self, frames: torch.Tensor) -> torch.Tensor:
        if tuple(frames.shape[-2:]) == self.size:
            return frames
        if self.resize == "nearest":
            return F.interpolate(frames, self.size, mode="nearest")
        return F.interpolate(frames, self.size, mode="bilinear", antialias=True, align_corners=False)
