"""Plot several runs in one picture: one line per configuration; several seeds give a mean with a band."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from snnbench.records import RunRecord, load_record
from snnbench.tables.canvas import finish, literal, panels, save
from snnbench.tables.run_plot import read_metrics, title_of
from snnbench.tables.settings import differences, words

PANELS = {  # column of metrics.csv -> label; a panel without values is left out
    "acc_test": "test accuracy (%)", "acc_val": "validation accuracy (%)", "acc_train": "training accuracy (%)",
    "loss_test": "test loss, cross entropy", "loss_val": "validation loss, cross entropy", "loss": "training loss",
}  # fmt: skip

Band = list[tuple[float, float, float, float]]  # epoch, mean, least, greatest


@dataclass
class Series:
    """The metrics of runs that differ only in their seed, and the label of their line."""

    label: str
    runs: list[dict[str, list[float]]]

    def band(self, column: str) -> Band:
        """The mean, least and greatest value of a column over the seeds, for the epochs that all seeds have."""
        runs = [
            {epoch: value for epoch, value in zip(run["epoch"], run[column]) if math.isfinite(value)}
            for run in self.runs
            if column in run
        ]
        epochs = sorted(set(runs[0]).intersection(*runs[1:])) if len(runs) == len(self.runs) else []
        values = [[run[epoch] for run in runs] for epoch in epochs]
        return [(epoch, sum(some) / len(some), min(some), max(some)) for epoch, some in zip(epochs, values)]


def draw_overlay(folders: list[Path], out: Path) -> Path:
    """Draw the runs in `folders` to the file `out` and return its path. After an error no partly written file remains.

    Raises:
        ConfigError: A folder has no run with a finished epoch, a CSV file is damaged, the format is unknown, or
            matplotlib is not installed.
    """
    series = read_series(folders)
    return save(lambda: _figure(series), out)


def read_series(folders: list[Path]) -> list[Series]:
    """The runs grouped by configuration, in the given order. A run without a record is labelled by its folder."""
    metrics = {folder: read_metrics(folder) for folder in folders}
    records = {folder: load_record(folder / "run.json") for folder in folders if (folder / "run.json").is_file()}
    by_recipe: dict[str, list[Path]] = {}
    for folder in folders:
        record = records.get(folder)
        by_recipe.setdefault(record.recipe_hash if record else str(folder), []).append(folder)
    firsts = [records[group[0]] for group in by_recipe.values() if group[0] in records]
    told = {id(record): words(found) for record, found in zip(firsts, differences(firsts))}
    names = {record.name for record in firsts}
    return [
        Series(_label(group, records.get(group[0]), told, len(names) > 1), [metrics[folder] for folder in group])
        for group in by_recipe.values()
    ]


def _label(folders: list[Path], record: RunRecord | None, told: dict[int, str], is_named: bool) -> str:
    if record is None:
        return folders[0].name
    settings = told[id(record)]
    label = " ".join(filter(None, (record.name if is_named or not settings else "", settings)))
    return f"{label} ({len(folders)} seeds)" if len(folders) > 1 else title_of(folders[0]) if not settings else label


def _figure(series: list[Series]):
    bands = {column: [one.band(column) for one in series] for column in PANELS}
    shown = {column: lines for column, lines in bands.items() if any(lines)}
    has_band = any(len(one.runs) > 1 for one in series)
    figure, axes = panels(
        len(shown), "lines: mean of the seeds; bands: from the least to the greatest" if has_band else ""
    )
    for axis, (column, lines) in zip(axes, shown.items()):
        for place, (one, line) in enumerate(zip(series, lines)):
            if line:
                epochs, mean, low, high = zip(*line)
                marker = "o" if len(epochs) == 1 else ""  # a line with one point is invisible
                axis.plot(epochs, mean, marker=marker, color=_colour(place), label=literal(one.label))
                axis.fill_between(epochs, low, high, color=_colour(place), alpha=0.2, linewidth=0)
        axis.set_ylabel(PANELS[column])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=1 if max(map(len, labels)) > 60 else 2)
    finish(axes)
    return figure


def _colour(place: int) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return f"C{place}" if place < 10 else to_hex(colormaps["tab20b"](place % 20))
