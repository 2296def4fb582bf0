"""What lies in a data folder, without what file managers and notebooks leave there.

Hidden names (`._00002.bin`, `.DS_Store`, `.ipynb_checkpoints`) and system files are passed over. A link to nothing and
a second copy (`00008 (1).bin` beside `00008.bin`) are refused, since nobody meant them to be data.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from snnbench.errors import ConfigError

SYSTEM = ("thumbs.db", "desktop.ini", "__macosx", "lost+found", "$recycle.bin", "system volume information")
COPY = re.compile(r"( ?\(\d+\)| - [Cc]opy( ?\(\d+\))?| copy( \d+)?)(?=\.[^.]*$|$)")  # before the last extension


def is_junk(name: str) -> bool:
    """Whether a name is hidden or the system's own."""
    return name.startswith(".") or name.lower() in SYSTEM


def visible(folder: str | Path) -> list[os.DirEntry]:
    """The entries of `folder` that may be data, sorted by name.

    Raises:
        ConfigError: naming a link to nothing, or a second copy of another entry.
    """
    with os.scandir(folder) as scan:
        entries = sorted((entry for entry in scan if not is_junk(entry.name)), key=lambda entry: entry.name)
    names = {entry.name for entry in entries}
    for entry in entries:
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise ConfigError(f"'{entry.path}' is a link to a file that is not there: mend the link or remove it.")
        if (original := COPY.sub("", entry.name)) != entry.name and original in names:
            raise ConfigError(f"'{entry.path}' is a second copy of '{original}': remove it.")
    return entries
