"""Suggest valid keys or names for an unknown one, as a clause for an error message."""

from __future__ import annotations

import difflib
import re

# Names that other programs use, and the key that has the same meaning here.
SYNONYMS = {
    "gpu": "train.devices", "gpus": "train.devices", "num_gpus": "train.devices", "device": "train.accelerator",
    "learning_rate": "optimizer.lr", "wd": "optimizer.weight_decay", "batch": "train.batch_size",
    "bs": "train.batch_size", "epoch": "train.epochs", "max_epochs": "train.epochs", "timesteps": "T",
    "time_steps": "T", "steps": "T", "t": "T", "dataset": "data", "threshold": "neuron.v_th", "vth": "neuron.v_th",
    "net": "model", "network": "model", "arch": "model", "loss": "objective", "optim": "optimizer",
    "scheduler": "schedule", "workers": "data.num_workers", "amp": "train.precision", "recipe": "experiment",
    "output": "paths.runs", "data_dir": "paths.data", "resume": "train.ckpt_path",
    "pretrained": "start.run", "finetune": "start.run", "init_from": "start.run",
}  # fmt: skip
SHOWN = 12


def nearest(wrong: str, candidates: list[str]) -> str:
    """Return "the nearest is X", "the nearest are X, Y" or, if no candidate is similar, "valid are ...".

    The first of these rules that finds a candidate decides: the last part of a dotted key is equal (lr: optimizer.lr);
    another program uses the name; a candidate begins with it (spikformer: spikformer_tiny, ...); the spelling is very
    similar; a candidate contains it; the spelling is roughly similar.
    """
    found = _near(wrong, candidates)
    if not found:
        return f"valid are {_listed(candidates)}"
    return f"the nearest {'is' if len(found) == 1 else 'are'} {_listed(found)}"


def _near(wrong: str, candidates: list[str]) -> list[str]:
    leaf = _leaf(wrong)
    if same := [c for c in candidates if leaf and _leaf(c).lower() == leaf.lower()]:
        return same
    if (meant := SYNONYMS.get(leaf.lower())) in candidates:
        return [meant]
    word = wrong.lower()
    if len(word) > 2 and (longer := [c for c in candidates if c.lower().startswith(word)]):
        return longer
    if close := difflib.get_close_matches(wrong, candidates, n=1, cutoff=0.8):
        return close
    leaves = {_leaf(c): c for c in reversed(candidates)}
    if len(leaf) > 2 and (close := difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.75)):
        return [leaves[close[0]]]
    if len(word) > 2 and (holding := [c for c in candidates if word in c.lower()]):
        return holding
    return [leaves[close] for close in difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.6)]


def _leaf(name: str) -> str:
    return re.split(r"[./]", name)[-1]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
