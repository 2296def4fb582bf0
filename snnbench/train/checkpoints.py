"""Checkpoints of a run: the best epoch's, and the newest, written no more often than writing it is worth."""

from __future__ import annotations

import time
from pathlib import Path

from lightning.pytorch.callbacks import ModelCheckpoint

SHARE = 50  # the newest is written when what it would save from being lost took this many times as long as writing it


def checkpoints(folder: Path) -> list[ModelCheckpoint]:
    """Two callbacks: `folder`/best.ckpt by test accuracy, then `folder`/last.ckpt.

    Two, for Lightning's save_last writes only when the monitored one does; the last epoch's goes last.
    """
    always = {"save_on_train_epoch_end": True, "enable_version_counter": False}
    best = BestCheckpoint(folder, filename="best", monitor="acc_test", mode="max", **always)
    return [best, NewestCheckpoint(folder, filename="last", **always)]


def is_tested(trainer) -> bool:
    """Whether the present epoch ends with a test (`train.eval_every`)."""
    return (trainer.current_epoch + 1) % trainer.check_val_every_n_epoch == 0


class BestCheckpoint(ModelCheckpoint):
    """After epochs that were tested: in the others what it monitors is missing, or old."""

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        if is_tested(trainer):
            super().on_train_epoch_end(trainer, pl_module)


class NewestCheckpoint(ModelCheckpoint):
    """After an epoch, but so that writing costs at most 1 / SHARE of the time: a large network with epochs of two
    seconds would spend a fifth of it. The first and the last epoch are always kept."""

    _written: float | None = None
    _cost = 0.0

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        began = time.perf_counter()
        is_last = trainer.current_epoch + 1 >= trainer.max_epochs
        is_due = is_last or self._written is None or began - self._written >= SHARE * self._cost
        if not trainer.strategy.broadcast(is_due):  # all ranks or none
            return
        super().on_train_epoch_end(trainer, pl_module)
        self._written = time.perf_counter()
        self._cost = self._written - began
