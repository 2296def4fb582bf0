"""Measure the speed of `snnbench train` itself: training steps with data loader, augmentation, Lightning and records.

The whole program trains the network for a few epochs on files in CIFAR-10's format with random pixels. It reads them,
keeps them on the device and augments them as it does with the real files. The engine in the row is "trainer".
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from pathlib import Path

import numpy as np

from snnbench.bench.session import Session, guarded
from snnbench.bench.works import load_work, section
from snnbench.bench_rows import OK
from snnbench.config.compose import compose
from snnbench.data.sources import CIFAR10
from snnbench.records import load_record
from snnbench.train.launch import ALONE
from snnbench.train.plan import plan_run
from snnbench.train.run import train

ENGINE = "trainer"


def run_end_to_end(session: Session) -> None:
    """Every work of the section `end_to_end` of configs/bench.yaml, at the batch of the table; a row of bench.csv."""
    node = section("end_to_end", session.size)
    for name in node["works"]:
        if session.is_over:
            return
        work = load_work(name, session.size)
        overrides = [text for text in work.overrides if not text.startswith("data.shape")]  # the files have their own
        row = guarded(lambda: _trained(session, overrides, work.batch, node))  # noqa: B023
        half = session.device.type == "cuda"
        row |= {"precision": "bf16" if half else "fp32", "layout": "channels_last" if half else "contiguous"}
        row |= {"work": name, "engine": ENGINE, "mode": "captured" if half else "eager", "batch": work.batch}
        session.record("bench", row, f"{name} end to end, snnbench train")


def _trained(session: Session, overrides: list[str], batch: int, node: dict) -> dict:
    """The TIMING columns of a training run: its median rate without the first epoch, which compiles and captures."""
    with tempfile.TemporaryDirectory() as folder:
        sums = write_random_cifar(Path(folder) / "data", node["images"])
        settings = [f"paths.data={folder}/data", f"paths.runs={folder}/runs", "log.progress=off"]
        settings += [
            f"data.accept_md5=[{','.join(sums)}]",
            f"train.batch_size={batch}",
            f"train.epochs={node['epochs']}",
        ]
        settings += [f"train.accelerator={'gpu' if session.device.type == 'cuda' else 'cpu'}"]
        composed = compose([*overrides, *settings])
        train(plan_run(composed, ALONE, None))
        record = load_record(composed.identity.folder / "run.json")
    peak = record.peak_memory_mb if session.device.type == "cuda" else None
    return {
        "status": OK,
        "samples_per_s": record.train_samples_per_s,
        "ms_median": batch / record.train_samples_per_s * 1e3,
        "ms_p10": None,
        "ms_p90": None,
        "steps": node["images"] // batch * (node["epochs"] - 1),
        "peak_gib": peak and peak / 1024,
    }


def write_random_cifar(root: Path, images: int) -> list[str]:
    """Write CIFAR-10's files with random pixels, `images` for training and a fifth for the test; returns their MD5s."""
    rng, sums = np.random.default_rng(0), []
    for name, _ in CIFAR10.files:
        path, share = root / CIFAR10.folder / name, images // 5
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (share, 3 * 32 * 32), dtype=np.uint8)
        content = pickle.dumps({"data": pixels, "labels": (np.arange(share) % 10).tolist()}, protocol=2)
        path.write_bytes(content)
        sums.append(hashlib.md5(content).hexdigest())
    return sums
