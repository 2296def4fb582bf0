"""Handling of Ctrl-C (SIGINT), SIGTERM and SIGHUP: a command ends in order and leaves a record at any point.

The first of these signals raises SystemExit(128 + its number) in the main thread; later ones change nothing, so that
the record of the end can be written. A signal that is ignored when the command starts stays ignored: a run under nohup
outlives its terminal.

Python sometimes swallows an exception that a handler raises (in a finaliser, or while a C extension is imported). So
the signal is also remembered: `check` raises again, and `stopped_by` names it when the command ends.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    owner = 0  # the process that installed the handlers; its forks inherit them
    depth = 0
    received: int | None = None
    held = False


@contextmanager
def obeyed() -> Iterator[None]:
    """Inside this context the signals raise SystemExit. Contexts nest. Outside the main thread it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.owner, _State.held = os.getpid(), False
    if _State.depth == 0:
        _State.received = None
    before = _install()
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
        for number, handler in before.items():
            signal.signal(number, handler)


def forget() -> None:
    """In a forked process: undo what `obeyed` did in the parent, so that the process begins like a new one."""
    for number in STOPS:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_DFL)
    _State.owner, _State.depth, _State.received, _State.held = 0, 0, None, False


def reinstall() -> None:
    """Inside `obeyed`: install the handlers again after another library has replaced them."""
    if _State.depth and threading.current_thread() is threading.main_thread():
        _install()


@contextmanager
def held() -> Iterator[None]:
    """Delay a first signal until the end of the block, so that a file is written whole."""
    before, _State.held = _State.received, True
    try:
        yield
    finally:
        _State.held = False
    if before is None:
        check()


def check() -> None:
    """Raise SystemExit if a signal asked this process to stop."""
    if _State.received is not None:
        raise SystemExit(128 + _State.received)


def stopped_by() -> str | None:
    """The name of the signal that asked this process to stop, or None."""
    return None if _State.received is None else signal.Signals(_State.received).name


def ending(error: BaseException) -> dict:
    """The status and the reason that the record of a run gets which `error` ended."""
    if stopped_by() is not None:
        return {"status": "interrupted", "error": f"stopped by {stopped_by()}"}
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return {"status": "interrupted", "error": "stopped by the user or the system"}
    return {"status": "failed", "error": f"{type(error).__name__}: {error}"}


def _install() -> dict:
    ours = [number for number in STOPS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    return {number: signal.signal(number, _stop) for number in ours}


def _stop(number: int, frame: object) -> None:
    if os.getpid() != _State.owner:  # a data worker between its fork and its own handlers
        os._exit(128 + number)
    if _State.received is None:
        _State.received = number
        if not _State.held:
            raise SystemExit(128 + number)
