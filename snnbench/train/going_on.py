"""What a run that was cut off goes on from. Torch-free, so that a command can say it before torch is imported."""

from __future__ import annotations

from pathlib import Path

from snnbench.config.compose import Composed
from snnbench.config.identity import checkpoint_path


def checkpoint_to_resume(composed: Composed) -> Path | None:
    """The checkpoint that a run goes on from: `train.ckpt_path`, else its own folder's newest one, else None.

    Whether the file is there and belongs to this run is asked by `snnbench.train.resume.refuse_other_run`.
    """
    explicit = composed.config["train"]["ckpt_path"]
    if explicit is not None:
        return Path(explicit)
    own = checkpoint_path(composed.identity.folder, "last")
    return own if own.exists() else None


def epochs_done(folder: Path) -> int:
    """How many epochs have a line in the metrics of a run folder; a run that resumes writes a damaged file anew."""
    metrics = folder / "metrics.csv"
    return max(0, metrics.read_bytes().count(b"\n") - 1) if metrics.exists() else 0
