"""evaluate a trained network: `snnbench eval run=runs/<name>/<hash>-s<seed>`

  snnbench eval run=<run folder> [checkpoint=last|best|<file>]

Measures test accuracy, firing rates and operations again and writes eval.json beside run.json.
"""

from __future__ import annotations

from pathlib import Path

from snnbench.cli.arguments import key_values
from snnbench.config.errors import ConfigError
from snnbench.records import load_record


def main(arguments: list[str]) -> int:
    given = key_values(arguments, {"run": "run folder", "checkpoint": "last|best|file"})
    if "run" not in given:
        raise ConfigError("eval needs run=<run folder>, the folder that holds run.json")
    folder = Path(given["run"])
    record = load_record(folder / "run.json")
    name = given.get("checkpoint", "last")
    checkpoint = folder / "checkpoints" / f"{name}.ckpt" if name in ("last", "best") else Path(name)
    if not checkpoint.is_file():
        raise ConfigError(
            f"checkpoint={name}: {checkpoint} does not exist; the run may have ended before its first epoch did"
        )
    from snnbench.cli.train import _quiet

    _quiet()
    from snnbench.train.evaluate import evaluate

    print(evaluate(record, folder, checkpoint))
    return 0
