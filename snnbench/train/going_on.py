"""The checkpoint from which an interrupted run continues. Torch-free, so that a command can name it early."""

from __future__ import annotations

from pathlib import Path

from snnbench.config.compose import Composed
from snnbench.config.identity import checkpoint_path


def checkpoint_to_resume(composed: Composed) -> Path | None:
    """The checkpoint from which a run continues: `train.ckpt_path`, else last.ckpt of its folder, else None.

    `snnbench.train.resume.refuse_other_run` checks that the file exists and belongs to this run.
    """
    explicit = composed.config["train"]["ckpt_path"]
    if explicit is not None:
        return Path(explicit)
    own = checkpoint_path(composed.identity.folder, "last")
    return own if own.exists() else None


def epochs_done(folder: Path) -> int:
    """The number of epochs in metrics.csv of a run folder; 0 for a damaged file, which a resumed run rewrites."""
    metrics = folder / "metrics.csv"
    return max(0, metrics.read_bytes().count(b"\n") - 1) if metrics.exists() else 0
