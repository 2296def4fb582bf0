"""Plot one run: accuracy and loss by epoch, then one panel for each quantity that it learnt beside its weights.

The values come from metrics.csv and parameters.csv.
"""

from __future__ import annotations

import math
from pathlib import Path

from snnbench.errors import ConfigError
from snnbench.reading import csv_rows
from snnbench.records import load_record
from snnbench.tables.canvas import finish, panels, save

LEGEND = 16  # the largest number of layers in a legend; of more layers, evenly spaced ones are named
CURVES = {  # panel -> axis label, {column of metrics.csv: (name, line style)}
    "accuracy": ("accuracy (%)", {"acc_train": ("train", ":"), "acc_test": ("test", "-"), "acc_val": ("val", "--")}),
    "loss": ("loss", {"loss": ("train, the objective's", ":"), "loss_test": ("test, cross entropy", "-"),
                      "loss_val": ("val, cross entropy", "--")}),
}  # fmt: skip
Line = list[tuple[float, float, float, float]]  # epoch, mean, min, max


def draw(folder: Path, out: Path) -> Path:
    """Draw the run in `folder` to the file `out` and return its path. After an error no partly written file remains.

    Raises:
        ConfigError: The folder has no finished epoch, a CSV file is damaged, the format is unknown, or matplotlib is
            not installed.
    """
    metrics, learnt = read_metrics(folder), read_learnt(folder)
    return save(lambda: _figure(title_of(folder), metrics, learnt), out)


def read_metrics(folder: Path) -> dict[str, list[float]]:
    """Map each column to its values by epoch, NaN if missing. Raises ConfigError without a finished epoch."""
    path = folder / "metrics.csv"
    if not path.is_file():
        raise ConfigError(f"run={folder} holds no metrics.csv: give the folder of a run, runs/<name>/<hash>-s<seed>")
    rows = _rows(path, ["epoch", *(column for _, columns in CURVES.values() for column in columns)])
    if not rows:
        raise ConfigError(f"run={folder} has finished no epoch yet: {path} holds none; wait for the first")
    return {key: [_number(row[key], path) for row in rows] for key in rows[0]}


def read_learnt(folder: Path) -> dict[str, dict[str, Line]]:
    """Map quantity -> layer -> line, with layers in forward order. Empty if the network learns only weights."""
    path, found = folder / "parameters.csv", {}
    if path.is_file():
        for row in _rows(path, ["epoch", "layer", "name", "mean", "min", "max"]):
            values = tuple(_number(row[key], path) for key in ("epoch", "mean", "min", "max"))
            found.setdefault(row["name"], {}).setdefault(row["layer"], []).append(values)
    return found


def _rows(path: Path, needed: list[str]) -> list[dict[str, str]]:
    with csv_rows(path, "resume the run to write it anew") as reader:
        missing = [key for key in needed if key not in (reader.fieldnames or [])]
        if missing:
            raise ConfigError(f"{path} is damaged: column {missing[0]} is missing; resume the run to write it anew")
        return list(reader)


def _number(text: str | None, path: Path) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise ConfigError(f"{path} is damaged: '{text}' is no number; resume the run to write it anew") from None


def title_of(folder: Path) -> str:
    path = folder / "run.json"
    if not path.is_file():
        return folder.name
    record = load_record(path)
    return f"{record.name}, seed {record.seed}" + ("" if record.status == "done" else f" ({record.status})")


def _figure(title: str, metrics: dict[str, list[float]], learnt: dict[str, dict[str, Line]]):
    figure, axes = panels(len(CURVES) + len(learnt), title)
    for axis, (label, columns) in zip(axes, CURVES.values()):
        _curves(axis, label, metrics, columns)
    for axis, (name, layers) in zip(axes[len(CURVES) :], learnt.items()):
        _layers(axis, name, layers)
    finish(axes)
    return figure


def _curves(axis, label: str, metrics: dict[str, list[float]], columns: dict[str, tuple[str, str]]) -> None:
    for place, (column, (name, style)) in enumerate(columns.items()):
        points = [(x, y) for x, y in zip(metrics["epoch"], metrics[column]) if math.isfinite(y)]  # not all are tested
        if points:
            marker = "o" if len(points) == 1 else ""  # a line with one point is invisible
            axis.plot(*zip(*points), style, marker=marker, color=f"C{place}", label=name)
    axis.set_ylabel(label)
    axis.legend()


def _layers(axis, name: str, layers: dict[str, Line]) -> None:
    """Draw the mean of each layer, from the first (dark) to the last (bright), with a band from minimum to maximum."""
    from matplotlib import colormaps

    colours = colormaps["viridis"].resampled(256)
    step = math.ceil(len(layers) / LEGEND)
    for place, (layer, line) in enumerate(layers.items()):
        colour = colours(0.9 * place / max(len(layers) - 1, 1))
        epochs, mean, low, high = zip(*line)
        axis.fill_between(epochs, low, high, color=colour, alpha=0.6 / max(len(layers), 6), linewidth=0)
        axis.plot(epochs, mean, color=colour, linewidth=1.2, label=layer if place % step == 0 else None)
    axis.set_ylabel(f"{name}: mean, least to largest")
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))  # beside the panel, where it hides no line
