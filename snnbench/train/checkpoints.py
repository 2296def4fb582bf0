"""Checkpoints of a run: best.ckpt of the best epoch, and last.ckpt, which is written only as often as it pays."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from snnbench.config.identity import checkpoint_path

SHARE = 50  # Write last.ckpt only when a crash would lose at least this many times as much work as one write takes.


def checkpoints(run_folder: Path, best_on: str) -> list[ModelCheckpoint]:
    """The callbacks that keep a run's checkpoints: the best by the accuracy on `best_on` ("val" or "test"), the newest.

    There are two of them because Lightning's `save_last` writes only when the monitored checkpoint is written. The
    newest comes second, so that it holds what the best one has to remember.
    """
    best, last = (checkpoint_path(run_folder, which) for which in ("best", "last"))
    always = {"save_on_train_epoch_end": True, "enable_version_counter": False}
    return [
        BestCheckpoint(best.parent, filename=best.stem, monitor=f"acc_{best_on}", mode="max", **always),
        NewestCheckpoint(last.parent, filename=last.stem, **always),
    ]


def is_tested(trainer) -> bool:
    """Whether the current epoch ends with a test (`train.eval_every`)."""
    return (trainer.current_epoch + 1) % trainer.check_val_every_n_epoch == 0


class BestCheckpoint(ModelCheckpoint):
    """Keeps best.ckpt. It looks only at epochs that were tested: the others have no new accuracy to compare.

    Lightning forgets the best accuracy so far if the folder has another path than before, and then overwrites best.ckpt
    with a worse epoch. Here the checkpoint's state is read as the state of this folder, wherever it lies now.
    """

    def on_load_checkpoint(self, trainer, pl_module, checkpoint) -> None:
        """Where a run resumes from another folder's last.ckpt, copy the best.ckpt beside it as well."""
        beside, own = Path(trainer.ckpt_path).with_name("best.ckpt"), Path(self.dirpath, "best.ckpt")
        if trainer.is_global_zero and not own.exists() and beside.exists():
            score = _score(checkpoint, self.state_key)
            if score is not None and _score(_read(beside), self.state_key) == score:
                own.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(beside, own)
        trainer.strategy.barrier("best.ckpt")  # every rank then checks whether the file exists

    def load_state_dict(self, state: dict) -> None:
        if not Path(self.dirpath, "best.ckpt").exists():  # only the best of the coming epochs is known then
            return
        moved = {key: self._here(state[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        moved["best_k_models"] = {self._here(path): score for path, score in state["best_k_models"].items()}
        super().load_state_dict(state | moved | {"dirpath": self.dirpath})

    def _here(self, path: str) -> str:
        return os.path.join(self.dirpath, os.path.basename(path)) if path else ""

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        if is_tested(trainer):
            super().on_train_epoch_end(trainer, pl_module)


def _score(checkpoint: dict, state_key: str) -> float | None:
    """The best accuracy that a checkpoint knows of."""
    score = checkpoint.get("callbacks", {}).get(state_key, {}).get("best_model_score")
    return None if score is None else float(score)


def _read(path: Path) -> dict:
    """A checkpoint, empty if the file is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:
        return {}


class NewestCheckpoint(ModelCheckpoint):
    """Writes last.ckpt after an epoch, so seldom that writing takes at most 1 / SHARE of the time.

    A large network with epochs of two seconds would otherwise spend a fifth of its time on it. The first and the last
    epoch are always written."""

    _written: float | None = None
    _cost = 0.0

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        began = time.perf_counter()
        is_last = trainer.current_epoch + 1 >= trainer.max_epochs
        is_due = is_last or self._written is None or began - self._written >= SHARE * self._cost
        if not trainer.strategy.broadcast(
            is_due
        ):  # all ranks must decide alike, since writing is a collective operation
            return
        super().on_train_epoch_end(trainer, pl_module)
        self._written = time.perf_counter()
        self._cost = self._written - began
