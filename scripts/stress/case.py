"""A bad input: the command, the files that it finds, and the allowed outcomes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePath

FOLDER = None  # the content of a folder in `Case.files`


@dataclass(frozen=True)
class Case:
    """One bad input. With `refuse` the command must refuse it. Otherwise it may accept it and must then do its work.

    In `arguments` and `files`, `{outside}` stands for a folder beside the working folder, and `{data}` for the folder
    of the small data sets. `files` is the content of the working folder, in which a text is the target of a link.
    `may_write` lists the folders, relative to the working folder, to which an accepted command may write.
    """

    name: str
    arguments: list[str]
    refuse: bool = True
    files: dict[str, bytes | str | None] = field(default_factory=dict)
    may_write: tuple[str, ...] = ("runs",)
    environment: dict[str, str] = field(default_factory=dict)

    def allows(self, path: str) -> bool:
        """Whether an accepted command may write `path`, which is relative to the sandbox."""
        folders = (os.path.normpath(f"work/{folder}") for folder in self.may_write)
        return any(PurePath(path).is_relative_to(folder) for folder in folders)

    def lay_out(self, sandbox: Path) -> None:
        for name, content in self.files.items():
            path = sandbox / "work" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is FOLDER:
                path.mkdir(exist_ok=True)
            elif isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content.replace(b"{outside}", str(sandbox / "outside").encode()))

    def command(self, sandbox: Path, data: Path) -> list[str]:
        places = {"{outside}": str(sandbox / "outside"), "{data}": str(data)}
        found = []
        for text in self.arguments:
            for mark, place in places.items():
                text = text.replace(mark, place)
            found.append(text)
        return found
