"""The description of a data set to download: its archives, files and folder, and the command that prepares it.

This module imports nothing heavy.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from snnbench.errors import ConfigError


class MissingData(ConfigError):
    """The files of a data set are not there, or not all of them."""


def default_root() -> str:
    """The default folder of all data sets, for `paths.data` and `snnbench data prepare`."""
    return os.environ.get("SNNBENCH_DATA", "data")


def prepare_command(name: str, root: str | Path, archives: str | Path | None = None) -> str:
    """The command `snnbench data prepare <name>` with those folders that differ from the defaults."""
    given = [] if str(root) == default_root() else [f"root={root}"]
    given += [f"archives={archives}"] if archives else []
    return shlex.join(["snnbench", "data", "prepare", name, *given])


@dataclass(frozen=True)
class Archive:
    """One file to download by hand. `into`: folder under the data root that its content goes to."""

    file: str
    md5: str
    url: str
    into: str


@dataclass(frozen=True)
class Source:
    """A data set on the web and its place under the data root."""

    name: str
    title: str
    folder: str  # what the loader looks for, relative to paths.data
    archives: tuple[Archive, ...] = ()
    files: tuple[tuple[str, str], ...] = ()  # (file, MD5) inside the folder, checked when they are read
    note: str = ""
    alternative: tuple[Archive, ...] = ()  # another release that is also accepted
    repacked: tuple[tuple[str, str], ...] = ()  # (file, MD5) of the same content compressed by somebody else

    def missing(self, root: str | Path, what: str = "") -> MissingData:
        """The one sentence for data that is not there."""
        place = Path(root) / self.folder
        return MissingData(
            f"{self.title} was not found: '{place}' {what or 'does not exist'}; "
            f"run `{prepare_command(self.name, root)}` to see what to download and where to put it, "
            "or set paths.data to the folder that holds it."
        )
