"""Disjoint data splits, drawn from labels and a seed, and their hashes, which go into the record."""

from __future__ import annotations

import hashlib

import numpy as np

from snnbench.errors import ConfigError


def stratified_holdout(
    labels: np.ndarray, indices: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Take `fraction` of each class of `indices` away; returns (kept, held out), both sorted.

    Every class with at least two samples gives at least one and keeps at least one.

    Raises:
        ConfigError: a class has a single sample, so it cannot be in both parts.
    """
    if fraction == 0:
        return indices, indices[:0]
    rng = np.random.default_rng([seed, 20_000])
    held = []
    for label in np.unique(labels[indices]):
        members = indices[labels[indices] == label]
        if len(members) < 2:
            raise ConfigError(
                f"data.val_fraction={fraction} cannot be met: class {label} has a single training sample; use 0."
            )
        count = min(max(round(len(members) * fraction), 1), len(members) - 1)
        held.append(rng.permutation(members)[:count])
    held_out = np.sort(np.concatenate(held))
    return np.setdiff1d(indices, held_out), held_out


def index_hash(**parts: np.ndarray) -> str:
    """First 16 hex digits of the sha256 of named index arrays: the same on every platform."""
    digest = hashlib.sha256()
    for name, indices in sorted(parts.items()):
        digest.update(f"{name}:{len(indices)}:".encode())
        digest.update(np.ascontiguousarray(indices, dtype="<i8").tobytes())
    return digest.hexdigest()[:16]


def content_hash(*parts: bytes | str | np.ndarray) -> str:
    """First 16 hex digits of the sha256 of what identifies a data set's content."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        data = np.ascontiguousarray(data).tobytes() if isinstance(data, np.ndarray) else data
        digest.update(str(len(data)).encode() + b":" + data)
    return digest.hexdigest()[:16]
