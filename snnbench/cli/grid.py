"""Grids: one job for each combination of the listed values, one process for each job, one GPU for each slot.

Separate processes share neither GPU memory nor random state, so a crash stops one job only. `snnbench train` skips a
run that is done, so starting a grid again runs what is missing.
"""

from __future__ import annotations

import itertools
import math
import os
import shutil
import subprocess
import sys

from snnbench.cli.queue import Job, Queue, run_queue
from snnbench.config.overrides import MOST_JOBS, parse, values_of
from snnbench.config.sources import require_named
from snnbench.errors import ConfigError
from snnbench.tables.ranking import ranking, records_in
from snnbench.train.launch import ALONE, launch


def run_grid(overrides: list[str], jobs: int | None) -> int:
    """Check the configuration of every job, then run the jobs. Returns 0 if all succeeded, else 1.

    Raises:
        ConfigError: The configuration of a job is wrong (then no job starts), or torchrun or srun started the grid.
    """
    if launch() != ALONE:
        raise ConfigError(
            f"-m under {launch().name.split()[0]} would start the grid in every process: start a grid without it"
        )
    grid = [Job(["train", *job]) for job in expand(overrides)]
    for job in grid:
        require_named(job.composed.config)
    gpus = visible_gpus()
    slots = [gpus[slot % len(gpus)] if gpus else None for slot in range(jobs or max(len(gpus), 1))]
    print(f"{len(grid)} jobs, {len(slots)} at once", flush=True)
    queue = Queue(grid)
    run_queue(queue, slots)
    for job in queue.failed:
        print(f"failed: {job}", file=sys.stderr)
    print(f"{len(grid) - len(queue.failed)} of {len(grid)} jobs done")
    for line in ranking(records_in(job.folder() for job in grid)):
        print(line)
    return 1 if queue.failed else 0


def expand(overrides: list[str]) -> list[list[str]]:
    """`["neuron=if,lif", "seed=range(2)"]` -> the override lists of four jobs, in the given order, without repeats."""
    choices = [
        [f"{override.get_key_element()}={value}" for value in values_of(override)]
        if override.is_sweep_override()
        else [text]
        for text, override in zip(overrides, parse(overrides))
    ]
    if math.prod(map(len, choices)) > MOST_JOBS:
        raise ConfigError(f"this grid has more than {MOST_JOBS} jobs: list fewer values, or start several grids")
    return [list(job) for job in dict.fromkeys(itertools.product(*choices))]


def visible_gpus() -> list[str]:
    """Names for CUDA_VISIBLE_DEVICES, read without importing torch."""
    if (listed := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in listed.split(",") if name]
    if shutil.which("nvidia-smi") is None:
        return []
    found = subprocess.run(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True)
    return found.stdout.split() if found.returncode == 0 else []
