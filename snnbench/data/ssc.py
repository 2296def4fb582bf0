"""Spiking Speech Commands (Cramer et al. 2020): 35 spoken words through a simulated cochlea."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from snnbench.data import sources
from snnbench.data.audio_events import AudioEvents


class SSC(AudioEvents):
    """x `[N, T, 1, 1, bands]`, 35 classes; official training, validation and test sets."""

    source = sources.SSC
    classes = 35
    parts: ClassVar[dict[str, int]] = {"train": 75466, "test": 20382, "valid": 9981}

    def __init__(self, **rest):
        super().__init__(val_fraction=0.0, **rest)
        self._valid = np.empty(0, dtype=np.int64)

    def split_indices(self, labels: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._valid = np.flatnonzero(tags == list(self.parts).index("valid"))
        return super().split_indices(labels, tags)

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        self._val_indices = self._valid
