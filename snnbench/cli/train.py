"""train a network: `snnbench train experiment=survey/cifar10_lif`, `snnbench train data=cifar10 model=sew_resnet18`

  snnbench train [-m] [--jobs N] [--show] [override ...]

An override is `axis=name` (see `snnbench list`) or `key=value` (e.g. train.epochs=20 neuron.tau=3 seed=1).
-m        run a grid of all comma-separated values: one process per job, one job per GPU; finished jobs are skipped
--jobs N  with -m: run N jobs at once (default: the number of GPUs, or 1 without a GPU)
--show    print the resolved configuration and stop; with -m print the shared part and the differences of each job
The run writes run.json, metrics.csv and checkpoints to <paths.runs>/<name>/<hash>-s<seed>/. The same command resumes
it, or says that it is done. Several GPUs: torchrun --nproc-per-node 4 -m snnbench train ..., or under SLURM
srun --kill-on-bad-exit --ntasks-per-node 4 snnbench train ...
Ctrl-C, SIGTERM and SIGHUP stop a run or a grid cleanly. nohup keeps it running when its terminal closes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from snnbench.cli.grid import run_grid
from snnbench.cli.show import show
from snnbench.cli.summary import closing, opening
from snnbench.config.compose import Composed, compose
from snnbench.config.sources import require_named
from snnbench.errors import ConfigError
from snnbench.records import load_record
from snnbench.train.going_on import checkpoint_to_resume
from snnbench.train.launch import Launch, launch, refuse_processes
from snnbench.train.lock import locked


def main(arguments: list[str]) -> int:
    flags, overrides, jobs = _split(arguments)
    if "--show" in flags:
        show(overrides, is_grid="-m" in flags)
        return 0
    try:
        return run_grid(overrides, jobs) if "-m" in flags else _run(overrides)
    except SystemExit as stop:
        print("snnbench: interrupted; the same command continues the run", file=sys.stderr)
        return stop.code


def _run(overrides: list[str]) -> int:
    composed, here = compose(overrides), launch()
    require_named(composed.config)
    refuse_processes(here, composed.config, composed.choices)
    folder, is_first = composed.identity.folder, here.rank == 0
    if _is_done(folder, is_first):
        return 0
    with locked(folder, here):
        if _is_done(folder, is_first):
            return 0
        checkpoint = checkpoint_to_resume(composed)
        if composed.config["log"]["progress"] != "off" and is_first:
            print(opening(composed, checkpoint), flush=True)
        return _train(composed, here, checkpoint)


def _is_done(folder: Path, is_first: bool) -> bool:
    path = folder / "run.json"
    done = path.exists() and load_record(path).status == "done"
    if done and is_first:
        print(f"done already: {folder} (delete the folder to run it again)")
    return done


def _train(composed: Composed, here: Launch, checkpoint: Path | None) -> int:
    from snnbench.train.finite import NonFiniteLoss
    from snnbench.train.plan import plan_run
    from snnbench.train.run import train

    try:
        train(plan_run(composed, here, checkpoint))
    except NonFiniteLoss as error:
        print(f"snnbench: {error}", file=sys.stderr)
        return 1
    if here.rank == 0:
        folder = composed.identity.folder
        print(closing(load_record(folder / "run.json"), folder))
    return 0


def _split(arguments: list[str]) -> tuple[set[str], list[str], int | None]:
    flags, overrides, jobs, rest = set(), [], None, iter(arguments)
    for text in rest:
        if text in ("-m", "--multirun", "--show"):
            flags.add("-m" if text == "--multirun" else text)
        elif text == "--jobs":
            value = next(rest, "")
            if not value.isdecimal() or int(value) < 1:
                raise ConfigError(f"--jobs {value} must be a whole number >= 1")
            jobs = int(value)
        elif text.startswith("-"):
            raise ConfigError(f"'{text}' is no option: there are -m, --jobs N and --show")
        else:
            overrides.append(text)
    return flags, overrides, jobs
