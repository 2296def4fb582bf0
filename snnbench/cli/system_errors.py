"""Describe an error of the operating system in one sentence."""

from __future__ import annotations

import errno

REMEDIES = {
    errno.ENOSPC: "make room and start the same command again",
    errno.EDQUOT: "make room and start the same command again",
    errno.EACCES: "get the right to it or choose another place",
    errno.EPERM: "get the right to it or choose another place",
    errno.EROFS: "choose a place that can be written to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "a file is needed here",
    errno.ENOTDIR: "a part of this path is a file, where a folder is needed",
    errno.EEXIST: "a file is in the way of a folder of this name: move it away or choose another place",
    errno.ENOENT: "check the path",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ESTALE: "the network file system changed below it: start the same command again",
    errno.EIO: "the disk or its network failed: start the same command again",
}


def sentence(error: OSError) -> str:
    """One sentence with the path, the reason and a remedy."""
    # torch raises the error of a data-loading process again, with a whole traceback as its text
    reason = error.strerror or str(error).strip().splitlines()[-1] if str(error) else type(error).__name__
    places = [str(name) for name in (error.filename, error.filename2) if name is not None]
    remedy = REMEDIES.get(error.errno)
    return (f"{' -> '.join(places)}: " if places else "") + reason + (f" ({remedy})" if remedy else "")
