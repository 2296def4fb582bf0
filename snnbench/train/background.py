"""Checkpoints that are written while training goes on.

Without this, a network with 17 million weights and epochs of two seconds would wait half a second for each file.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from snnbench.writing import writing

MOST_WAITING = 2  # an epoch may leave two files, its own and the best one


class BackgroundCheckpointIO(TorchCheckpointIO):
    """Copies the state to the host at once and writes it in a thread, one file after the other.

    Lightning's AsyncCheckpointIO keeps its copies on the device, where they would count as the run's peak memory, and
    lets them pile up where an epoch takes less time than writing. A file is whole or absent: it is written under
    another name and then renamed. An error in the thread is raised by the next write or by `teardown`.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._writing: deque[Future] = deque()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Return once the state is copied. At most MOST_WAITING files wait to be written; beyond that, this waits."""
        state = apply_to_collection(checkpoint, Tensor, _on_host)
        self._wait(MOST_WAITING - 1)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing.append(self._thread.submit(_write, state, Path(path)))

    def load_checkpoint(self, path: str | Path, *arguments: Any, **named: Any) -> dict[str, Any]:
        self._wait()
        return super().load_checkpoint(path, *arguments, **named)

    def remove_checkpoint(self, path: str | Path) -> None:
        self._wait()
        super().remove_checkpoint(path)

    def teardown(self) -> None:
        """Wait until the last file is written. Lightning calls this when a fit ends, also when it fails."""
        try:
            self._wait()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
                self._thread = None

    def _wait(self, until: int = 0) -> None:
        """Wait until at most this many files are unwritten, and raise the error of a finished one that failed."""
        while len(self._writing) > until or (self._writing and self._writing[0].done()):
            self._writing.popleft().result()


def _on_host(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)


def _write(state: dict[str, Any], path: Path) -> None:
    beside = path.with_name(f".{path.name}.part")
    try:
        with writing(beside):
            path.parent.mkdir(parents=True, exist_ok=True)
            _save(state, beside)
            os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)  # on a full disk this makes room for the record
        raise


def _save(state: dict[str, Any], path: Path) -> None:
    """Write through a Python file object. Where torch opens the file itself, its errors do not name their cause."""
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(
                error.__context__, OSError
            ):  # torch raises this when it closes a file that it could not write
                raise error.__context__ from None
            raise
