"""Handle output that can no longer be written: a closed pipe, a lost terminal, a full disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from snnbench.plain import CONTROL


class Unprinted(Exception):
    """The output could not be printed. The `__cause__` is the OSError."""


class Output:
    """A text stream that never raises OSError, because code that prints could mistake it for an error of its files.

    If `lasting`, text that cannot be printed is dropped. Otherwise the first failure raises Unprinted, and later text
    is dropped.
    """

    def __init__(self, stream: TextIO, lasting: bool):
        self._stream, self._lasting = stream, lasting

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def writelines(self, lines) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        drop(self._stream)
        if not self._lasting:
            raise Unprinted from error

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


@contextmanager
def guarded_output(lasting: bool) -> Iterator[None]:
    """Make stdout and stderr `Output` inside the block. Its end flushes them, so that no failure goes unnoticed."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Output(stream, lasting) for stream in before)
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout, sys.stderr = before


def open_missing() -> None:
    """Open the null device for standard streams that are closed (`>&-`).

    Otherwise the next file that the process opens would get descriptor 1, and printed text would end up in that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (stays open as long as the process lives)


def drop(stream: TextIO) -> None:
    """Discard the buffered text of `stream` and all text that is written to it later."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def tell(text: str) -> None:
    """Print one line to stderr if possible. Control characters, which a path may contain, are escaped."""
    line = CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)
