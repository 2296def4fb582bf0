"""The README's excerpt of the survey's CIFAR-10 table, kept between two markers and filled by `snnbench tables`."""

from __future__ import annotations

from pathlib import Path

from snnbench.config.errors import ConfigError
from snnbench.tables.render import EMPTY, Table, markdown_rows

BEGIN, END = "<!-- begin: filled by `snnbench tables`; do not edit -->", "<!-- end -->"
SOURCE, ROWS = "survey_cifar10", 8
COLUMNS = {
    "Method": "Method",
    "Top-1 (%) reported": "Reported (%)",
    "Top-1 (%) ours": "Ours (%)",
    "Top-1 (%) difference": "Difference",
    "SOP (M) reported": "SOP reported (M)",
    "SOP (M) ours": "SOP ours (M)",
    "Seeds": "Seeds",
    "Protocol": "Protocol",
}


def excerpt(table: Table) -> str:
    """Markdown of at most 8 rows: methods that we have run come first, then the survey's order."""
    places = [table.columns.index(name) for name in COLUMNS]
    rows = [[row[place] for place in places] for part in table.parts for row in part.rows]
    ours = list(COLUMNS).index("Top-1 (%) ours")
    rows.sort(key=lambda row: row[ours] == EMPTY)  # stable
    return "\n".join(markdown_rows(list(COLUMNS.values()), rows[:ROWS]))


def filled(readme: str, tables: list[Table]) -> str:
    """The README's text with the excerpt between its markers.

    Raises:
        ConfigError: a marker is missing or not in its place.
    """
    table = next(table for table in tables if table.name == SOURCE)
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"README.md lacks the lines '{BEGIN}' and '{END}': put them back, the excerpt goes between")
    return f"{before}{begin}\n{excerpt(table)}\n{end}{after}"


def fill(path: Path, tables: list[Table]) -> None:
    """Write the excerpt into the README at `path`, if it differs."""
    old = path.read_text(encoding="utf-8")
    new = filled(old, tables)
    if new != old:
        path.write_text(new, encoding="utf-8")
