"""The record of a run (`run.json`): the only source of our numbers in every table. Standard library only.

Units: accuracies and firing rates as named (accuracy in percent, rates in [0, 1] spikes per neuron and time step),
operations in millions per sample over all T steps, energy in mJ per sample, memory in MB, times in seconds.
A run that failed or was interrupted also writes a record. Values that were not measured are null.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from snnbench.errors import ConfigError
from snnbench.record_forms import check_forms
from snnbench.writing import writing

STATUSES = ("done", "failed", "interrupted", "running")
KEPT_NAME = re.compile(r"[0-9a-zA-Z]+-s\d+\.json")


@dataclass(kw_only=True)
class RunRecord:
    """The settings and the measurements of one run.

    config_hash covers the whole resolved config. recipe_hash covers the config without seed, paths and machine, so
    records with the same recipe_hash are seeds of one experiment. `reproduces` is an id of `results/reported`, or null.
    teacher describes the run of the teacher (empty without one). start describes the run whose weights this run started
    from (empty if it started from random weights).
    deviations holds the changes to the recipe as {key: [value of the recipe, value of the run]}. A different component
    is listed under its axis, {"neuron": ["lif", "plif"]}.
    epochs_planned is the number of epochs of the recipe: a run of 20 of 256 epochs has epochs 20, epochs_planned 256.
    acc_mirrored is acc_last with logits averaged over each image and its mirror image (`measure.mirrored`).
    epochs_s is the time of all epochs in seconds: training, test, and compilation in the first epoch, but not the
    writing of checkpoints. wall_time_s also includes checkpoints, start-up and counting of operations. A resumed run
    adds the times of its parts up to their last checkpoints, and has the largest memory and the first start of them.
    best_on says which split selected the epoch in best.ckpt: "val" (then it is best_val_epoch) or "test".
    loss_last is null if the run diverged, because JSON has no NaN. The status is then failed.
    """

    run_id: str
    status: str
    name: str
    choices: dict[str, str]
    config: dict[str, Any]
    config_hash: str
    recipe_hash: str
    seed: int
    error: str | None = None
    experiment: str | None = None
    reproduces: str | None = None
    time_steps: int | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    data: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    device: dict[str, Any] = field(default_factory=dict)
    teacher: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    deviations: dict[str, Any] = field(default_factory=dict)
    epochs: int = 0
    epochs_planned: int | None = None
    acc_last: float | None = None
    acc_best_test: float | None = None
    best_test_epoch: int | None = None
    acc_val_best: float | None = None
    best_val_epoch: int | None = None
    acc_test_at_best_val: float | None = None
    best_on: str | None = None
    acc_mirrored: float | None = None
    loss_last: float | None = None
    train_samples_per_s: float | None = None
    test_samples_per_s: float | None = None
    peak_memory_mb: float | None = None
    parameters: int | None = None
    firing_rates: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    operations: dict[str, Any] = field(default_factory=dict)
    epochs_s: float | None = None
    wall_time_s: float | None = None
    started: str | None = None
    finished: str | None = None
    command: str | None = None

    def mean_firing_rate(self) -> float | None:
        """The unweighted mean of the layers' firing rates, or None if they were not measured."""
        rates = [rate for rate in self.firing_rates.values() if rate is not None]
        return sum(rates) / len(rates) if rates else None


_FIELDS = {item.name: item for item in fields(RunRecord)}
_REQUIRED = [name for name, item in _FIELDS.items() if item.default is MISSING and item.default_factory is MISSING]
_TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "dict": dict, "list": list}


def _fits(value: Any, annotation: str) -> bool:
    for part in (part.strip() for part in annotation.split("|")):
        base = part.split("[")[0]
        if part == "None":
            if value is None:
                return True
        elif isinstance(value, _TYPES[base]) and (base == "bool" or not isinstance(value, bool)):
            return True
    return False


