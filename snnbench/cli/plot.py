"""draw a run, epoch by epoch: `snnbench plot run=runs/<name>/<hash>-s<seed>`

  snnbench plot run=<run folder> [out=<file>.png|.svg]

Accuracy, loss and, where the network learns more than weights, each such quantity (a time constant, a delay, a gate)
with a line a layer, from metrics.csv and parameters.csv; also of a run that still trains.
out: the picture's file (default: <run folder>/plot.png).
"""

from __future__ import annotations

from pathlib import Path

from snnbench.cli.arguments import key_values
from snnbench.config.errors import ConfigError


def main(arguments: list[str]) -> int:
    given = key_values(arguments, {"run": "run folder", "out": "file.png|file.svg"})
    if "run" not in given:
        raise ConfigError("plot needs run=<run folder>, the folder that holds metrics.csv")
    from snnbench.tables.run_plot import draw

    folder = Path(given["run"])
    print(draw(folder, Path(given.get("out", folder / "plot.png"))))
    return 0
