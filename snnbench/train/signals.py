"""How a command obeys Ctrl-C (SIGINT), SIGTERM and SIGHUP: it ends in order and leaves a record, wherever it is.

The first of these signals raises SystemExit(128 + its number) in the main thread; later ones change nothing, so that
the record of the end can be written. A signal that is ignored when the command starts stays ignored: a run under nohup
outlives its terminal.

An exception that comes from nowhere is sometimes swallowed (in a finaliser, in the import of a C extension). So the
signal is remembered too: `check` raises again, and `stopped_by` tells the end of a command why it failed.
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
    """Inside, the signals raise SystemExit. It may be nested; outside the main thread it does nothing."""
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
    """In a fork: undo what `obeyed` did in its parent, and begin as a new process does."""
    for number in STOPS:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_DFL)
    _State.owner, _State.depth, _State.received, _State.held = 0, 0, None, False


def reinstall() -> None:
    """Inside `obeyed`: undo what another library made of the handlers."""
    if _State.depth and threading.current_thread() is threading.main_thread():
        _install()


@contextmanager
def held() -> Iterator[None]:
    """Inside, a first signal waits until the end of the block: what must be written is written whole."""
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
    """Status and reason for the record of a run that `error` ended."""
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
