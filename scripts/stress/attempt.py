"""Run one snnbench command in a separate folder. Note its exit code, output, files, and whether it ran hostile code."""

from __future__ import annotations

import contextlib
import io
import multiprocessing.process
import os
import pickle
import re
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

CANARY = "PWNED"  # the name of each file that hostile input tries to create
MEMORY = 12 * 2**30  # address space of a child in bytes: a network that is too large for it must be refused
PROCESSES = 8  # starting more processes fails
PROGRESS = re.compile(r"\w+: [\d,]+ of [\d,]+ recordings to frames")  # of a long conversion, on stderr


@dataclass
class Attempt:
    """The result of a command. `code` is the exit code, or None if it did not end by itself; `trace` then says why."""

    code: int | None
    out: str = ""
    err: str = ""
    trace: str = ""
    written: list[str] = field(default_factory=list)  # new or changed files and folders in the sandbox
    ran: list[str] = field(default_factory=list)  # the calls of os.system

    @property
    def is_one_sentence(self) -> bool:
        lines = [line for line in self.err.splitlines() if line.strip() and not PROGRESS.match(line)]
        return len(lines) == 1 and lines[0].startswith("snnbench: ")

    @property
    def ran_code(self) -> bool:
        return bool(self.ran) or any(CANARY in Path(path).name for path in self.written)


def make_sandbox(place: Path) -> Path:
    """Make the folders that a command may use: `work` (where it starts), `outside`, `home` and `tmp`."""
    for name in ("work", "outside", "home", "tmp"):
        (place / name).mkdir(parents=True)
    return place


def attempt(arguments: list[str], sandbox: Path, environment: dict[str, str] | None = None) -> Attempt:
    """Run `snnbench <arguments>` in this process, in `sandbox/work`."""
    from snnbench.cli.main import main

    found, out, err = Attempt(None), io.StringIO(), io.StringIO()
    before = _tree(sandbox)
    with _in(sandbox, environment or {}, found.ran), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            found.code = main(list(arguments))
        except SystemExit as error:
            found.code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            found.trace = traceback.format_exc()
    after = _tree(sandbox)
    found.written = sorted(path for path in after if after[path] != before.get(path))
    found.out, found.err = out.getvalue(), err.getvalue()
    return found


@contextlib.contextmanager
def _in(sandbox: Path, environment: dict[str, str], ran: list[str]) -> Iterator[None]:
    def record(command):
        ran.append(str(command))
        return 1

    named = {"HOME": str(sandbox / "home"), "TMPDIR": str(sandbox / "tmp"), **environment}
    with (
        contextlib.chdir(sandbox / "work"),
        mock.patch.dict(os.environ, named),
        mock.patch.object(tempfile, "tempdir", str(sandbox / "tmp")),
        mock.patch.object(os, "system", record),
    ):
        yield


def _tree(sandbox: Path) -> dict[str, tuple]:
    """All files and folders in the sandbox except `tmp`, with the size and time of each file."""
    found = {}
    for path in sandbox.rglob("*"):
        relative = path.relative_to(sandbox).as_posix()
        if not relative.startswith("tmp/") or CANARY in relative:
            state = path.lstat()
            found[relative] = () if path.is_dir() else (state.st_size, state.st_mtime_ns)
    return found


def in_child(work: Callable[..., Attempt], *arguments, limit_s: float) -> Attempt:
    """Run `work(*arguments)` in a child process, which may crash, hang or ask for too much memory."""
    back, there = os.pipe()
    with tempfile.TemporaryFile() as noise:
        if (child := os.fork()) == 0:
            _be_child(work, arguments, there, noise)
        os.close(there)
        raw, status = _wait(child, back, limit_s)
        noise.seek(0)
        printed = noise.read().decode(errors="replace")
    if raw:
        found = pickle.loads(raw)
        found.err += printed
        return found
    how = "it went on for too long" if status is None else f"it died of status {status}"
    return Attempt(None, err=printed, trace=how)


def _be_child(work, arguments, there: int, noise) -> None:
    code = 1
    try:
        os.setsid()
        for stream in (1, 2):
            os.dup2(noise.fileno(), stream)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _limit_processes()
        found = work(*arguments)
        with os.fdopen(there, "wb") as pipe:
            pickle.dump(found, pipe)
        code = 0
    finally:
        os._exit(code)


def _limit_processes() -> None:
    start, started = multiprocessing.process.BaseProcess.start, []

    def limited(self):
        started.append(self)
        if len(started) > PROCESSES:
            raise BlockingIOError(11, "Resource temporarily unavailable")  # the message of the system
        return start(self)

    multiprocessing.process.BaseProcess.start = limited


def _wait(child: int, back: int, limit_s: float) -> tuple[bytes, int | None]:
    """The bytes that a child sent and its status, or (b"", None) for a child that had to be stopped."""
    end, raw = time.monotonic() + limit_s, b""
    os.set_blocking(back, False)
    with os.fdopen(back, "rb", buffering=0) as pipe:
        while time.monotonic() < end:
            raw += pipe.read() or b""
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                raw += pipe.read() or b""
                return raw, status
            time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return b"", None
