"""Name the file in an error of the operating system. Standard library only."""

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
    """A file to write to inside the block; it becomes `path` at the end, or vanishes after an error."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        with writing(path):
            yield beside
            beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
