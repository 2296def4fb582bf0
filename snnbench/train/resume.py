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

    The order of samples and their augmentation need no state: they depend on (seed, epoch, index) only.
    """

    def __init__(self, config_hash: str):
        self.config_hash = config_hash

    def on_save_checkpoint(self, trainer, task, checkpoint) -> None:
        kind, keys, *rest = np.random.get_state()
        checkpoint["snnbench"] = {  # plain values and tensors only: it loads with weights_only=True
            "config_hash": self.config_hash,
            "python": random.getstate(),
            "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), *rest),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def on_load_checkpoint(self, trainer, task, checkpoint) -> None:
        self._restore = checkpoint.get("snnbench")

    def on_train_start(self, trainer, task) -> None:
        state = getattr(self, "_restore", None)
        if state is None:
            return
        random.setstate(state["python"])
        kind, keys, *rest = state["numpy"]
        np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
        torch.set_rng_state(state["torch"].cpu())
        if state["cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])


def checkpoint_to_resume(explicit: str | None, run_dir: Path, config_hash: str) -> Path | None:
    """The checkpoint to go on from: the one named, else the run folder's own, else None.

    Raises:
        ConfigError: the named file is missing, or was written by another configuration.
    """
    own = run_dir / "checkpoints" / "last.ckpt"
    path = Path(explicit) if explicit else (own if own.exists() else None)
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
