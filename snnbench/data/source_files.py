"""Fingerprints by which a cache recognises its source files: quick from metadata, sure from content."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from snnbench.data.files import unreadable
from snnbench.errors import ConfigError

MUCH = 1 << 30  # bytes; reading more is announced


@dataclass(frozen=True)
class Fingerprint:
    """Of source files. Equal stamps mean equal content; other stamps only mean that the content must be looked at.

    Args:
        stamp: changes whenever a file is written, also if its size and its time of modification are put back.
        digest: reads the files.
    """

    stamp: str
    digest: Callable[[], str]

    @cached_property
    def content(self) -> str:
        """What `digest` finds, read once."""
        return self.digest()


def fingerprint(folder: Path, paths: list[Path]) -> Fingerprint:
    """Of the files at `paths` below `folder`; opens none of them before the content is asked for.

    The stamp holds names, sizes, times of modification and times of change. `cp -p`, `rsync -a` and `touch` put back
    the time of modification, but nothing puts back the time of change.

    Raises:
        ConfigError: a file is a dangling link, a folder, or may not be looked at.
    """
    stamp, size = hashlib.sha256(), 0
    for path in paths:
        try:
            about = os.stat(path)
        except OSError as error:
            raise unreadable(path, error) from error
        if not stat.S_ISREG(about.st_mode):
            raise ConfigError(f"'{path}' is no file: move it away and unpack the data again.")
        stamp.update(f"{path.relative_to(folder)}:{about.st_size}:{about.st_mtime_ns}:{about.st_ctime_ns};".encode())
        size += about.st_size
    return Fingerprint(stamp.hexdigest()[:16], lambda: _content(folder, paths, size))


def constant(content: str) -> Fingerprint:
    """Of data that lie in no file of the user; `content` identifies them."""
    return Fingerprint(content, lambda: content)


def _content(folder: Path, paths: list[Path], size: int) -> str:
    if size > MUCH:
        print(f"data: reading {size / 1e9:.1f} GB under '{folder}' to see whether they changed", file=sys.stderr)
    digest = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(path, error) from error
        digest.update(f"{path.relative_to(folder)}:{whole};".encode())
    return digest.hexdigest()[:16]
