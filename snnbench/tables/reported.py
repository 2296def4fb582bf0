"""Read the published numbers in `results/reported/*.csv`. Each row has its source and whether it was verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from snnbench.errors import ConfigError
from snnbench.reading import csv_rows, is_number

COLUMNS = (
    "id", "key", "section", "title", "first_author", "venue", "year", "dataset", "architecture", "neuron", "T",
    "quantity", "unit", "value", "params_M", "source", "verified", "same_as",
)  # fmt: skip


@dataclass(frozen=True)
class Reported:
    """One published number. `value` keeps the printed digits. `same_as` is the id of the row that this one repeats."""

    id: str
    key: str
    section: str
    title: str
    first_author: str
    venue: str
    year: str
    dataset: str
    architecture: str
    neuron: str
    T: str
    quantity: str
    unit: str
    value: str
    params_M: str
    source: str
    verified: str
    same_as: str

    @property
    def number(self) -> float:
        return float(self.value)

    @property
    def is_verified(self) -> bool:
        return self.verified == "yes"

    @property
    def marked(self) -> str:
        """The value as printed, with † if it was not verified."""
        return self.value if self.is_verified else f"{self.value}†"

    def sort_key(self) -> tuple:
        return (self.year or "9999", self.key, self.architecture.lower(), int(self.T or 0), self.id)


def _check(row: Reported, where: str) -> None:
    for name, text in (("value", row.value), ("params_M", row.params_M or "0"), ("T", row.T or "0")):
        if not is_number(text, whole=name == "T"):
            raise ConfigError(f"{where}: {name} {text[:40]!r} of '{row.id}' is not a number; correct the row")
    if row.verified not in ("yes", "no"):
        raise ConfigError(f"{where}: verified is {row.verified!r} for '{row.id}' but must be yes or no")
    if not row.id or not row.source:
        raise ConfigError(f"{where}: row '{row.id}' lacks an id or a source; every published number needs both")


def load_reported(folder: str | Path) -> dict[str, Reported]:
    """Every published row by id, in the order of the file names.

    Raises:
        ConfigError: A header or a value is wrong, or an id occurs twice.
    """
    rows: dict[str, Reported] = {}
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"folder of published numbers {folder} does not exist; give reported=<folder>")
    for path in sorted(folder.glob("*.csv")):
        with csv_rows(path, "save it as plain CSV in UTF-8") as reader:
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ConfigError(f"{path}: the header must be {','.join(COLUMNS)}")
            for line in reader:
                if None in line or None in line.values():
                    raise ConfigError(f"{path}, line {reader.line_num}: wrong number of cells; quote commas")
                row = Reported(**line)
                _check(row, f"{path}, line {reader.line_num}")
                if row.id in rows:
                    raise ConfigError(f"{path}, line {reader.line_num}: id '{row.id}' is there twice; make it unique")
                rows[row.id] = row
    for row in rows.values():
        if row.same_as and row.same_as not in rows:
            raise ConfigError(f"published row '{row.id}': same_as '{row.same_as}' names no row; correct it")
    return rows


def load_remarks(folder: str | Path) -> dict[str, list[str]]:
    """The sentences to print below each table: the lines of `<folder>/remarks/<table>.txt` without comments (`#`)."""
    remarks = {}
    for path in sorted(Path(folder).glob("remarks/*.txt")):
        lines = map(str.strip, path.read_text(encoding="utf-8").splitlines())
        remarks[path.stem] = [line for line in lines if line and not line.startswith("#")]
    return remarks
