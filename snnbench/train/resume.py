"""Resuming a run exactly: the state that Lightning's checkpoint leaves out, and the refusal of another run's file."""

from __future__ import annotations

import random
from pathlib import Path

import lightning as L
import numpy as np
import torch

from snnbench.errors import ConfigError


class ResumeState(L.Callback):
    """Keeps the random generators (python, numpy, torch, cuda) and the configuration's hash in every checkpoint.

    The order of samples and their augmentation need no state: they depend on (seed, epoch, index) only. Each
    of several processes has its own generators, since one may draw more often than another (in a last, smaller batch).
    """

    def __init__(self, config_hash: str):
        self.config_hash = config_hash
        self._loaded: dict | None = None

    def on_save_checkpoint(self, trainer, task, checkpoint) -> None:
        states = [_generators(task.device)]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            torch.distributed.all_gather_object(states, _generators(task.device))
        checkpoint["snnbench"] = {"config_hash": self.config_hash, "generators": states}

    def on_load_checkpoint(self, trainer, task, checkpoint) -> None:
        self._loaded = checkpoint.get("snnbench")

    def on_train_start(self, trainer, task) -> None:
        self._restore(trainer, task)

    def on_fit_end(self, trainer, task) -> None:
        """A run that resumes after its last epoch does not train, but still measures (Poisson codes, for instance)."""
        self._restore(trainer, task)

    def _restore(self, trainer, task) -> None:
        if self._loaded is not None:
            states = self._loaded.get("generators") or [self._loaded]  # checkpoints of 0.1 have one process's
            _set_generators(states[min(trainer.global_rank, len(states) - 1)], trainer.strategy.root_device)
            self._loaded = None


def _generators(device: torch.device) -> dict:
    """The state of the generators as plain values and tensors, so that a checkpoint loads with weights_only=True."""
    kind, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state(device)] if device.type == "cuda" else [],
    }


def _set_generators(state: dict, device: torch.device) -> None:
    random.setstate(state["python"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"][0].cpu(), device)


def refuse_other_run(checkpoint: Path, config_hash: str) -> None:
    """Refuse a checkpoint that a run with this configuration hash cannot continue from.

    Raises:
        ConfigError: the file is missing or damaged, or was written by another configuration.
    """
    if not checkpoint.is_file():
        raise ConfigError(
            f"train.ckpt_path={checkpoint} is no file: give the path of a last.ckpt, or null to start anew"
        )
    try:
        held = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        made_by = held.get("snnbench", {}).get("config_hash")
    except Exception as error:
        raise ConfigError(
            f"{checkpoint} cannot be read as a checkpoint ({type(error).__name__}): delete it to start anew"
        ) from None
    if made_by != config_hash:
        raise ConfigError(
            f"train.ckpt_path={checkpoint} was written by another configuration ({made_by}, this one is "
            f"{config_hash}): resume with the overrides it was started with"
        )
