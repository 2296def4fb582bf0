"""Arrays on disk, in a folder named by a hash of the settings that they were made with.

A cache is a folder `<name>-<hash of the key>` with `.npy` files and a `manifest.json`. It is written under a temporary
name and renamed at the end, so a folder of the final name is complete. Other settings, such as another T, have another
folder, so old frames are never read by mistake. A folder is rebuilt if it has no manifest or was made from other source
files (source_files.py). It is refused if its files do not match the manifest, because something else has changed them.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from snnbench.data.files import unreadable
from snnbench.data.source_files import Fingerprint
from snnbench.errors import ConfigError

MANIFEST = "manifest.json"
BLOCK, BLOCKS = 65536, 64  # bytes in a block and blocks in a file that `spot_hash` reads

Arrays = dict[str, np.ndarray]


class ArrayCache:
    """Named arrays made once from `key`.

    Args:
        folder: The folder of this data set's caches.
        name: The readable beginning of the cache folder's name.
        key: All settings that the content depends on (versions, T, sizes), as JSON values.
        sources: The fingerprint of the source files. If they are missing it is None, and the cache is used unchecked.
    """

    def __init__(self, folder: str | Path, name: str, key: dict, sources: Fingerprint | None = None):
        text = json.dumps(key, sort_keys=True)
        self.key, self.sources = json.loads(text), sources
        self.path = Path(folder) / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def open(self) -> tuple[Arrays, dict] | None:
        """Return (memory-mapped arrays, manifest), or None if there is no valid cache.

        Raises:
            ConfigError: A file's size or content is not what the manifest says.
        """
        manifest = self._manifest()
        if manifest is None or not self._same_sources(manifest):
            return None
        arrays = {}
        for name, entry in manifest["arrays"].items():
            path = self.path / f"{name}.npy"
            try:
                if not path.is_file() or path.stat().st_size != entry["bytes"] or spot_hash(path) != entry["spots"]:
                    raise ConfigError(
                        f"The cache '{self.path}' is damaged ('{path.name}' is not what was written): "
                        "delete this folder, it is made again from the recordings."
                    )
                arrays[name] = np.load(path, mmap_mode="r")
            except OSError as error:
                raise unreadable(path, error) from error
        return arrays, manifest

    def open_or_build(self, build: Callable[[Path], dict]) -> tuple[Arrays, dict]:
        """Open the cache, or build it: `build(folder)` saves the `.npy` files and returns notes for the manifest.

        If two processes call this at once, the second waits for the first one's file lock. On file systems without
        locks both build the cache, and the one that is finished first is kept.
        """
        found = self.open()
        if found is not None:
            return found
        self._writable()
        with self._lock():
            found = self.open()
            if found is not None:
                return found
            draft = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex[:8]}.tmp")
            try:
                draft.mkdir()
                if self.sources is not None:
                    _ = self.sources.content  # before `build`: the next `open` notices later changes
                notes = build(draft)
                self._seal(draft, notes)
                self._publish(draft)
            except OSError as error:
                raise ConfigError(
                    f"Cannot write the cache '{self.path}' ({error.strerror or error}): make room, or set paths.data "
                    "to a folder on another disk."
                ) from error
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return self.open()

    def _manifest(self) -> dict | None:
        try:
            manifest = json.loads((self.path / MANIFEST).read_text())
        except (OSError, ValueError):
            return None
        whole = isinstance(manifest, dict) and {"content", "arrays"} <= manifest.keys()
        return manifest if whole and manifest.get("key") == self.key else None

    def _same_sources(self, manifest: dict) -> bool:
        """True if the cache was made from the present source files. They are read only if their stamp has changed.

        If only the stamp has changed, as after copying, the manifest gets the new stamp (unless it is read-only).
        """
        if self.sources is None or manifest.get("sources") == self.sources.stamp:
            return True
        if manifest.get("sources_content") != self.sources.content:
            return False
        with contextlib.suppress(OSError):
            self._write_manifest(self.path, manifest | {"sources": self.sources.stamp})
        return True

    def _writable(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file().touch()
        except OSError as error:
            raise ConfigError(
                f"Cannot write the cache folder '{self.path.parent}' ({error.strerror}): set paths.data to a folder "
                "that you may write to."
            ) from error

    def _lock_file(self) -> Path:
        return self.path.with_name(f".{self.path.name}.lock")

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with open(self._lock_file(), "w") as file:
            try:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
                for draft in self.path.parent.glob(".*.tmp"):
                    self._remove_if_left_over(draft)
            except (ImportError, OSError):
                pass
            yield

    def _remove_if_left_over(self, draft: Path) -> None:
        """Remove the draft of a killed process, for any cache here, if no process holds that cache's lock."""
        import fcntl

        of_cache = re.fullmatch(r"\.(.+-[0-9a-f]{16})\.[0-9a-f]{8}\.tmp", draft.name)
        if of_cache is None:
            return  # the folder belongs to another program
        if of_cache[1] == self.path.name:
            shutil.rmtree(draft, ignore_errors=True)
            return
        with contextlib.suppress(OSError), open(draft.with_name(f".{of_cache[1]}.lock"), "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(draft, ignore_errors=True)

    def _seal(self, draft: Path, notes: dict) -> None:
        entries, content = {}, hashlib.sha256()
        for path in sorted(draft.glob("*.npy")):
            whole = file_hash(path)
            content.update(f"{path.name}:{whole};".encode())
            entries[path.stem] = {"bytes": path.stat().st_size, "sha256": whole, "spots": spot_hash(path)}
        manifest = {"key": self.key, "content": content.hexdigest()[:16], "arrays": entries, "sources": None}
        if self.sources is not None:
            manifest |= {"sources": self.sources.stamp, "sources_content": self.sources.content}
        self._write_manifest(draft, manifest | notes)

    def _write_manifest(self, folder: Path, manifest: dict) -> None:
        written = folder / f".{MANIFEST}.{uuid.uuid4().hex[:8]}"
        with open(written, "w") as file:
            json.dump(manifest, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(written, folder / MANIFEST)

    def _publish(self, draft: Path) -> None:
        if self.path.exists() and self._manifest() is not None and self.open() is not None:
            return  # another process has published it already
        try:
            if self.path.exists():  # it is incomplete or outdated
                aside = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex[:8]}.tmp")
                os.rename(self.path, aside)
                shutil.rmtree(aside, ignore_errors=True)
            os.rename(draft, self.path)
        except OSError:  # without locks, another process may have published it meanwhile
            if self.open() is None:
                raise


def file_hash(path: Path) -> str:
    """The SHA-256 of the whole file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def spot_hash(path: Path) -> str:
    """The SHA-256 of up to 64 blocks of 64 KiB, spread evenly over the file, so at most 4 MiB are read."""
    size, digest = path.stat().st_size, hashlib.sha256()
    starts = np.unique(np.linspace(0, max(size - BLOCK, 0), BLOCKS).astype(np.int64))
    with open(path, "rb") as file:
        for start in starts:
            file.seek(int(start))
            digest.update(file.read(BLOCK))
    return digest.hexdigest()
