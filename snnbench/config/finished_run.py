"""Another run that a configuration takes weights from: its record and its checkpoint, read once. Torch-free."""

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
        run: its folder, as the configuration spells it.
        record: what its run.json holds.
        weights: which of its checkpoints is meant, "last" or "best".
        digest: SHA-256 of that checkpoint file.
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

        It stands for this run in the hash of a run that uses it, so that neither the spelling of the folder nor the
        place where it lies matters.
        """
        return f"{self.record.recipe_hash} {self.record.run_id} {self.digest[:12]}"

    def about(self) -> dict:
        """What the record of a run that uses these weights says of them."""
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
        """Test accuracy of the epoch that the checkpoint holds."""
        if self.weights == "last":
            return self.record.acc_last
        return self.record.acc_test_at_best_val if self.record.best_on == "val" else self.record.acc_best_test


def finished_run(section: str, run: str, weights: str) -> FinishedRun:
    """Read the run that `<section>.run` and `<section>.weights` of a configuration name.

    Raises:
        ConfigError: the run is missing, unfinished or damaged, or it has no such checkpoint.
    """
    record = _record(section, run)
    path = checkpoint_path(run, weights)
    if not path.is_file():
        raise ConfigError(
            f"{section}.weights={weights}: {path} does not exist; copy the whole run folder or train again"
        )
    return FinishedRun(run, record, weights, weights_digest(path))


def weights_digest(path: Path) -> str:
    """SHA-256 of a checkpoint file."""
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
