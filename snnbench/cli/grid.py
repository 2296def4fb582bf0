"""Grids: the product of all listed values, one process a job, one GPU a slot.

Separate processes share neither GPU memory nor random state, so a crash is one job's own affair. A job that is done is
skipped by `snnbench train` itself, so starting a grid again runs what is missing.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from snnbench.config import identity
from snnbench.config.compose import compose, parse
from snnbench.config.errors import ConfigError
from snnbench.config.teacher import require_named
from snnbench.tables.ranking import ranking, records_in


def run_grid(overrides: list[str], jobs: int | None) -> int:
    """Check every job's configuration, then run them. Returns 0 if all ended well, else 1.

    Raises:
        ConfigError: one of the jobs is misconfigured (then none is started), or torchrun started the grid.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise ConfigError("-m under torchrun would start the grid in every process: start a grid without torchrun")
    grid = expand(overrides)
    composed = [compose(job) for job in grid]
    for job in composed:
        require_named(job.config)
    gpus = visible_gpus()
    slots: SimpleQueue[str | None] = SimpleQueue()
    for slot in range(jobs or max(len(gpus), 1)):
        slots.put(gpus[slot % len(gpus)] if gpus else None)
    print(f"{len(grid)} jobs, {slots.qsize()} at once", flush=True)
    with ThreadPoolExecutor(slots.qsize()) as pool:
        codes = list(pool.map(lambda job: _run(job, slots), zip(grid, composed)))
    failed = [" ".join(job) for job, code in zip(grid, codes) if code]
    for job in failed:
        print(f"failed: {job}", file=sys.stderr)
    print(f"{len(grid) - len(failed)} of {len(grid)} jobs done")
    for line in ranking(records_in(identity.run_dir(job.config, job.choices) for job in composed)):
        print(line)
    return 1 if failed else 0


def expand(overrides: list[str]) -> list[list[str]]:
    """`["neuron=if,lif", "seed=range(2)"]` -> the four jobs' override lists, in the order given."""
    choices = [
        [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
        if override.is_sweep_override()
        else [text]
        for text, override in zip(overrides, parse(overrides))
    ]
    return [list(job) for job in itertools.product(*choices)]


def visible_gpus() -> list[str]:
    """Names for CUDA_VISIBLE_DEVICES, found without torch."""
    if (listed := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in listed.split(",") if name]
    if shutil.which("nvidia-smi") is None:
        return []
    found = subprocess.run(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True)
    return found.stdout.split() if found.returncode == 0 else []


def _run(job, slots: SimpleQueue) -> int:
    overrides, composed = job
    gpu = slots.get()
    try:
        log = (
            Path(composed.config["paths"]["runs"])
            / "logs"
            / (
                f"{identity.run_name(composed.config, composed.choices).replace('/', '_')}-"
                f"{identity.config_hash(composed.config)}-s{composed.config['seed']}.txt"
            )
        )
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ if gpu is None else os.environ | {"CUDA_VISIBLE_DEVICES": gpu}
        with log.open("a") as file:
            code = subprocess.run(
                [sys.executable, "-m", "snnbench", "train", *overrides],
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            ).returncode
        last = next((line for line in reversed(log.read_text().splitlines()) if line.strip()), "")
        print(f"{'ok    ' if code == 0 else f'exit {code}'} {' '.join(overrides)}  {last}", flush=True)
        return code
    finally:
        slots.put(gpu)
