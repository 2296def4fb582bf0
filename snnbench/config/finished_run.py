"""The record and the checkpoint of a finished run that another run takes weights from. Does not import torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from snnbench.config.check import check
from snnbench.config.identity import checkpoint_path
from snnbench.errors import ConfigError
from snnbench.records import RunRecord, load_record


@dataclass(frozen=True)
class FinishedRun:
    """A finished run and the weights that another run takes from it.

    Args:
        run: The folder of the finished run, as the configuration spells it.
        record: The content of its run.json.
        weights: The checkpoint that is used, "last" or "best".
        digest: The SHA-256 of that checkpoint file.
    """

    run: str
    record: RunRecord
    weights: str
    digest: str

    @property
    def checkpoint(self) -> Path:
        """The checkpoint file."""
        return checkpoint_path(self.run, self.weights)

    @property
    def identity(self) -> str:
        """ "<recipe hash> <config hash>-s<seed> <digest of the weights>".

        The configuration hash of a run that uses these weights contains this text instead of the folder, so the hash
        does not change when the folder is moved or spelled differently.
        """
        return f"{self.record.recipe_hash} {self.record.run_id} {self.digest[:12]}"

    def about(self) -> dict:
        """The facts about this run that are written into the record of a run that uses its weights."""
        copied = (
            "run_id", "name", "experiment", "choices", "config_hash", "recipe_hash", "seed", "time_steps", "git_commit",
            "git_dirty", "epochs", "epochs_planned", "parameters",
        )  # fmt: skip
        return {key: getattr(self.record, key) for key in copied} | {
            "weights": self.weights,
            "weights_sha256": self.digest,
            "acc_test": self._accuracy(),
        }

    def _accuracy(self) -> float | None:
        """The test accuracy of the epoch whose weights the checkpoint holds."""
        if self.weights == "last":
            return self.record.acc_last
        return self.record.acc_test_at_best_val if self.record.best_on == "val" else self.record.acc_best_test


def finished_run(section: str, run: str, weights: str) -> FinishedRun:
    """Read the run that `<section>.run` and `<section>.weights` of a configuration name.

    Raises:
        ConfigError: The run is missing, unfinished or damaged, or it has no such checkpoint.
    """
    record = _record(section, run)
    path = checkpoint_path(run, weights)
    if not path.is_file():
        raise ConfigError(
            f"{section}.weights={weights}: {path} does not exist; copy the whole run folder or train again"
        )
    return FinishedRun(run, record, weights, weights_digest(path))


def weights_digest(path: Path) -> str:
    """The SHA-256 of a checkpoint file. It is computed again only if the file's time or size has changed."""
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@cache
def _digest(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record(section: str, run: str) -> RunRecord:
    path = Path(run) / "run.json"
    if not path.is_file():
        raise ConfigError(
            f"{section}.run={run} is no run folder (it holds no run.json): give <paths.runs>/<name>/<run>"
        )
    record = load_record(path)
    try:
        check(record.config, record.choices)
    except ConfigError as error:
        raise ConfigError(f"{path} holds no configuration that can be run: {error}") from None
    if record.status != "done":
        raise ConfigError(f"{section}.run={run} is not finished (its status is {record.status}): finish that run first")
    return record
