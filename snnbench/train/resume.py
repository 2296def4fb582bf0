"""Resume is the same run: what Lightning's checkpoint leaves out, and refusing a checkpoint of another run."""

from __future__ import annotations

import random
from pathlib import Path

import lightning as L
import numpy as np
import torch

from snnbench.config.errors import ConfigError


class ResumeState(L.Callback):
    """Keeps the random generators (python, numpy, torch, cuda) and the configuration's hash in every checkpoint.

    The order of samples and their augmentation need no state: they depend on (seed, epoch, index) only. Of several
    processes each has generators of its own, since they may draw differently often (a rest of the test set).
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
    """Plain values and tensors only, so that a checkpoint loads with weights_only=True."""
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


def checkpoint_to_resume(explicit: str | None, run_dir: Path, config_hash: str) -> Path | None:
    """The checkpoint to go on from: the one named, else the run folder's own, else None.

    Raises:
        ConfigError: the named file is missing, or was written by another configuration.
    """
    own = run_dir / "checkpoints" / "last.ckpt"
    path = Path(explicit) if explicit is not None else (own if own.exists() else None)
    if path is None:
        return None
    if not path.is_file():
        raise ConfigError(f"train.ckpt_path={explicit} is no file: give the path of a last.ckpt, or null to start anew")
    try:
        made_by = (
            torch.load(path, map_location="cpu", weights_only=True, mmap=True).get("snnbench", {}).get("config_hash")
        )
    except Exception as error:
        raise ConfigError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}): delete it to start anew"
        ) from None
    if made_by != config_hash:
        raise ConfigError(
            f"train.ckpt_path={path} was written by another configuration ({made_by}, this one is {config_hash}): "
            "resume with the overrides it was started with"
        )
    return path
