"""The processes of a grid. They end with the grid, however it ends.

Where the grid is told to end (Ctrl-C, SIGTERM, SIGHUP), it sends SIGTERM to its jobs and waits until each has written
its record. Where it is killed, it can send nothing: so each job's standard input is a pipe from the grid on which
nothing is ever sent. The kernel closes it when the grid dies, and the job that reads its end obeys as on SIGTERM.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from snnbench.config.compose import Composed
from snnbench.train import signals

IN_GRID = "SNNBENCH_IN_GRID"  # set in a grid's jobs: the end of their standard input is the end of the grid
LAST_WORDS_S = 60.0  # a job that has not ended so long after SIGTERM is killed

Job = tuple[list[str], Composed]


def run_jobs(jobs: list[Job], slots: list[str | None]) -> list[int]:
    """Run one job a slot at a time (a slot is a GPU's name, or None); returns the exit codes in the order of `jobs`."""
    codes: list[int] = [0] * len(jobs)
    free, waiting = list(slots), list(range(len(jobs)))
    running: dict[int, tuple[subprocess.Popen, str | None]] = {}
    try:
        while waiting or running:
            while waiting and free:
                gpu, number = free.pop(0), waiting.pop(0)
                with signals.held():  # what was started is known, so that it can be ended
                    running[number] = _start(jobs[number], gpu), gpu
            for number, (process, gpu) in list(running.items()):
                if process.poll() is not None:
                    codes[number] = process.returncode
                    free.append(gpu)
                    del running[number]
                    _report(jobs[number], process.returncode)
            time.sleep(0.05)
    finally:
        _end([process for process, _ in running.values()])
    return codes


def end_with_grid() -> None:
    """In a grid's job: obey the end of the grid as if it were SIGTERM. Anywhere else nothing happens."""
    if os.environ.pop(IN_GRID, None) is None:
        return

    def watch() -> None:
        os.read(0, 1)  # returns when the grid has gone
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="grid", daemon=True).start()


def _start(job: Job, gpu: str | None) -> subprocess.Popen:
    overrides, composed = job
    log = _log(composed)
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {IN_GRID: "1"} | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
    with log.open("a") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "snnbench", "train", *overrides],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,
        )


def _report(job: Job, code: int) -> None:
    overrides, composed = job
    lines = [line for line in _log(composed).read_text().splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("test accuracy")] if code == 0 else []
    last = (told or lines or [""])[-1]
    print(f"{'ok    ' if code == 0 else f'exit {code}'} {' '.join(overrides)}  {last}", flush=True)


def _log(composed: Composed) -> Path:
    run = composed.identity
    return Path(composed.config["paths"]["runs"]) / "logs" / f"{run.name.replace('/', '_')}-{run.run_id}.txt"


def _end(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + LAST_WORDS_S
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
