"""The texts that a run prints on the console: what it will train, and at the end its results."""

from __future__ import annotations

from pathlib import Path

from snnbench.config.compose import Composed
from snnbench.config.paths import shipped_dir
from snnbench.errors import ConfigError
from snnbench.records import RunRecord
from snnbench.tables.reported import Reported, load_reported
from snnbench.train.going_on import epochs_done


def opening(composed: Composed, checkpoint: Path | None) -> str:
    """The model, the data, the number of epochs, the folder, and whether the run resumes from a checkpoint."""
    config, choices = composed.config, composed.choices
    train, folder = config["train"], composed.identity.folder
    how = choices.get("method") or choices["rule"]
    parts = ", ".join(f"{axis} {choices[axis]}" for axis in ("neuron", "norm", "objective"))
    recipe = f"recipe {choices['experiment']}: " if choices.get("experiment") else ""
    if train["ckpt_path"]:
        length = f"going on from {checkpoint}, {train['epochs']} epochs in all"
    elif checkpoint is not None and (done := epochs_done(folder)):
        length = f"resuming after epoch {done} of {train['epochs']}"
    else:
        length = f"{train['epochs']} {'epoch' if train['epochs'] == 1 else 'epochs'}"
    return (
        f"{recipe}{choices['model']} on {choices['data']} by {how}\n"
        f"  {parts}, T {config['T']}, batches of {train['batch_size']}, seed {config['seed']}\n"
        f"  {length}, into {folder}"
    )


def closing(record: RunRecord, folder: Path) -> str:
    """The accuracy and the published one, firing rates, operations, time, warnings about layers, and next commands."""
    lines = [*_accuracy(record), *_published(record), _cost(record)]
    lines += [f"warning: {sentence}" for sentence in record.warnings]
    lines += [
        f"{folder}/run.json has all results. Next:",
        f"  snnbench plot run={folder}",
        f"  snnbench keep run={folder}",
        f"  snnbench tables records={record.config['paths']['runs']} out={record.config['paths']['runs']}/tables",
    ]
    return "\n".join(line for line in lines if line)


def _accuracy(record: RunRecord) -> list[str]:
    if record.acc_last is None:
        return ["test accuracy: not measured"]
    text = f"test accuracy {record.acc_last:.2f} % "
    text += f"(best epoch {record.acc_best_test:.2f} %, epoch {record.best_test_epoch})"
    if record.acc_test_at_best_val is not None:
        text += f", {record.acc_test_at_best_val:.2f} % at the best validation epoch"
    if record.acc_mirrored is not None:
        text += f"; {record.acc_mirrored:.2f} % with mirrored images too"
    return [text]


def _published(record: RunRecord) -> list[str]:
    """The published row that the recipe reproduces, and the difference of this run from it."""
    row = _row(record.reproduces)
    if row is None or record.acc_best_test is None or row.quantity != "top1":
        return []
    text = f"published {row.value} % ({row.id}{'' if row.is_verified else ', not verified'})"
    text += f", difference of the best epoch {record.acc_best_test - row.number:+.2f}"
    if record.epochs_planned and record.epochs < record.epochs_planned:
        text += f"; the recipe has {record.epochs_planned} epochs, this run {record.epochs}"
    if record.deviations:
        text += f"; changed here: {', '.join(record.deviations)}"
    return [text]


def _row(name: str | None) -> Reported | None:
    if name is None:
        return None
    try:
        return load_reported(shipped_dir() / "reported").get(name)
    except ConfigError:
        return None


def _cost(record: RunRecord) -> str:
    parts = []
    if (rate := record.mean_firing_rate()) is not None:
        parts.append(f"firing rate {rate:.3f}")
    if (sops := record.operations.get("sop")) is not None:
        parts.append(f"{sops:,.2f} M SOPs a sample")
    if record.train_samples_per_s:
        parts.append(f"{record.train_samples_per_s:,.0f} samples/s in training")
    if record.wall_time_s is not None:
        parts.append(f"{record.wall_time_s:,.0f} s in all")
    return ", ".join(parts)
