"""The processes of a queue: each runs one command of snnbench, and each ends with the queue, however that ends.

A job is a fork of the queue's process, which has imported torch and Lightning but has not touched CUDA. So a job has a
process, a log, signals and GPUs of its own, and it does not wait for imports. Where a fork cannot go on (CUDA works in
no fork of a process that uses it, and the libraries of systems other than Linux often do not), it starts Python anew.

Where the queue is told to end (Ctrl-C, SIGTERM, SIGHUP), it sends SIGTERM to its jobs and waits until each has written
its record. Where it is killed, it can send nothing: so the standard input of every job is a pipe of which the queue
alone holds the other end, and on which nothing is ever sent. The kernel closes it when the queue dies, and a job that
reads its end obeys as on SIGTERM.
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

LAST_WORDS_S = 60.0  # a job that has not ended so long after SIGTERM is killed
LOOK_S = 0.05  # so often a queue looks whether a job has ended
FORK = multiprocessing.get_context("fork")
ANEW = (
    "import sys; from snnbench.cli.jobs import end_with_queue, run_program; end_with_queue(); run_program(sys.argv[1:])"
)


def preload(config: dict) -> None:
    """Import what a training with this configuration imports, so that the jobs find it there.

    Modules of plugins are left to the jobs: one that asks for CUDA when it is imported would spoil CUDA for every fork.
    """
    if not _forks_go_on():
        return
    importlib.import_module("snnbench.train.run")
    for target in _targets(config):
        if target.startswith("snnbench."):
            with suppress(ImportError):  # the job says what is missing
                importlib.import_module(target.rpartition(".")[0])


def start(arguments: list[str], log: Path, gpu: str | None) -> BaseProcess:
    """Start `snnbench <arguments>`; what it prints is appended to `log`. gpu: its CUDA_VISIBLE_DEVICES (None: ours)."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        life = (arguments, file.fileno(), gpu, _lifeline(os.getpid()), _forks_go_on())
        process = FORK.Process(target=_be_job, args=life)
        process.start()
    return process


def end(processes: list[BaseProcess]) -> None:
    """Send SIGTERM to all, wait until all have ended, and kill those that take longer than LAST_WORDS_S."""
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
    """In a job: from here on the end of the queue's process is obeyed as SIGTERM is."""

    def watch() -> None:
        os.read(0, 1)  # returns when the queue has gone
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="queue", daemon=True).start()


def run_program(arguments: list[str]) -> None:
    """Do in this process what `python -m snnbench <arguments>` does in a new one; ends with SystemExit."""
    sys.argv = ["snnbench", *arguments]
    sys.modules.pop("snnbench.__main__", None)  # there if the console script started the queue; runpy would warn
    runpy.run_module("snnbench", run_name="__main__", alter_sys=True)


def _be_job(arguments: list[str], log: int, gpu: str | None, lifeline: tuple[int, int], goes_on: bool) -> None:
    """The life of a job, in its own process."""
    for source, stream in ((lifeline[0], 0), (log, 1), (log, 2)):
        os.dup2(source, stream)
    for end_of_pipe in lifeline:
        os.close(end_of_pipe)
    signals.forget()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if not goes_on:
        os.execv(sys.executable, [sys.executable, "-c", ANEW, *arguments])
    gc.freeze()  # what the queue's process imported is never collected: looking through it takes time and copies pages
    sys.stdout, sys.stderr = (open(stream, "w", buffering=1, closefd=False) for stream in (1, 2))  # noqa: SIM115
    end_with_queue()
    atexit._clear()  # what the queue's process wants to be done at its end is not the job's
    try:
        run_program(arguments)
    finally:
        atexit._run_exitfuncs()  # a fork ends without it, and W&B waits for it


def _forks_go_on() -> bool:
    return sys.platform == "linux" and not ("torch" in sys.modules and sys.modules["torch"].cuda.is_initialized())


@cache
def _lifeline(queue: int) -> tuple[int, int]:
    """The pipe whose second end this queue's process holds for as long as it lives; each job closes its own copy."""
    return os.pipe()


def _targets(node: object) -> Iterator[str]:
    """Every `_target_` of a configuration."""
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
