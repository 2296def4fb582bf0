"""Writing files so that an error of the operating system names the file. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Around the writing of `path`: Python names the file when opening it fails, but not when writing to it does."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary file to write to. It is renamed to `path` at the end, or deleted after an error."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        with writing(path):
            yield beside
            beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_if_changed(path: Path, text: str) -> None:
    """Write `text` to `path` in one step, and leave the file alone where it holds this text already.

    Raises:
        OSError: the file cannot be written; the error names it, and the old file stays whole.
    """
    if not path.exists() or path.read_bytes() != text.encode():
        with whole(path) as file:
            file.write_bytes(text.encode())
