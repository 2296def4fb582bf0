"""rebuild every results table from the records: `snnbench tables`

  snnbench tables [records=<folder>] [reported=<folder>] [bench=<folder>] [out=<folder>]

E.g. snnbench tables records=runs/demo out=runs/demo/tables
Defaults: results/records, results/reported, results/bench (speeds), results/tables (tables and plots). All numbers come
from the records, the published rows and the CSV files of `snnbench bench`.
"""

from __future__ import annotations

from pathlib import Path

from snnbench.cli.arguments import key_values
from snnbench.config.paths import repository, results_dir, shipped_dir
from snnbench.errors import ConfigError

KEEP_HELP = """keep a run's record: `snnbench keep run=runs/<name>/<hash>-s<seed>` copies run.json to results/records

  snnbench keep run=<run folder> [out=<folder>]
"""


def main(arguments: list[str]) -> int:
    from snnbench.tables.build import build_all

    given = key_values(arguments, {"records": "folder", "reported": "folder", "bench": "folder", "out": "folder"})
    root = repository()
    is_committed = not given and root is not None and results_dir() == root / "results"
    written = build_all(
        given.get("records") or results_dir() / "records",
        given.get("reported", shipped_dir() / "reported"),
        given.get("out") or results_dir() / "tables",
        readme=root / "README.md" if is_committed else None,  # README shows only the committed tables
        bench_dir=given.get("bench", shipped_dir() / "bench"),
    )
    for path in written:
        print(path)
    return 0


def keep_main(arguments: list[str]) -> int:
    from snnbench.records import keep

    given = key_values(arguments, {"run": "run folder", "out": "folder"})
    if "run" not in given:
        raise ConfigError("keep needs run=<run folder>, the folder that holds run.json")
    print(keep(Path(given["run"]), Path(given.get("out") or results_dir() / "records")))
    return 0
