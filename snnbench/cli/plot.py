"""draw runs, epoch by epoch: `snnbench plot run=runs/<name>/<hash>-s<seed>`, `snnbench plot run=<folder>,<folder>`

  snnbench plot run=<run folder>[,<run folder>...] [format=png|svg|pdf] [out=<file>]

One run: accuracy and loss by epoch, and each learnt time constant, delay or gate with one line per layer. The values
come from metrics.csv and parameters.csv, so a run that is still training can be plotted, too.
Several runs: accuracy and loss with one line per configuration. For several seeds the line is their mean, with a band
from minimum to maximum. The folder may contain `*` (in quotes): run='runs/lr/*'.
out     the file of the picture (default: plot.png in the run's folder, or in the common folder of several runs)
format  the format of the default file; with out=, the ending of the file decides
"""

from __future__ import annotations

import glob
import os
from pathlib import Path

from snnbench.cli.arguments import key_values
from snnbench.errors import ConfigError


def main(arguments: list[str]) -> int:
    given = key_values(arguments, {"run": "run folder[,run folder]", "out": "file", "format": "png|svg|pdf"})
    if "run" not in given:
        raise ConfigError("plot needs run=<run folder>, the folder that holds metrics.csv")
    if "format" in given and "out" in given:
        raise ConfigError("plot takes format= or out=, not both: a file that out= names has the format of its ending")
    from snnbench.tables.run_overlay import draw_overlay
    from snnbench.tables.run_plot import draw

    folders = _folders(given["run"])
    place = folders[0] if len(folders) == 1 else Path(os.path.commonpath([folder.absolute() for folder in folders]))
    out = Path(given.get("out", place / f"plot.{_format(given)}"))
    print(draw(folders[0], out) if len(folders) == 1 else draw_overlay(folders, out))
    return 0


def _folders(text: str) -> list[Path]:
    """The run folders in a comma-separated list. An entry with `*` stands for all matching run folders."""
    found: list[Path] = []
    for part in filter(None, text.split(",")):
        fitting = sorted(map(Path, glob.glob(part))) if "*" in part else [Path(part)]
        runs = [path for path in fitting if (path / "metrics.csv").is_file()] if "*" in part else fitting
        if not runs:
            raise ConfigError(f"run={part} fits no run folder, runs/<name>/<hash>-s<seed>, that holds a metrics.csv")
        found += runs
    if not found:
        raise ConfigError("run= is empty: give the folder of a run, runs/<name>/<hash>-s<seed>")
    return list(dict.fromkeys(found))


def _format(given: dict[str, str]) -> str:
    from snnbench.tables.canvas import FORMATS

    kind = given.get("format", FORMATS[0])
    if kind not in FORMATS:
        raise ConfigError(f"format={kind} must be one of {', '.join(FORMATS)}")
    return kind
