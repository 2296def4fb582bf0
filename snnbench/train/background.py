"""Checkpoints written while training goes on.

A network of 17 million weights whose epochs take two seconds would wait half a second for each file.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor


class BackgroundCheckpointIO(TorchCheckpointIO):
    """Takes the state to the host at once and writes it in a thread, one file at a time.

    Lightning's AsyncCheckpointIO keeps its copies on the device, where they would count as the run's peak memory, and
    lets them pile up where epochs are shorter than writing. A file is whole or absent: it is written beside its place
    and then moved there. What goes wrong is raised by the next write, or by `teardown`.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._writing: Future | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Returns when the state is safe from what training does next; waits for the file before this one."""
        state = apply_to_collection(checkpoint, Tensor, _on_host)
        self._wait()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing = self._thread.submit(_write, state, Path(path))

    def load_checkpoint(self, path: str | Path, *arguments: Any, **named: Any) -> dict[str, Any]:
        self._wait()
        return super().load_checkpoint(path, *arguments, **named)

    def remove_checkpoint(self, path: str | Path) -> None:
        self._wait()
        super().remove_checkpoint(path)

    def teardown(self) -> None:
        """The end of a fit, also of one that fails: the last file is written."""
        try:
            self._wait()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
                self._thread = None

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()


def _on_host(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)


def _write(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    torch.save(state, beside)
    os.replace(beside, path)
