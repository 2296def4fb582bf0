"""Measurements as CSV: a row is on disk the moment it is measured, so a bench that is killed loses nothing."""

from __future__ import annotations

import csv
from pathlib import Path

from snnbench.errors import ConfigError
from snnbench.reading import csv_rows, is_number

# who, where, when
STAMP = ("date", "commit", "dirty", "device", "size", "versions", "clock_mhz", "power_w", "temperature_c")
# what a measurement gives; times are milliseconds a step
TIMING = (
    "status", "samples_per_s", "ms_median", "ms_p10", "ms_p90", "steps", "peak_gib", "first_step_s", "parameters",
    "sentence",
)  # fmt: skip
WAY = ("engine", "precision", "layout", "mode")

TABLE = (*STAMP, "work", *WAY, "batch", *TIMING, "goal", "ratio_to_goal")
KERNELS = (
    *STAMP, "kernel", *WAY, "shape", "bytes_per_element", "copy_gb_per_s", "gb_per_s", "share_of_copy", *TIMING,
)  # fmt: skip
SCALING = (*STAMP, "curve", "value", *WAY, "batch", *TIMING)
SURVEY_SPEED = (*STAMP, "neuron", *WAY, "time_steps", "power", "phase", *TIMING)
SURVEY_NETS = (*STAMP, "recipe", "reproduces", *WAY, "batch", "phase", *TIMING)
NEURONS = (*STAMP, "neuron", *WAY, "work", "batch", *TIMING)

FILES = {
    "bench": TABLE,
    "kernels": KERNELS,
    "scaling": SCALING,
    "survey_speed": SURVEY_SPEED,
    "survey_nets": SURVEY_NETS,
    "neurons": NEURONS,
}
# cells that must be numbers: of every row, and of a measurement (some are empty there)
COUNTED = ("value", "time_steps", "power")
MEASURED = (
    "samples_per_s", "ms_median", "ms_p10", "ms_p90", "peak_gib", "first_step_s", "gb_per_s", "share_of_copy",
)  # fmt: skip
OK = "ok"
REMEDY = "remove the damaged rows or move the file away"
BASELINE = "jit_lif"  # the engine that the survey divides by


def append(folder: Path, name: str, row: dict) -> None:
    """Add a row to `<folder>/<name>.csv`; a missing value is an empty cell.

    Raises:
        ConfigError: the file has other columns (an older bench wrote it).
        ValueError: the row has a column that the file does not know.
    """
    columns = FILES[name]
    if unknown := set(row) - set(columns):
        raise ValueError(f"{name}.csv has no column {', '.join(sorted(unknown))}")
    path = folder / f"{name}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _check_header(path, columns)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow({column: _text(row.get(column)) for column in columns})


def load(folder: Path, name: str) -> list[dict[str, str]]:
    """All rows, cells as text; empty if there is no such file. Raises ConfigError for other columns or damaged rows."""
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    _check_header(path, FILES[name])
    with csv_rows(path, REMEDY) as reader:
        rows = []
        for row in reader:
            _check_row(row, f"{path}, line {reader.line_num}")
            rows.append(row)
        return rows


def latest(rows: list[dict[str, str]], keys: tuple[str, ...]) -> list[dict[str, str]]:
    """The last row of each kind, a kind being what `keys` say; in the order in which kinds first appear."""
    found: dict[tuple, dict[str, str]] = {}
    for row in rows:
        found[tuple(row[key] for key in keys)] = row
    return list(found.values())


def number(row: dict[str, str] | None, column: str) -> float | None:
    """A cell as a number; None for an empty one or a measurement that failed."""
    return float(row[column]) if row and row["status"] == OK and row[column] else None


def _check_header(path: Path, columns: tuple[str, ...]) -> None:
    with csv_rows(path, REMEDY) as reader:
        header = reader.fieldnames
    if header is not None and tuple(header) != columns:
        raise ConfigError(f"{path} was written by another version of the bench: move it away or choose another out=")


def _check_row(row: dict[str, str], where: str) -> None:
    if None in row or None in row.values():
        raise ConfigError(f"{where}: wrong number of cells; {REMEDY}")
    needed = [*COUNTED, "ms_median", *filter(row.get, MEASURED)] if row["status"] == OK else COUNTED
    for column in needed:
        if column in row and not is_number(row[column], whole=column in COUNTED):
            kind = "a whole number" if column in COUNTED else "a finite number"
            raise ConfigError(f"{where}: {column} is '{row[column][:40]}' but must be {kind}; {REMEDY}")


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
