"""Damage a random file of a small data set, read the data set as `snnbench train` does, and count the outcomes.

    python scripts/stress/damaged_files.py [count=100] [seed=0]

Each case copies a data set in its real file format, damages one file and loads every batch. The result must be the
right data or one sentence that names the file. A traceback or a crash is a fault. Wrong data is a fault if the format
makes the damage detectable. Wrong data from flipped bytes is counted separately, because event files have no checksum.
The exit code is 1 if there are faults.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "data")]

import torch  # noqa: E402
from small_sets import EVENT_SETS, IMAGE_SETS  # noqa: E402

from snnbench.errors import ConfigError  # noqa: E402

SETS = EVENT_SETS | IMAGE_SETS
LIMIT_S = 60
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
OUTCOMES = ("right", "refused", "counted", "other", "wrong", "traceback", "crash")


# damages: each changes the file at `path` and returns whether it is detectable ----------------------------------------
def truncate(path: Path, rng: np.random.Generator) -> bool:
    raw = path.read_bytes()
    kept = raw[: int(rng.integers(1, len(raw)))]
    path.write_bytes(kept)
    return path.suffix == ".npy" or not _ends_between_events(path, raw, len(kept))


def _ends_between_events(path: Path, raw: bytes, size: int) -> bool:
    """Whether a cut cannot be detected: the file is a list of events without a count, or a text cut between lines."""
    if path.suffix == ".bin":
        return size % 5 == 0
    if path.suffix == ".aedat" and raw.startswith(b"#!AER-DAT2"):
        return (len(raw) - size) % 8 == 0
    if path.suffix == ".aedat":
        return (len(raw) - size) % (28 + 8 * 100) == 0  # the small data set has packets of 100 events
    return path.suffix in (".txt", ".csv") and size >= len(raw) - 1


def zero(path: Path, rng: np.random.Generator) -> bool:
    raw = bytearray(path.read_bytes())
    start = int(rng.integers(0, len(raw)))
    length = int(rng.integers(1, 2000))
    raw[start : start + length] = bytes(len(raw[start : start + length]))
    path.write_bytes(raw)
    return False


def flip(path: Path, rng: np.random.Generator) -> bool:
    raw = bytearray(path.read_bytes())
    for at in rng.integers(0, len(raw), int(rng.integers(1, 64))):
        raw[at] ^= int(rng.integers(1, 256))
    path.write_bytes(raw)
    return False


def flip_head(path: Path, rng: np.random.Generator) -> bool:
    raw = bytearray(path.read_bytes())
    for at in rng.integers(0, min(len(raw), 200), int(rng.integers(1, 8))):
        raw[at] ^= int(rng.integers(1, 256))
    path.write_bytes(raw)
    return False


def append(path: Path, rng: np.random.Generator) -> bool:
    path.write_bytes(path.read_bytes() + rng.bytes(int(rng.integers(1, 1000))))
    return False


def pointer(path: Path, rng: np.random.Generator) -> bool:
    path.write_bytes(POINTER)
    return True


def empty(path: Path, rng: np.random.Generator) -> bool:
    path.write_bytes(b"")
    return True


def html(path: Path, rng: np.random.Generator) -> bool:
    path.write_bytes(b"<!DOCTYPE html><html>" + b"503 Service Unavailable " * int(rng.integers(1, 50)) + b"</html>")
    return True


def rename(path: Path, rng: np.random.Generator) -> bool:
    forms = (f"{path.stem} (1){path.suffix}", f"._{path.name}", f"{path.name}.part", f"copy of {path.name}", "x")
    path.rename(path.with_name(forms[int(rng.integers(len(forms)))]))
    return path.suffix != ".JPEG"  # a folder of pictures has no list of its files


def double(path: Path, rng: np.random.Generator) -> bool:
    shutil.copy(path, path.with_name(f"{path.stem} (1){path.suffix}"))
    return path.suffix in (".bin", ".aedat", ".npy") and not (path.parent / "trials_to_test.txt").exists()


def hide(path: Path, rng: np.random.Generator) -> bool:
    """Add hidden system files beside the file. The data must still be read as before."""
    path.with_name(f"._{path.name}").write_bytes(rng.bytes(100))
    shutil.copytree(path.parent, path.parent / ".ipynb_checkpoints")
    return True


def dangling(path: Path, rng: np.random.Generator) -> bool:
    path.unlink()
    path.symlink_to("../../.git/annex/objects/gone" if rng.random() < 0.5 else "gone")
    return True


def folder(path: Path, rng: np.random.Generator) -> bool:
    path.unlink()
    path.mkdir()
    return True


DAMAGES = (truncate, zero, flip, flip_head, append, pointer, empty, html, rename, double, hide, dangling, folder)


# reading --------------------------------------------------------------------------------------------------------------
def read(name: str, root: Path) -> tuple[str, dict]:
    """A tuple of the digest of all batches of all splits, and the odd events in the record."""
    data, digest = SETS[name].read(root), hashlib.sha256()
    data.setup()
    for loader in (data.train_dataloader(), *data.val_dataloader()):
        for x, y in loader:
            digest.update(x.numpy().tobytes() + y.numpy().tobytes())
    return digest.hexdigest(), data.describe().get("odd_events", {})


def outcome(name: str, root: Path, clean: str, seen: bool) -> tuple[str, str]:
    """A tuple of the outcome (one of OUTCOMES) and the sentence or traceback."""
    try:
        with contextlib.redirect_stderr(None):
            found, odd = read(name, root)
    except ConfigError as error:
        text = str(error)
        return ("refused", text) if text.strip() and "\n" not in text else ("traceback", text)
    except BaseException:
        return "traceback", traceback.format_exc()
    if found == clean:
        return "right", ""
    if odd:
        return "counted", str(odd)
    return ("wrong", "other data, and nothing said so") if seen else ("other", "")


def in_child(*arguments) -> tuple[str, str]:
    """Run `outcome` in a separate process, because HDF5 can crash or hang on a damaged file."""
    back, there = os.pipe()
    if (child := os.fork()) == 0:
        signal.alarm(LIMIT_S)
        with os.fdopen(there, "wb") as pipe:
            pickle.dump(outcome(*arguments), pipe)
        os._exit(0)
    os.close(there)
    with os.fdopen(back, "rb") as pipe:
        raw = pipe.read()
    status = os.waitpid(child, 0)[1]
    return pickle.loads(raw) if raw and status == 0 else ("crash", f"signal {os.WTERMSIG(status)}")


def run(count: int, seed: int, work: Path) -> list[tuple[str, str, str, str, str]]:
    """(data set, damage, file, outcome, text) of each case. Data sets and damages take turns; files are random."""
    clean, cases = {}, []
    for name, small in SETS.items():
        small.write(work / "whole" / name)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        name = list(SETS)[number % len(SETS)]
        damage = DAMAGES[(number // len(SETS) + number) % len(DAMAGES)]
        root = work / str(number) / "data"
        shutil.copytree(work / "whole" / name, root)
        if name not in clean:
            shutil.copytree(root, work / "clean" / name)
            clean[name] = read(name, work / "clean" / name)[0]
        files = sorted(root.glob(SETS[name].files))
        path = files[int(rng.integers(len(files)))]
        seen = damage(path, rng)
        found, text = in_child(name, root, clean[name], seen)
        cases.append((name, damage.__name__, str(path.relative_to(root)), found, text))
        shutil.rmtree(work / str(number))
    return cases


def main() -> int:
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        cases = run(int(given.get("count", 100)), int(given.get("seed", 0)), Path(work))
    for name, damage, path, found, text in cases:
        if found in ("wrong", "traceback", "crash"):
            print(f"{found}: {damage} of {name}/{path}\n{text}\n")
    print(f"{'':<20}" + "".join(f"{kind:>10}" for kind in OUTCOMES))
    for label, index in (("damage", 1), ("data set", 0)):
        print(label)
        for value in dict.fromkeys(case[index] for case in cases):
            counts = Counter(case[3] for case in cases if case[index] == value)
            print(f"  {value:<18}" + "".join(f"{counts[kind]:>10}" for kind in OUTCOMES))
    total = Counter(case[3] for case in cases)
    print("all" + ", ".join(f" {kind} {total[kind]}" for kind in OUTCOMES))
    return int(total["wrong"] + total["traceback"] + total["crash"] > 0)


if __name__ == "__main__":
    sys.exit(main())
