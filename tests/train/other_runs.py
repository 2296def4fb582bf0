"""Runs that another run builds on (its teacher, its start): copies with other records, and what is refused of them."""

import json
import shutil
from pathlib import Path

from tests.train.conftest import record


def edited(run: Path, place: Path, **changes: object) -> Path:
    """A copy of the run with other values in its record; `config__neuron` is the key neuron of its config."""
    folder = place / "copy"
    shutil.copytree(run, folder)
    found = record(folder)
    for key, value in changes.items():
        node, (*path, leaf) = found, key.split("__")
        for part in path:
            node = node[part]
        node[leaf] = value
    (folder / "run.json").write_text(json.dumps(found))
    return folder


def cut(run: Path, place: Path) -> Path:
    """A copy of the run whose last checkpoint is cut off."""
    path = edited(run, place) / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:-200])
    return place / "copy"


# What no run may build on: how its folder is made of a good run and a place, and a word of the sentence.
UNUSABLE = {
    "missing": (lambda run, place: place / "nowhere", "is no run folder"),
    "unfinished": (lambda run, place: edited(run, place, status="failed"), "not finished (its status is failed)"),
    "no checkpoint": (
        lambda run, place: shutil.rmtree(edited(run, place) / "checkpoints") or place / "copy", "last.ckpt does not",
    ),
    "cut off": (cut, "cannot be read as a checkpoint"),
    "damaged": (lambda run, place: edited(run, place, config={"T": 4}), "no configuration that can be run"),
}  # fmt: skip
