"""Take the files out of a .zip, .tar or .tar.gz, and nothing else.

No published data set holds links, devices or names that leave its folder, so an archive that does is refused whole,
whatever the libraries below would do with it.
"""

from __future__ import annotations

import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from snnbench.errors import ConfigError


def extract(path: Path, folder: Path) -> None:
    """Extract the archive `path` into `folder`.

    Raises:
        ConfigError: naming the archive, and the member that is no plain file or folder inside it; or the archive is
            damaged, encrypted, or larger than the disk.
    """
    try:
        for _ in _members(path, folder):
            pass
    except ConfigError:
        raise
    except OSError as error:
        if error.errno is None:  # the libraries' own "not a gzip file" and the like
            raise _damaged(path, error) from None
        raise ConfigError(f"'{path}' cannot be unpacked to '{folder.parent}': {error.strerror}.") from None
    except Exception as error:  # zlib, lzma, struct and others on damaged bytes
        raise _damaged(path, error) from None


def _members(path: Path, folder: Path) -> Iterator[None]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _refuse_too_large(path, sum(info.file_size for info in infos), folder)
            for info in infos:
                kind = stat.S_IFMT(info.external_attr >> 16)
                _refuse_stranger(path, info.filename, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
                if info.flag_bits & 1:
                    raise ConfigError(f"'{path}' is encrypted: download the published archive.")
                yield archive.extract(info, folder)
    else:
        _refuse_too_large(path, path.stat().st_size, folder)
        with tarfile.open(path) as archive:
            for member in archive:
                _refuse_stranger(path, member.name, plain=member.isreg() or member.isdir())
                yield archive.extract(member, folder, filter="data")


def _refuse_stranger(path: Path, name: str, plain: bool) -> None:
    parts = name.replace("\\", "/").split("/")
    outside = parts[0] == "" or ".." in parts or re.match("[A-Za-z]:", name)
    if outside or not plain:
        what = "leads out of the folder" if outside else "is a link or a device"
        raise ConfigError(
            f"'{path}' holds '{_printable(name)}', which {what}: nothing was unpacked; download the published archive."
        )


def _refuse_too_large(path: Path, needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ConfigError(
            f"'{path}' unpacks to {needed / 1e9:.1f} GB but {free / 1e9:.1f} GB are free under '{folder.parent}': "
            "make room or give root= another disk."
        )


def _damaged(path: Path, error: Exception) -> ConfigError:
    reason = _printable(" ".join(str(error).split())) or type(error).__name__
    return ConfigError(f"'{path}' cannot be unpacked ({reason}): download it again.")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
