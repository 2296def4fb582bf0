"""train a network: `snnbench train experiment=survey/cifar10_lif`, `snnbench train data=cifar10 model=sew_resnet18`

  snnbench train [-m] [--jobs N] [--show] [override ...]

An override is `axis=name` (see `snnbench list`) or `key=value` (e.g. train.epochs=20 neuron.tau=3 seed=1).
-m        values separated by commas make a grid: one process a job, one GPU a slot; finished jobs are skipped
--jobs N  with -m: run N jobs at once (default: the number of GPUs, 1 without)
--show    print the resolved configuration and stop
The run lies in <paths.runs>/<name>/<hash>-s<seed>/ with run.json, metrics.csv and checkpoints; starting it again
resumes it, or says that it is done. Several GPUs: torchrun --nproc-per-node 4 -m snnbench train ...
"""

from __future__ import annotations

import logging
import os
import sys
import warnings

from snnbench.cli.grid import run_grid
from snnbench.config import identity
from snnbench.config.compose import compose
from snnbench.config.errors import ConfigError
from snnbench.config.teacher import require_named
from snnbench.records import load_record


def main(arguments: list[str]) -> int:
    flags, overrides, jobs = _split(arguments)
    if "-m" in flags:
        return run_grid(overrides, jobs)
    composed = compose(overrides)
    if "--show" in flags:
        from omegaconf import OmegaConf

        print(OmegaConf.to_yaml(OmegaConf.create(composed.config)))
        return 0
    require_named(composed.config)
    folder = identity.run_dir(composed.config, composed.choices)
    if (folder / "run.json").exists() and load_record(folder / "run.json").status == "done":
        print(f"done already: {folder} (delete the folder to run it again)")
        return 0
    return _train(composed)


def _train(composed) -> int:
    _quiet()
    from snnbench.train.finite import NonFiniteLoss
    from snnbench.train.run import train

    try:
        folder = train(composed)
    except NonFiniteLoss as error:
        print(f"snnbench: {error}", file=sys.stderr)
        return 1
    except SystemExit:  # Lightning turns Ctrl-C into an exit of its own
        print("snnbench: interrupted; the same command resumes from the last finished epoch", file=sys.stderr)
        return 130
    if int(os.environ.get("RANK", 0)) == 0:
        record = load_record(folder / "run.json")
        chosen = record.acc_test_at_best_val
        chosen = "" if chosen is None else f", at the best validation epoch {chosen:.2f} %"
        best = f"best epoch {record.acc_best_test:.2f} %{chosen}"
        print(f"test accuracy {record.acc_last:.2f} % ({best})  {folder}/run.json")
    return 0


def _quiet() -> None:
    """Lightning's banners and advice are about other people's programs."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", message=".*(litlogger|does not have many workers|isinstance.treespec).*")


def _split(arguments: list[str]) -> tuple[set[str], list[str], int | None]:
    flags, overrides, jobs, rest = set(), [], None, iter(arguments)
    for text in rest:
        if text in ("-m", "--multirun", "--show"):
            flags.add("-m" if text == "--multirun" else text)
        elif text == "--jobs":
            value = next(rest, "")
            if not value.isdigit() or int(value) < 1:
                raise ConfigError(f"--jobs {value} must be a whole number >= 1")
            jobs = int(value)
        elif text.startswith("-"):
            raise ConfigError(f"'{text}' is no option: there are -m, --jobs N and --show")
        else:
            overrides.append(text)
    return flags, overrides, jobs
