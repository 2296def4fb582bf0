"""A queue of snnbench commands for the slots of one host: one slot for each GPU, or a number of slots on a CPU.

Each slot runs one job at a time. A student waits for its teacher's run. A queue that is started again runs what is
missing and resumes interrupted runs, since `snnbench train` does so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from snnbench.cli import jobs
from snnbench.config.compose import Composed, compose
from snnbench.errors import ConfigError
from snnbench.records import RunRecord, load_record
from snnbench.train import signals
from snnbench.train.going_on import epochs_done


@dataclass
class Job:
    """A command of snnbench.

    Args:
        arguments: The command and its arguments.
        teacher: The run folder of the teacher that this job needs, or None.
        seconds: The expected duration; 0 if it is not known.
        seconds_after: For a teacher, the expected duration of its shortest student. Without time for that student,
            the teacher is not started.
        runs: The folder of all runs, or None to take it from the arguments or the defaults.
    """

    arguments: list[str]
    teacher: Path | None = None
    seconds: float = 0.0
    seconds_after: float = 0.0
    runs: str | None = None

    def __str__(self) -> str:
        return " ".join(self.arguments)

    @property
    def is_training(self) -> bool:
        return self.arguments[0] == "train"

    def overrides(self) -> list[str]:
        runs = [] if self.runs is None else [f"paths.runs={self.runs}"]
        return [*self.arguments[1:], *runs, *([] if self.teacher is None else [f"teacher.run={self.teacher}"])]

    def command(self) -> list[str]:
        return ["train", *self.overrides()] if self.is_training else self.arguments

    @cached_property
    def composed(self) -> Composed:
        """The configuration of a training. Raises ConfigError if it is invalid or its teacher is missing."""
        return compose(self.overrides())

    def folder(self) -> Path:
        """The run folder of a training. Raises ConfigError as `composed` does."""
        return self.composed.identity.folder

    def log(self) -> Path:
        """The file to which its output is written."""
        if not self.is_training:
            return Path(self.runs or "runs") / "logs" / f"{'_'.join(self.arguments).replace('/', '_')}.txt"
        run = self.composed.identity
        name = f"{run.name.replace('/', '_')}-{run.run_id}.txt"
        return Path(self.composed.config["paths"]["runs"]) / "logs" / name

    def record(self) -> RunRecord | None:
        """The record of a training that has started, or None if there is none or it cannot be read."""
        try:
            return load_record(self.folder() / "run.json")
        except (OSError, ConfigError):
            return None

    def seconds_left(self) -> float:
        """The expected seconds of the remaining epochs, plus those of a student that waits for this run."""
        record = self.record() if self.is_training else None
        planned = record.config["train"]["epochs"] if record else 1
        return self.seconds * (1 - (epochs_done(self.folder()) if record else 0) / planned) + self.seconds_after


class Queue:
    """The waiting jobs.

    Args:
        jobs: The jobs in the order in which they should start.
        deadline: A time in seconds since the epoch (`time.time`). A job that is expected to end later is not started.
            None starts every job.
        on_end: A function that is called with the run folder of each training that has ended well.

    The attribute `teachers` holds the run folders of unfinished trainings for which students may wait.
    """

    def __init__(self, jobs: list[Job], deadline: float | None = None, on_end: Callable[[Path], None] | None = None):
        self.jobs, self.deadline, self.on_end = list(jobs), deadline, on_end
        self.failed: list[Job] = []
        self.left_out: list[Job] = []
        has_students = any(job.teacher is not None for job in jobs)  # other commands are composed when their turn comes
        self.teachers = {job.folder() for job in jobs if has_students and job.is_training and job.teacher is None}
        self.too_long: set[Path] = set()  # teachers that were left out for lack of time, as are their students

    def take(self) -> Job | None:
        """The first job that can start. None if no job is left, or if all that are left wait for a teacher."""
        while (job := next((job for job in self.jobs if job.teacher not in self.teachers), None)) is not None:
            self.jobs.remove(job)
            try:
                if not self._leaves_out(job):
                    return job
            except ConfigError as error:  # the teacher failed
                print(f"{job}: {error}", file=sys.stderr)
                self.failed.append(job)
        return None

    def ended(self, job: Job, code: int) -> None:
        """Register that a job has ended with this exit code."""
        if job.is_training:
            self.teachers.discard(job.folder())
        try:
            if code == 0 and job.is_training and self.on_end is not None:
                self.on_end(job.folder())
        except ConfigError as error:
            print(f"{job}: {error}", file=sys.stderr)
            code = 1
        if code:
            self.failed.append(job)

    def _leaves_out(self, job: Job) -> bool:
        """Whether a job is left out since it would end after the deadline. Raises ConfigError if its teacher failed."""
        is_late = job.teacher in self.too_long
        if not is_late and job.is_training:
            job.folder()
        if not is_late and self.deadline is not None:
            is_late = time.time() + job.seconds_left() > self.deadline
        if is_late:
            self.left_out.append(job)
        if is_late and job.is_training and job.teacher is None:
            self.teachers.discard(job.folder())
            self.too_long.add(job.folder())
        return is_late


def run_queue(queue: Queue, slots: list[str | None]) -> None:
    """Run jobs until the queue is empty. A slot is a GPU's name, or None. No job outlives this call."""
    free, running = list(slots), {}
    try:
        while True:
            while free and (job := queue.take()) is not None:
                _prepare(job)
                with signals.held():  # a signal waits, so that every started job is known and can be ended
                    slot = free.pop(0)
                    running[jobs.start(job.command(), job.log(), slot)] = job, slot
            if not running:
                return
            time.sleep(jobs.LOOK_S)
            for process in [process for process in running if process.exitcode is not None]:
                job, slot = running.pop(process)
                free.append(slot)
                _report(job, process.exitcode)
                queue.ended(job, process.exitcode)
    finally:
        jobs.end(list(running))


def _prepare(job: Job) -> None:
    """Import torch before the job is forked, unless the job is already done and does not need it."""
    if job.is_training and not ((record := job.record()) and record.status == "done"):
        jobs.preload(job.composed.config)
        signals.check()  # an import may have caught the exception that a signal raised


def _report(job: Job, code: int) -> None:
    lines = [line for line in job.log().read_text(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("test accuracy")] if code == 0 else []
    last = (told or lines or [""])[-1]
    print(f"{'ok    ' if code == 0 else f'exit {code}'} {job}  {last}", flush=True)
