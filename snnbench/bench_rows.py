"""The CSV files of the benchmark. Each row is written at once, so a killed benchmark loses nothing."""

from __future__ import annotations

import csv
import fcntl
import os
from pathlib import Path

from snnbench.errors import ConfigError
from snnbench.reading import csv_rows, is_number

# Columns that say when, where and with which code a row was measured. `run` is the id of the call of the bench; all
# rows of one call share it.
STAMP = (
    "run", "date", "commit", "dirty", "device", "size", "versions", "clock_mhz", "power_w", "temperature_c",
)  # fmt: skip
# Columns with the results of a measurement. The columns ms_* are milliseconds per step.
TIMING = (
    "status", "samples_per_s", "ms_median", "ms_p10", "ms_p90", "steps", "peak_gib", "first_step_s", "parameters",
    "sentence",
)  # fmt: skip
WAY = ("engine", "precision", "layout", "mode")

TABLE = (*STAMP, "work", *WAY, "batch", *TIMING, "goal", "ratio_to_goal", "model_tflop")
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
# Columns that must hold numbers: COUNTED in every row, MEASURED in every successful one (where a cell may be empty).
COUNTED = ("value", "time_steps", "power")
MEASURED = (
    "samples_per_s", "ms_median", "ms_p10", "ms_p90", "peak_gib", "first_step_s", "gb_per_s", "share_of_copy",
    "model_tflop",
)  # fmt: skip
OK = "ok"
REMEDY = "remove the damaged rows or move the file away"
BASELINE = "jit_lif"  # the baseline of the survey's ratios


def append(folder: Path, name: str, row: dict) -> None:
    """Add a row to `<folder>/<name>.csv`. A missing value becomes an empty cell.

    Several processes may write to the same file. Each locks the file while it writes.

    Raises:
        ConfigError: The file has different columns, because an older bench wrote it.
        ValueError: The row has a column that the file does not have.
    """
    columns = FILES[name]
    if unknown := set(row) - set(columns):
        raise ValueError(f"{name}.csv has no column {', '.join(sorted(unknown))}")
    path = folder / f"{name}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _check_header(path, columns)
    with path.open("a", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the lock lasts until the file is closed
        file.seek(0, os.SEEK_END)  # another process may have written the header since it was opened
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow({column: _text(row.get(column)) for column in columns})


def load(folder: Path, name: str) -> list[dict[str, str]]:
    """All rows, with cells as text. Empty without the file. Raises ConfigError for wrong columns or damaged rows."""
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
    """For each combination of values in the columns `keys`, the last row. Combinations keep their first order."""
    found: dict[tuple, dict[str, str]] = {}
    for row in rows:
        found[tuple(row[key] for key in keys)] = row
    return list(found.values())


def of_one_run(rows: list[dict[str, str]], subject: tuple[str, ...], sides: str = "engine") -> list[dict[str, str]]:
    """The rows that may be compared: for each subject, the rows of one run.

    Two runs differ in commit, temperature and load of the machine, so a ratio between them has no meaning. The newest
    run that measured at least two `sides` of a subject counts, so a later run of only one engine changes no ratio. A
    side that this run did not measure is missing, because its older values are not comparable.

    Args:
        rows: The rows of one CSV, oldest first.
        subject: The columns that identify what is measured, e.g. device and work.
        sides: The column whose values are compared with each other, e.g. engine.
    """
    found: dict[tuple, dict[str, set[str]]] = {}
    for row in rows:
        runs = found.setdefault(tuple(row[key] for key in subject), {})
        runs.setdefault(row["run"], set()).add(row[sides])
    # of equal values max returns the first, so the newest run comes first
    chosen = {key: max(reversed(runs), key=lambda run: min(len(runs[run]), 2)) for key, runs in found.items()}
    return [row for row in rows if row["run"] == chosen[tuple(row[key] for key in subject)]]


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