def check_record(values: Mapping[str, Any], where: str = "record") -> RunRecord:
    """The record in `values`, or a ConfigError that names the key and what it should be."""
    missing = [name for name in _REQUIRED if name not in values]
    if missing:
        raise ConfigError(f"{where}: key '{missing[0]}' is missing; this is not a complete run record, repeat the run")
    for name, value in values.items():
        if name not in _FIELDS:
            raise ConfigError(f"{where}: unknown key '{name}'; the keys are those of snnbench.records.RunRecord")
        annotation = str(_FIELDS[name].type)
        if not _fits(value, annotation):
            raise ConfigError(f"{where}: key '{name}' is {value!r} but must be {annotation}")
    if values["status"] not in STATUSES:
        raise ConfigError(f"{where}: status is {values['status']!r} but must be one of {', '.join(STATUSES)}")
    check_forms(values, where)
    return RunRecord(**values)


def _json_safe(value: Any) -> Any:
    """Replace NaN and infinity, which a diverged run has, by null. JSON cannot hold them."""
    if isinstance(value, Mapping):
        return {str(key): _json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_safe(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with writing(path), os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_record(path: str | Path, record: RunRecord | Mapping[str, Any]) -> None:
    """Write the record whole or not at all (temporary file, then rename). Raises ConfigError on a wrong schema."""
    values = _json_safe(asdict(record) if isinstance(record, RunRecord) else record)
    checked = check_record(values, str(path))
    _write_text(Path(path), json.dumps(asdict(checked), indent=1, sort_keys=True, allow_nan=False) + "\n")


def load_record(path: str | Path) -> RunRecord:
    """Read one record. Raises ConfigError for a missing, damaged or incomplete file."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        _check_depth(values)
    except RecursionError:
        raise ConfigError(f"record {path} is damaged (nested too deeply); delete it or repeat the run") from None
    except OSError as error:
        raise ConfigError(f"record {path} cannot be read ({error.strerror}); give a run folder's run.json") from None
    except ValueError as error:
        raise ConfigError(f"record {path} is damaged ({error}); delete it or repeat the run") from None
    if not isinstance(values, dict):
        raise ConfigError(f"record {path} is damaged (not a JSON object); delete it or repeat the run")
    return check_record(values, f"record {path}")


def _check_depth(values: object) -> None:
    """Raise RecursionError if the JSON is nested deeper than any record, before recursive code reads it."""
    level = [values]
    for _ in range(32):
        level = [item for node in level if isinstance(node, dict | list)
                 for item in (node.values() if isinstance(node, dict) else node)]  # fmt: skip
    if level:
        raise RecursionError


def load_records(folder: str | Path) -> list[RunRecord]:
    """Every record under `folder`: files named `run.json` or `<hash>-s<seed>.json`, in path order."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"records folder {folder} does not exist; give records=<folder of runs>")
    found = (path for path in folder.rglob("*.json") if path.name == "run.json" or KEPT_NAME.fullmatch(path.name))
    return [load_record(path) for path in sorted(found)]


def has_diverged(record: RunRecord) -> bool:
    """Whether a loss or weight became NaN or infinite. In records of older versions a loss of null means this."""
    lost = record.epochs > 0 and record.loss_last is None and record.status == "done"
    return lost or (record.error or "").startswith("NonFiniteLoss")


def keep(run_dir: str | Path, dest: str | Path = "results/records") -> Path:
    """Copy a run's record to `dest/<experiment or name>/<config_hash>-s<seed>.json` and return that path.

    A run that is still marked as running or that diverged is refused. Other failed or interrupted runs are kept.
    """
    record = load_record(Path(run_dir) / "run.json")
    if record.status == "running":
        raise ConfigError(f"run {run_dir} is still running (or was killed); let it end or resume it before keeping it")
    if has_diverged(record):
        raise ConfigError(
            f"run {run_dir} has diverged ({record.error or 'its loss is not finite'}): there is nothing to keep; lower "
            "optimizer.lr or set train.grad_clip, and train again"
        )
    target = Path(dest) / (record.experiment or record.name) / f"{record.config_hash}-s{record.seed}.json"
    write_record(target, record)
    return target
