"""A lock on a run folder, so that only one command at a time trains in it. Torch-free.

The first process of a run holds a POSIX lock (fcntl) on the folder's file `.lock`, which says who holds it. The kernel
frees the lock when that process dies, also by kill -9, and data workers forked from it do not inherit it (a lock of
flock(2) would live on in them). Reading a run (eval, keep, plot, tables) takes no lock.

On NFS the lock holds between machines where the mount has locking, as NFSv4 and NFSv3 with lockd do; mounted with
`nolock` it holds on one machine only. A file system without locks gets a warning instead.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from snnbench.errors import ConfigError
from snnbench.train.launch import Launch
from snnbench.writing import writing

NAME = ".lock"
PATIENCE_S = 10.0  # a run that was told to end, e.g. by its killed grid, needs a moment
FIRST_S = 30.0  # seconds that the other processes of a launch wait for its first one


@contextmanager
def locked(folder: Path, launch: Launch) -> Iterator[None]:
    """Lock `folder` for this launch. Folders that were made for the lock and stayed empty are removed at the end.

    Raises:
        ConfigError: another process trains there, or the first process of this launch does not.
    """
    if launch.rank > 0:
        _wait_for_first(folder, launch)
        yield
        return
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    file = _acquire(folder)
    try:
        with writing(folder / NAME):
            file.truncate(0)
            file.write(f"{os.getpid()}\n{socket.gethostname()}\n{launch.name}\n".encode())
        yield
    finally:
        with suppress(
            OSError
        ):  # removed while the lock is held, so that a waiting process notices that its open file has no name any more
            (folder / NAME).unlink()
        file.close()
        with suppress(OSError):
            for place in made:
                place.rmdir()


def _acquire(folder: Path) -> BinaryIO:
    path, deadline = folder / NAME, time.monotonic() + PATIENCE_S
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("ab+", buffering=0)
        except FileNotFoundError:  # the previous holder has removed the folder
            continue
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                print(f"warning: {path} cannot be locked ({error.strerror}): start this run only once", file=sys.stderr)
            elif time.monotonic() > deadline:
                raise ConfigError(_refusal(folder, file)) from None
            else:
                file.close()
                time.sleep(0.1)
                continue
        if _is_still(path, file):
            return file
        file.close()


def _is_still(path: Path, file: BinaryIO) -> bool:
    """False if the previous holder removed the file after this process opened it and before it locked it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _refusal(folder: Path, file: BinaryIO) -> str:
    with file:
        file.seek(0)
        pid, host, *_ = [*file.read().decode().splitlines(), "?", "?"]
    return (
        f"another process trains in {folder} (pid {pid} on {host}): let it end or stop it, and the same command goes "
        "on from there; seed=<another> or name=<another> is a run of its own"
    )


def _wait_for_first(folder: Path, launch: Launch) -> None:
    deadline = time.monotonic() + FIRST_S
    while time.monotonic() < deadline:
        with suppress(OSError):
            if (folder / NAME).read_text().splitlines()[-1:] == [launch.name]:
                return
        time.sleep(0.1)
    raise ConfigError(
        f"process {launch.rank} of {launch.processes}: the first process does not train in {folder}; all processes of "
        "one torchrun or srun are one run and need the same command (runs of their own: srun --ntasks=1, or -m)"
    )
