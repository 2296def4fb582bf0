"""Hand-downloaded archives: find, verify by MD5, unpack under a temporary name, rename."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from snnbench.data.drafts import draft_folder
from snnbench.data.extraction import extract
from snnbench.data.files import visible
from snnbench.data.source import Archive
from snnbench.errors import ConfigError


def find_archive(archive: Archive, folders: list[Path]) -> Path | None:
    """The first folder's file of that name."""
    return next((folder / archive.file for folder in folders if (folder / archive.file).is_file()), None)


def verify(path: Path, expected: str) -> None:
    """Raises ConfigError when the file is empty or its MD5 is not the published one."""
    if path.stat().st_size == 0:
        raise ConfigError(f"'{path}' is empty (0 bytes): the download failed; download it again in a browser.")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != expected:
        raise ConfigError(
            f"'{path}' has MD5 {found}, expected {expected}: it is incomplete or another file; download it again."
        )


def unpack(path: Path, target: Path) -> None:
    """Unpack a .zip, .tar or .tar.gz into `target`, which appears only when everything is out.

    One folder at the top of the archive is taken off, whatever its name.

    Raises:
        ConfigError: the archive cannot be read, holds what is no plain file, or holds nothing.
    """
    with draft_folder(target) as draft:
        extract(path, draft)
        inside = [Path(entry) for entry in visible(draft)]
        if not inside:
            raise ConfigError(f"'{path}' is an archive without files: download it again.")
        whole = inside[0] if len(inside) == 1 and inside[0].is_dir() else draft
        if target.is_dir():  # somebody made it by hand, or a file manager left a hidden file there
            for entry in target.iterdir():
                os.replace(entry, whole / entry.name)
            target.rmdir()
        os.rename(whole, target)
