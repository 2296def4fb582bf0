"""Synthetic run records for the table tests, and how the tests read a table."""

import csv
import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
REPORTED = ROOT / "results" / "reported"
WORDS = ("run_id", "config_hash", "recipe_hash")


def record(**changes) -> dict:
    values = {
        "run_id": "r0", "status": "done", "name": "demo", "seed": 0,
        "choices": {"data": "cifar10", "model": "csnn", "rule": "bptt"},
        "config": {"T": 4, "train": {"limit_train_batches": None}}, "config_hash": "c0ffee", "recipe_hash": "abc",
        "time_steps": 4, "data": {"name": "CIFAR10", "split": "official", "split_hash": "0123456789"},
        "device": {"name": "H100", "count": 1}, "epochs": 256, "epochs_planned": 256, "acc_last": 92.5,
        "acc_best_test": 93.0, "parameters": 17542026, "train_samples_per_s": 3000.0, "test_samples_per_s": 5000.0,
        "peak_memory_mb": 2000.0, "loss_last": 0.3, "firing_rates": {"a": 0.1, "b": 0.2}, "wall_time_s": 12.0,
        "operations": {"sop": 160.0, "sop_survey": 10.0, "energy_mj": 0.25},
    }  # fmt: skip
    return {key: _digest(value) if key in WORDS else value for key, value in (values | changes).items()}


def _digest(text: object) -> object:
    """A test may name a hash in words; a record holds letters and digits."""
    return text if not isinstance(text, str) or text.isalnum() else hashlib.sha256(text.encode()).hexdigest()[:10]


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))


def column(path: Path, heading: str) -> dict[tuple[str, str], str]:
    """A method's column of a survey table: (quantity, whose) -> cell."""
    return {(row["Quantity"], row["Whose"]): row[heading] for row in rows(path)}
