"""Read files only if their MD5 is the published one or one that the user accepts."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from snnbench.data.files import read_bytes
from snnbench.data.source import Source, prepare_command
from snnbench.data.splits import content_hash
from snnbench.errors import ConfigError


@dataclass
class VerifiedFiles:
    """The files of a source below `root`, read whole.

    accepted: MD5s that are read although nobody published them (data.accept_md5). others: {file: its MD5} of the files
    read so far that are such copies.
    """

    source: Source
    root: str
    accepted: list[str]
    others: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for md5 in self.accepted:
            if not re.fullmatch("[0-9a-f]{32}", md5):
                raise ConfigError(f"data.accept_md5=[{md5}] must be MD5 sums: 32 digits of 0-9 and a-f each.")

    def path(self, name: str) -> Path:
        return Path(self.root) / self.source.folder / name

    def read(self, name: str) -> bytes:
        """Raises ConfigError: the file is missing, or its MD5 is neither published nor accepted."""
        path = self.path(name)
        if not path.is_file():
            raise self.source.missing(self.root, f"has no file '{name}'" if path.parent.is_dir() else "")
        raw = read_bytes(path)
        found = _md5(raw)
        if self._published(name, found):
            return raw
        if found not in self.accepted:
            sums = {
                file: _md5(read_bytes(self.path(file))) for file, _ in self.source.files if self.path(file).is_file()
            }
            others = ",".join(md5 for file, md5 in sums.items() if not self._published(file, md5))
            raise ConfigError(
                f"'{path}' has MD5 {found}, expected {dict(self.source.files)[name]}: it is damaged or another copy; "
                f"put the published file there (`{prepare_command(self.source.name, self.root)}`) or, if you trust "
                f"this copy, set data.accept_md5=[{others}], which the record will say."
            )
        self.others[name] = found
        return raw

    def _published(self, name: str, md5: str) -> bool:
        return md5 in (dict(self.source.files)[name], dict(self.source.repacked).get(name))

    def content(self) -> str:
        """The content's hash: that of the published files, unless others were read."""
        return content_hash(*[self.others.get(name, md5) for name, md5 in self.source.files])

    def note(self) -> dict:
        """What the record says of copies: nothing where every file is the published one."""
        return {"other_md5": dict(self.others)} if self.others else {}


def _md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()
