"""Read a CSV file that may be damaged or come from a stranger. Standard library only."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snnbench.errors import ConfigError


@contextmanager
def csv_rows(path: str | Path, remedy: str) -> Iterator[csv.DictReader]:
    """A reader of the rows of `path`, to be used inside the block.

    Raises:
        ConfigError: The file is no CSV in UTF-8. The message names the file and ends in `remedy`.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            yield csv.DictReader(file)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as a CSV file ({error}): {remedy}") from None


def is_number(text: str, whole: bool = False) -> bool:
    """Whether a cell of a CSV file holds a finite number, or with `whole` an integer."""
    try:
        return math.isfinite(int(text) if whole else float(text))
    except (ValueError, OverflowError):
        return False
