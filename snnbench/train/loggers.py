"""Mirrors of metrics.csv: TensorBoard and Weights & Biases (offline without a key)."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from snnbench.errors import ConfigError


def loggers(log: dict, run_dir: Path, run_id: str, config: dict) -> list:
    """Lightning loggers that the configuration asks for; none is needed for the record."""
    found = []
    if log["tensorboard"]:
        if importlib.util.find_spec("tensorboard") is None:
            raise ConfigError("log.tensorboard=true needs the package tensorboard: pip install 'snnbench[tensorboard]'")
        from lightning.pytorch.loggers import TensorBoardLogger

        found.append(TensorBoardLogger(run_dir, name="tensorboard", version=""))
    if log["wandb"]:
        from lightning.pytorch.loggers import WandbLogger

        offline = not os.environ.get("WANDB_API_KEY")
        found.append(
            WandbLogger(
                project=log["wandb_project"],
                id=run_id,
                name=run_id,
                save_dir=run_dir,
                config=config,
                offline=offline,
                **({} if offline else {"resume": "allow"}),
            )
        )
    return found


def close(log: dict, status: str) -> None:
    """Close the loggers. A W&B run that is not finished loses its config and its last rows."""
    if log["wandb"]:
        import wandb

        wandb.finish(exit_code=0 if status == "done" else 1)
