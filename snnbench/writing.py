"""Write files so that an error of the operating system names the file. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Add the name of `path` to errors inside the block. Python names it if opening fails, but not if writing does."""
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
    """Write `text` to `path` in one step. If the file already holds this text, it is not touched.

    Raises:
        OSError: The file cannot be written. The error names it, and the old file stays intact.
    """
    if not path.exists() or path.read_bytes() != text.encode():
        with whole(path) as file:
            file.write_bytes(text.encode())
