"""The jobs of a queue. Each job is a process that runs one command of snnbench and ends when the queue ends.

A job is forked from the queue's process, which has already imported torch and Lightning, so the job does not wait for
imports. The queue's process has not used CUDA, so the job can. Each job has its own log, signals and GPUs. Where a fork
could not continue (CUDA fails in a fork of a process that uses it, and so do system libraries outside Linux), the job
starts a new Python instead.

On Ctrl-C, SIGTERM or SIGHUP the queue sends SIGTERM to its jobs and waits until each has written its record, at most
LAST_WORDS_S. A killed queue can send nothing. Therefore the standard input of each job is a pipe whose other end only
the queue holds. The kernel closes that end when the queue dies, and the job then acts as on SIGTERM.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import multiprocessing
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path

from snnbench.train import signals

LAST_WORDS_S = 60.0  # seconds that a job has to end after SIGTERM before it is killed
LOOK_S = 0.05  # seconds between two checks whether a job has ended
FORK = multiprocessing.get_context("fork")
ANEW = (
    "import sys; from snnbench.cli.jobs import end_with_queue, run_program; end_with_queue(); run_program(sys.argv[1:])"
)


def preload(config: dict) -> None:
    """Import the modules that a training with this configuration needs, so that forked jobs already have them.

    Modules of plugins are not imported here: one that uses CUDA at import would make CUDA unusable in every fork.
    """
    if not _forks_go_on():
        return
    importlib.import_module("snnbench.train.run")
    for target in _targets(config):
        if target.startswith("snnbench."):
            with suppress(ImportError):  # the job itself reports the missing module
                importlib.import_module(target.rpartition(".")[0])


def start(arguments: list[str], log: Path, gpu: str | None) -> BaseProcess:
    """Start `snnbench <arguments>` as a job.

    Args:
        arguments: The words after `snnbench`.
        log: The file to which the job's output is appended.
        gpu: The job's CUDA_VISIBLE_DEVICES. None keeps the queue's own value.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        life = (arguments, file.fileno(), gpu, _lifeline(os.getpid()), _forks_go_on())
        process = FORK.Process(target=_be_job, args=life)
        process.start()
    return process


def end(processes: list[BaseProcess]) -> None:
    """Send SIGTERM to all jobs, wait until all have ended, and kill those that take longer than LAST_WORDS_S."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + LAST_WORDS_S
    while any(process.exitcode is None for process in processes) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    for process in processes:
        if process.exitcode is None:
            process.kill()
            process.join()


def end_with_queue() -> None:
    """Make this job send itself SIGTERM when the queue's process ends."""

    def watch() -> None:
        os.read(0, 1)  # returns when the queue has ended
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="queue", daemon=True).start()


def run_program(arguments: list[str]) -> None:
    """Run `snnbench <arguments>` in this process, as `python -m snnbench` does in a new one. Ends with SystemExit."""
    sys.argv = ["snnbench", *arguments]
    sys.modules.pop("snnbench.__main__", None)  # runpy would warn about a module that is already imported
    runpy.run_module("snnbench", run_name="__main__", alter_sys=True)


def _be_job(arguments: list[str], log: int, gpu: str | None, lifeline: tuple[int, int], goes_on: bool) -> None:
    """Turn the forked process into a job: redirect its streams, set its GPU, run its command."""
    for source, stream in ((lifeline[0], 0), (log, 1), (log, 2)):
        os.dup2(source, stream)
    for end_of_pipe in lifeline:
        os.close(end_of_pipe)
    signals.forget()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if not goes_on:
        os.execv(sys.executable, [sys.executable, "-c", ANEW, *arguments])
    gc.freeze()  # never look through the inherited objects for garbage: it takes time and copies shared pages
    sys.stdout, sys.stderr = (open(stream, "w", buffering=1, closefd=False) for stream in (1, 2))  # noqa: SIM115
    end_with_queue()
    atexit._clear()  # the exit handlers of the queue's process must not run in the job
    try:
        run_program(arguments)
    finally:
        atexit._run_exitfuncs()  # a fork does not run exit functions by itself, and W&B needs them


def _forks_go_on() -> bool:
    return sys.platform == "linux" and not ("torch" in sys.modules and sys.modules["torch"].cuda.is_initialized())


@cache
def _lifeline(queue: int) -> tuple[int, int]:
    """The pipe (read end, write end) whose write end the queue holds while it lives; each job closes its own copy."""
    return os.pipe()


def _targets(node: object) -> Iterator[str]:
    """Every `_target_` in a configuration."""
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
