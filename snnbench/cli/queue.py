"""A queue of snnbench commands that the GPUs of one host work through together.

Each GPU runs one job at a time. The next training starts its Python while the last epochs of the one before run, so
that no GPU waits for imports, and speeds in the records (medians over epochs) stay those of a run alone. Measurements
of the bench share their GPU with nothing. A student waits for its teacher's run. Started again, a queue runs what is
missing and resumes what was cut off.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.records import load_record

LEAD_S = 13.0  # what a training needs on such a machine until its first step


def runs_folder() -> str:
    """The folder of the runs: $RUNS, or runs."""
    return os.environ.get("RUNS", "runs")


@dataclass
class Job:
    """A command of snnbench.

    teacher: run folder of the teacher that it needs. seconds: what it is expected to take on one GPU (0: not known).
    seconds_after: what the shortest student that waits for it takes; without time for a student a teacher is no use.
    """

    arguments: list[str]
    teacher: Path | None = None
    seconds: float = 0.0
    seconds_after: float = 0.0
    runs: str = field(default_factory=runs_folder)

    def __str__(self) -> str:
        return " ".join(self.arguments)

    @property
    def is_training(self) -> bool:
        return self.arguments[0] == "train"

    def overrides(self) -> list[str]:
        given = [*self.arguments[1:], f"paths.runs={self.runs}"]
        return [*given, f"teacher.run={self.teacher}"] if self.teacher else given

    def command(self) -> list[str]:
        return ["train", *self.overrides()] if self.is_training else self.arguments

    def folder(self) -> Path:
        """The run folder of a training. Raises ConfigError where it does not compose, or its teacher is missing."""
        return compose(self.overrides()).identity.folder

    def seconds_left(self, folder: Path | None) -> float:
        """Of the expected seconds those that the epochs still to come take, and a student after them."""
        done, planned, _ = _progress(folder) if folder else (0, 1, 0.0)
        return self.seconds * (1 - done / planned) + self.seconds_after


class Queue:
    """Jobs that wait, shared by the threads of the GPUs.

    deadline: seconds since the epoch (`time.time`) by which a job of known length must be able to end, else it is not
    started; None starts everything. ended: called with the run folder of each training that has ended well.
    """

    def __init__(self, jobs: list[Job], deadline: float | None = None, ended: Callable[[Path], None] | None = None):
        self.jobs, self.deadline, self.on_end = list(jobs), deadline, ended
        self.failed: list[str] = []
        self.left_out: list[str] = []
        self.running: list[subprocess.Popen] = []
        self.closed = False
        self.lock = threading.Lock()
        self.teachers = {job.folder() for job in jobs if job.is_training and job.teacher is None}  # still to come
        self.too_long: set[Path | None] = set()  # teachers that were left out; their students are left out with them

    def take(self) -> tuple[Job, Path | None] | None:
        """The first job that can start and its run folder; waits while only students are left whose teacher trains."""
        while True:
            with self.lock:  # Hydra composes one configuration at a time
                if not self.jobs or self.closed:
                    return None
                job = next((job for job in self.jobs if job.teacher not in self.teachers), None)
                if job is not None:
                    self.jobs.remove(job)
                    if job.teacher is not None and job.teacher in self.too_long:
                        self.left_out.append(str(job))
                        continue
                    try:
                        folder = job.folder() if job.is_training else None
                    except ConfigError as error:  # the teacher failed
                        print(f"{job}: {error}", file=sys.stderr)
                        self.failed.append(str(job))
                        continue
                    if self.deadline is not None and time.time() + job.seconds_left(folder) > self.deadline:
                        self.left_out.append(str(job))
                        self.teachers.discard(folder)
                        self.too_long.add(folder)
                        continue
                    return job, folder
            time.sleep(0.5)

    def ended(self, job: Job, folder: Path | None, code: int) -> None:
        with self.lock:
            self.teachers.discard(folder)
            if code:
                self.failed.append(str(job))
            elif folder is not None and self.on_end is not None:
                self.on_end(folder)
        print(f"{'ok    ' if code == 0 else f'exit {code}'} {job}", flush=True)

    def close(self) -> None:
        """Start nothing more and stop what runs; a stopped training writes its record and can be resumed."""
        self.closed = True
        for process in self.running:
            if process.poll() is None:
                process.terminate()


def run_queue(queue: Queue, gpus: list[str | None]) -> None:
    """Work until the queue is empty; SIGTERM and Ctrl-C stop the jobs that run and return when they have ended."""
    threads = [threading.Thread(target=_work, args=(queue, gpu)) for gpu in gpus]
    before = {number: signal.signal(number, lambda *_: queue.close()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for thread in threads:
            thread.start()
        _wait(threads)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _work(queue: Queue, gpu: str | None) -> None:
    """One GPU's thread."""
    ending: list[threading.Thread] = []
    while (taken := queue.take()) is not None:
        job, folder = taken
        if not job.is_training:
            _wait(ending)
        process = _start(job, gpu)
        queue.running.append(process)
        thread = threading.Thread(target=lambda p=process, j=job, f=folder: queue.ended(j, f, p.wait()))
        thread.start()
        ending.append(thread)
        while process.poll() is None and not (folder and _ends_within(LEAD_S, folder)):
            time.sleep(0.3)
        if not job.is_training:
            _wait(ending)
    _wait(ending)


def _wait(threads: list[threading.Thread]) -> None:
    for thread in threads:
        while thread.is_alive():
            thread.join(0.5)  # in pieces, so that the main thread hears signals


def _start(job: Job, gpu: str | None) -> subprocess.Popen:
    name = "_".join(job.arguments).replace("experiment=", "").replace("/", "_")
    log = Path(job.runs) / "logs" / f"{name}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ if gpu is None else os.environ | {"CUDA_VISIBLE_DEVICES": gpu}
    with log.open("a") as file:
        command = [sys.executable, "-m", "snnbench", *job.command()]
        return subprocess.Popen(command, env=environment, stdout=file, stderr=file, stdin=subprocess.DEVNULL)


def _ends_within(seconds: float, folder: Path) -> bool:
    """Whether the training in this folder will be over by then, at the pace of its last epoch."""
    done, planned, pace = _progress(folder)
    if not done:
        return False  # it has not begun
    try:
        written = (folder / "metrics.csv").stat().st_mtime
    except OSError:
        return False
    return (planned - done) * pace - (time.time() - written) < seconds


def _progress(folder: Path) -> tuple[int, int, float]:
    """(epochs done, epochs planned, seconds of the last epoch) of the training in this folder; (0, 1, 0.0): none."""
    try:
        record, lines = load_record(folder / "run.json"), (folder / "metrics.csv").read_text().splitlines()
    except (OSError, ConfigError):
        return 0, 1, 0.0
    if len(lines) < 2:
        return 0, 1, 0.0
    last = dict(zip(lines[0].split(","), lines[-1].split(",")))
    return int(last["epoch"]), record.config["train"]["epochs"], float(last["seconds"])
