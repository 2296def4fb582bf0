"""Hidden draft folders that are renamed once complete, and the removal of drafts that a killed process left."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snnbench.errors import ConfigError


@contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """An empty hidden folder beside `target`, which the block fills and renames; afterwards it is gone.

    Raises:
        ConfigError: the place cannot be written.
    """
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"'{target.parent}' cannot be written ({error.strerror}): choose another folder.") from None
    lock = _lock(draft)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_left_over(target: Path) -> int:
    """Remove the drafts of `target` that no living process holds; returns their bytes."""
    removed = 0
    for draft in target.parent.glob(f".{target.name}.*.tmp"):
        lock = _lock(draft)
        if lock is None:
            continue  # another process fills it
        removed += sum(path.lstat().st_size for path in draft.rglob("*"))
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)
    return removed


def _lock(folder: Path) -> int | None:
    """An open file that holds the lock of `folder`; None where another process has it or locks do not exist.

    The lock ends with its process, however that dies.
    """
    try:
        import fcntl

        file = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file
