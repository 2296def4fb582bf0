"""The time and memory that a run has used, summed over its parts if it was killed and resumed."""

from __future__ import annotations

import time

import lightning as L
import torch

from snnbench.train.provenance import now


class Spent(L.Callback):
    """When the run began, its seconds and its largest device memory, kept in every checkpoint.

    A resumed run continues from its checkpoint's numbers. What a killed part did after its last checkpoint is repeated
    by the next part and is not counted.
    """

    def __init__(self) -> None:
        self.started = now()
        self._began = time.perf_counter()
        self._seconds_before = 0.0
        self._memory_before = 0.0
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def state_dict(self) -> dict:
        return {"started": self.started, "seconds": self.seconds(), "peak_memory_mb": self.peak_memory_mb()}

    def load_state_dict(self, state: dict) -> None:
        self.started = state["started"]
        self._seconds_before = state["seconds"]
        self._memory_before = state["peak_memory_mb"] or 0.0

    def seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._began

    def peak_memory_mb(self) -> float | None:
        """The largest device memory of this process in MB, or None without a CUDA device."""
        if not torch.cuda.is_available():
            return self._memory_before or None
        return max(self._memory_before, torch.cuda.max_memory_allocated() / 2**20)
