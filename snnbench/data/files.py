"""List and read files in data folders. System files are skipped; errors name the path, the reason and the remedy."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from snnbench.errors import ConfigError

CLUTTER = ("thumbs.db", "desktop.ini", "__macosx", "lost+found", "$recycle.bin", "system volume information")
COPY = re.compile(r"( ?\(\d+\)| - [Cc]opy( ?\(\d+\))?| copy( \d+)?)(?=\.[^.]*$|$)")  # before the last extension
POINTERS = {  # how the small text begins that stands for a large file which was not fetched
    b"version https://git-lfs.github.com/spec/": "a pointer of Git LFS: run `git lfs pull` in its folder",
    b"/annex/objects/": "a pointer of git-annex: run `git annex get .` in its folder",
}
HEAD = 4096


def visible(folder: str | Path) -> list[os.DirEntry]:
    """The entries of a folder that may be data, sorted by name; a folder that is not there has none.

    Names that begin with a dot (`._a.bin`, .ipynb_checkpoints) and the system's own are passed over.

    Raises:
        ConfigError: the folder may not be read, or holds a link to nothing, or a second copy of a file ("a (1).bin"
            beside "a.bin"), since nobody meant those to be data.
    """
    try:
        with os.scandir(folder) as scan:
            entries = sorted((entry for entry in scan if not _is_clutter(entry.name)), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise unreadable(folder, error) from error
    names = {entry.name for entry in entries}
    for entry in entries:
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise unreadable(entry.path, FileNotFoundError())
        if (original := COPY.sub("", entry.name)) != entry.name and original in names:
            raise ConfigError(f"'{entry.path}' is a second copy of '{original}': remove it.")
    return entries


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.lower() in CLUTTER


def numbered(entries: list[os.DirEntry], *suffixes: str) -> list[Path]:
    """The files of those suffixes, sorted by the number that their names end with.

    Raises:
        ConfigError: a name does not end with a number ("00008 (1).bin"), or two names with the same one.
    """
    found: dict[int, Path] = {}
    for path in map(Path, entries):
        if path.suffix not in suffixes:
            continue
        number = number_in(path)
        if number in found:
            raise ConfigError(f"'{path}' has the same number as '{found[number].name}' beside it: remove one of them.")
        found[number] = path
    return [found[number] for number in sorted(found)]


def number_in(path: Path) -> int:
    """The number that a file's name ends with: 12 in cifar10_cat_12.aedat."""
    digits = re.search(r"[0-9]{1,18}$", path.stem)
    if digits is None:
        raise ConfigError(f"'{path}' has a name that does not end with a number: remove it or give it its own name.")
    return int(digits[0])


def require_file(path: str | Path) -> bytes:
    """Begin of a file that can be read and holds something (4 KiB).

    Raises:
        ConfigError: with the path and the reason: a dangling link, a folder, no right to read, empty, a pointer text.
    """
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise ConfigError(f"'{path}' is {kind} where a file should be: move it away and unpack the data again.")
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise unreadable(path, error) from error
    if not head:
        raise ConfigError(f"'{path}' is empty (0 bytes): the copy or download failed; unpack or download it again.")
    for begin, what in POINTERS.items():
        if head.startswith(begin):
            raise ConfigError(f"'{path}' is not the data itself but {what}.")
    return head


def read_bytes(path: str | Path) -> bytes:
    """The whole content of a file; ConfigError as `require_file`."""
    require_file(path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def read_text(path: str | Path) -> str:
    """The whole content of a text file; ConfigError as `require_file`, or when it is no text."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"'{path}' is no text (byte {error.start}): it is damaged; unpack it again.") from error


def unreadable(path: str | Path, error: OSError) -> ConfigError:
    """The sentence for a file or folder that the system does not let us read."""
    if os.path.islink(path) and not os.path.exists(path):
        target = os.readlink(path)
        remedy = "run `git annex get .` in its folder" if "/annex/objects/" in target else "mend or remove the link"
        return ConfigError(f"'{path}' is a link to '{target}', which is not there: {remedy}.")
    if isinstance(error, PermissionError):
        return ConfigError(f"'{path}' may not be read by this user: change its permissions (chmod -R u+rX).")
    if isinstance(error, FileNotFoundError):
        return ConfigError(f"'{path}' is not there: unpack the data again.")
    reason = error.strerror or str(error) or type(error).__name__
    return ConfigError(f"'{path}' cannot be read ({reason}): check the disk, or unpack or copy the data again.")
