"""Kill runs at random points, resume them, and compare them bit by bit with an undisturbed run; start runs twice.

    python scripts/stress/kills.py [kills=40] [doubles=20] [seed=0] [folder=<where>] [key=value of the run ...]

Prints these counts and returns 1 if any run is lost or unequal or a traceback was printed:

    kills       signals (SIGKILL or SIGTERM) sent to a running process, each followed by a restart
    lost        runs that a restart did not finish, or whose record lacks epochs
    unequal     finished runs whose weights or accuracies differ from those of the undisturbed run
    tracebacks  outputs with a Python traceback, of killed processes and of restarts
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

RUN = [
    "model=spiking_resnet_tiny", "model.widths=[8,8,8]", "T=2", "neuron=lif_tet", "augment=crop_flip",
    "augment.crop_padding=1", "train.batch_size=120", "train.epochs=6", "train.accelerator=cpu", "data.num_workers=2",
    "measure.samples=16",
]  # fmt: skip
A_RUN_IS_KILLED = 4  # the most kills of one run; then it may finish
PATIENCE_S = 300


class Figures:
    def __init__(self) -> None:
        self.kills = self.doubles = self.lost = self.unequal = self.tracebacks = 0

    def look_at(self, output: str) -> None:
        if "Traceback" in output:
            self.tracebacks += 1
            print(output[output.index("Traceback") :][-3000:], flush=True)

    def __str__(self) -> str:
        return "  ".join(f"{name} {value}" for name, value in vars(self).items())


def main(arguments: list[str]) -> int:
    given = dict(text.split("=", 1) for text in arguments)
    kills, doubles = int(given.pop("kills", 40)), int(given.pop("doubles", 20))
    draw = random.Random(int(given.pop("seed", 0)))
    is_kept = "folder" in given
    root = Path(given.pop("folder", None) or tempfile.mkdtemp(prefix="kills."))
    run = [*RUN, *(f"{key}={value}" for key, value in given.items())]
    figures = Figures()

    began = time.monotonic()
    code, output = finish(start(run, root / "undisturbed"))
    life_s = time.monotonic() - began
    if code != 0:
        sys.exit(f"the undisturbed run failed ({code}):\n{output}")
    expected = result(root / "undisturbed")
    print(f"undisturbed: {life_s:.1f} s, in {root}", flush=True)

    for number in itertools.count():
        if figures.kills >= kills:
            break
        folder = root / f"killed-{number}"
        for _ in range(min(A_RUN_IS_KILLED, kills - figures.kills)):
            if not kill(start(run, folder), draw, life_s, figures):
                break
        compare(folder, expected, [finish(start(run, folder))], figures)
        print(figures, flush=True)
    for number in range(doubles):
        folder = root / f"double-{number}"
        first = start(run, folder)
        time.sleep(draw.choice([0.0, draw.uniform(0, life_s)]))
        second = start(run, folder)
        figures.doubles += 1
        compare(folder, expected, [finish(first), finish(second)], figures)
        print(figures, flush=True)
    is_good = not (figures.lost or figures.unequal or figures.tracebacks)
    print(f"{'good' if is_good else 'BAD'}: {figures}")
    if is_good and not is_kept:
        shutil.rmtree(root)
    return 0 if is_good else 1


def start(run: list[str], folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "snnbench", "train", *run, f"paths.runs={folder}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finish(process: subprocess.Popen) -> tuple[int, str]:
    output, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, output


def kill(process: subprocess.Popen, draw: random.Random, life_s: float, figures: Figures) -> bool:
    """Send SIGKILL or SIGTERM at a random time. Returns False if the run had already ended."""
    time.sleep(draw.uniform(0, life_s))
    number = draw.choice([signal.SIGKILL, signal.SIGTERM])
    is_alive = process.poll() is None
    if is_alive:
        process.send_signal(number)
        figures.kills += 1
    code, output = finish(process)
    figures.look_at(output)
    if code not in (0, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM):
        print(f"exit code {code} after {number.name}:\n{output[-2000:]}", flush=True)
        figures.lost += 1
    return is_alive


def compare(folder: Path, expected: tuple, ends: list[tuple[int, str]], figures: Figures) -> None:
    """Check the result. One of the starts must have finished the run; others may have been refused."""
    for _, output in ends:
        figures.look_at(output)
    codes = [code for code, _ in ends]
    refused = sum("another process trains in" in output for _, output in ends)
    if codes.count(0) + refused != len(ends) or 0 not in codes:
        print(f"exit codes {codes} in {folder}:\n{ends[-1][1][-2000:]}", flush=True)
        figures.lost += 1
        return
    weights, record, rows = result(folder)
    if record["status"] != "done" or rows != record["config"]["train"]["epochs"] or not record["firing_rates"]:
        print(f"the record of {folder} is {record['status']} with {rows} epochs", flush=True)
        figures.lost += 1
    same = weights.keys() == expected[0].keys() and all(torch.equal(weights[key], expected[0][key]) for key in weights)
    measured = ("acc_last", "acc_best_test", "loss_last", "firing_rates", "operations")
    if not same or any(record[key] != expected[1][key] for key in measured):
        print(f"unequal: {folder}", flush=True)
        figures.unequal += 1


def result(folder: Path) -> tuple[dict, dict, int]:
    """The weights, the record and the number of epochs in metrics.csv of the only run in `folder`."""
    (path,) = folder.rglob("run.json")
    weights = torch.load(path.parent / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    rows = len((path.parent / "metrics.csv").read_text().splitlines()) - 1
    return weights, json.loads(path.read_text()), rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
