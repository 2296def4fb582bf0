"""Spiking Heidelberg Digits (Cramer et al. 2020): digits 0-9 in German and English through a simulated cochlea."""

from __future__ import annotations

from typing import ClassVar

from snnbench.data import sources
from snnbench.data.audio_events import AudioEvents


class SHD(AudioEvents):
    """x `[N, T, 1, 1, bands]`, 20 classes; official split (two of twelve speakers appear in the test set only).

    There is no validation set: papers report the best epoch on the test set; `val_fraction` holds one out.
    """

    source = sources.SHD
    classes = 20
    parts: ClassVar[dict[str, int]] = {"train": 8156, "test": 2264}
