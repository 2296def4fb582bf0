"""Handle output that can no longer be written: a closed pipe, a lost terminal, a full disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from snnbench.plain import CONTROL


class Unprinted(Exception):
    """The output could not be printed; the reason is its cause, an OSError."""


class Output:
    """A text stream that cannot fail by an OSError, which code on the way might take for one of its own.

    lasting: drop what cannot be printed; otherwise the first failure raises Unprinted. Either way the rest is dropped.
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
    """Inside, stdout and stderr are `Output`; at the end of the block all is printed, or it is known that it is not."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Output(stream, lasting) for stream in before)
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout, sys.stderr = before


def open_missing() -> None:
    """Give a process that was started without the standard streams (`>&-`) empty ones.

    Else the next file that it opens would be number 1, and whatever prints would write into that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (lives as long as the process)


def drop(stream: TextIO) -> None:
    """Send to nowhere what `stream` still holds and what is written to it later."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def tell(text: str) -> None:
    """Print to stderr if that is possible, in one line: a path may hold control characters, these are spelt out."""
    line = CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)
