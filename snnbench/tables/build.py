"""Build every table and plot from `results/records`, `results/reported` and `results/bench`, and from nothing else.

It is deterministic and needs no torch. A file is written only if its content changed.
"""

from __future__ import annotations

from pathlib import Path

from snnbench.config.paths import PACKAGE
from snnbench.records import load_records
from snnbench.tables.excerpt import fill
from snnbench.tables.groups import group_records
from snnbench.tables.latex import to_latex
from snnbench.tables.neurons import is_compared, neurons_table
from snnbench.tables.paths import paths_table
from snnbench.tables.published import published_tables
from snnbench.tables.render import GENERATED, to_csv, to_markdown
from snnbench.tables.reported import load_remarks, load_reported
from snnbench.tables.runs import runs_csv, runs_page
from snnbench.tables.speedrun import is_speedrun, speedrun_table
from snnbench.tables.speeds import Speeds, load_speeds
from snnbench.tables.survey import survey_tables
from snnbench.tables.survey_plots import survey_plots
from snnbench.tables.systems import load_systems, systems_table
from snnbench.writing import write_if_changed

RENDERERS = {"md": to_markdown, "csv": to_csv, "tex": to_latex}


def build_all(
    records_dir: str | Path,
    reported_dir: str | Path,
    out_dir: str | Path,
    readme: Path | None = None,
    bench_dir: str | Path | None = None,
) -> list[Path]:
    """Rebuild all tables and plots in `out_dir` and return their paths.

    A file whose content stays the same is not touched. Files of a table that no longer exists are removed.
    readme: A Markdown file whose marked excerpt is filled too. bench_dir: The folder of the bench's CSVs, for speeds.

    Raises:
        ConfigError: A record or a published row is damaged, or a folder does not exist.
    """
    records, reported, out = load_records(records_dir), load_reported(reported_dir), Path(out_dir)
    both = group_records(records)
    groups = [group for group in both if group.path == "auto"]  # runs on the reference path have a table of their own
    speeds = load_speeds(Path(bench_dir)) if bench_dir is not None else Speeds()
    files = survey_plots(reported, groups, speeds)
    tables = survey_tables(reported, groups, speeds, load_remarks(reported_dir))
    tables += published_tables(reported, [group for group in groups if not (is_compared(group) or is_speedrun(group))])
    tables += [neurons_table(groups), paths_table(both), speedrun_table(groups), runs_page(records)]
    tables.append(systems_table(load_systems(reported_dir, reported), reported, groups))
    for table in tables:
        for suffix, render in RENDERERS.items():
            files[f"{table.name}.{suffix}"] = render(table, (_shown(records_dir), _shown(reported_dir)))
    files["runs.csv"] = runs_csv(records)  # runs.csv has one line per record, runs.md one per group
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_if_changed(out / name, text)
    _remove_others(out, set(files))
    if readme is not None:
        fill(readme, tables)
    return [out / name for name in sorted(files)]


def _shown(folder: str | Path) -> str:
    """The folder's name in a table: relative to the checkout or the installed package, else as the user wrote it."""
    place, root = Path(folder).resolve(), PACKAGE.parent
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else str(folder)


def _remove_others(out: Path, wanted: set[str]) -> None:
    """Remove tables that are no longer built. A file without the first line of generated tables is left alone."""
    for path in out.glob("*.md"):
        if path.name not in wanted and path.read_text(encoding="utf-8").startswith(f"<!-- {GENERATED}"):
            for suffix in RENDERERS:
                if f"{path.stem}.{suffix}" not in wanted:
                    path.with_suffix(f".{suffix}").unlink(missing_ok=True)
