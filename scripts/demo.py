"""`make demo`: train four methods and three architectures on real scanned digits and print the table of results.

Each row of the Spiking ResNet has five runs: seed i uses fold i of the digits as its test set. Other rows have one run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from snnbench.cli.queue import Job, Queue, run_queue
from snnbench.records import load_records
from snnbench.tables.runs import runs_table
from snnbench.train import signals

RUNS = Path("runs/demo")
SINGLE = ("digits_dvs", "qkformer", "spikformer")  # the longest jobs first, because two run at once
FIVE_FOLDS = ("ottt", "stbp", "tdbn", "tet")
COLUMNS = ("Run", "Model", "Test acc last (%)", "Seeds", "Params", "Firing rate", "SOP (M)", "Energy (mJ)", "Seconds")


def main() -> int:
    started = time.perf_counter()
    os.environ["OMP_NUM_THREADS"] = "1"  # two jobs, one core each
    queue = Queue(jobs())
    try:
        with signals.obeyed():
            run_queue(queue, [None, None])
    except SystemExit as stop:
        return stop.code
    subprocess.run(
        [sys.executable, "-m", "snnbench", "tables", f"records={RUNS}", f"out={RUNS}/tables"],
        stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    print("\n" + aligned(runs_table(load_records(RUNS)), COLUMNS))
    print(
        f"\nTest accuracy after the last epoch, in percent. {', '.join(FIVE_FOLDS)}: mean ± sample standard deviation "
        "over 5 seeds,\neach tested on another fifth of the 1,797 digits; the other rows: seed 0, the first fifth.\n"
        f"{time.perf_counter() - started:.0f} s. The whole table lies in {RUNS}/tables/runs.md, the runs in {RUNS}/"
    )
    for job in queue.failed:
        print(f"failed: {job}", file=sys.stderr)
    return 1 if queue.failed else 0


def jobs() -> list[Job]:
    """The trainings of the demo. Finished runs are not repeated."""
    recipes = [(name, 0) for name in SINGLE] + [(name, seed) for name in FIVE_FOLDS for seed in range(5)]
    return [Job(["train", f"experiment=demo/{name}", f"seed={seed}"], runs=str(RUNS)) for name, seed in recipes]


def aligned(markdown: str, columns: tuple[str, ...]) -> str:
    """Keep some columns of a Markdown table and pad them for a terminal. Lines outside the table are unchanged."""
    lines = [line.replace("\\", "") for line in markdown.splitlines()]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    chosen = [[row[head.index(name)] for name in columns] for row in [head, *rows] if len(row) == len(head)]
    widths = [max(map(len, column)) for column in zip(*chosen)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in chosen)


if __name__ == "__main__":
    sys.exit(main())
