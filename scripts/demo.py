"""`make demo`: train the four methods and three architectures on real scanned digits, print the measured table."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from snnbench.config.catalogue import options

RUNS = Path("runs/demo")


def main() -> int:
    started = time.perf_counter()
    recipes = [name for name in options("experiment") if name.startswith("demo/")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # two jobs side by side, one core each
    snnbench = [sys.executable, "-m", "snnbench"]
    grid = [*snnbench, "train", "-m", "--jobs", "2", f"experiment={','.join(recipes)}", f"paths.runs={RUNS}"]
    failed = subprocess.run(grid, env=environment).returncode
    tables = [*snnbench, "tables", f"records={RUNS}", f"out={RUNS}/tables"]
    subprocess.run(tables, check=True, stdout=subprocess.DEVNULL)
    print((RUNS / "tables" / "runs.md").read_text())
    print(f"{time.perf_counter() - started:.0f} s. The table lies in {RUNS}/tables/runs.md, the runs in {RUNS}/")
    return failed


if __name__ == "__main__":
    sys.exit(main())
