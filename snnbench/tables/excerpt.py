"""Write the results excerpt of README.md, which stands between two markers, for `snnbench tables`.

It has some rows of the survey's CIFAR-10 table and the number of surveyed systems that are built and measured."""

from __future__ import annotations

from pathlib import Path

from snnbench.errors import ConfigError
from snnbench.tables.cells import EMPTY
from snnbench.tables.render import Table, markdown_rows
from snnbench.tables.survey_columns import MARK
from snnbench.tables.survey_tasks import TASKS, ours_heading
from snnbench.tables.systems import NAME as SYSTEMS
from snnbench.writing import writing

BEGIN, END = "<!-- begin: filled by `snnbench tables`; do not edit -->", "<!-- end -->"
SOURCE, ROWS = "survey_cifar10", 8
FULL, SHORTER = (ours_heading(epochs) for epochs in TASKS["cifar10"].protocols())
QUANTITIES = {  # heading -> (quantity, "survey" or our protocol) in the table
    "Survey (%)": ("Top-1 (%)", "survey"),
    f"{FULL.capitalize()} (%)": ("Top-1 (%)", FULL),
    "Difference": ("Top-1 (%)", f"difference, {FULL.removeprefix('ours, ')}"),
    f"{SHORTER.capitalize()} (%)": ("Top-1 (%)", SHORTER),
    "SOP, survey (M)": ("SOP (M)", "survey"),
    f"SOP {FULL} (M)": ("SOP (M)", FULL),
    "Train samples/s, survey": ("Train samples/s", "survey"),
    "Train samples/s, ours": ("Train samples/s", "ours"),
}
OURS = [place for place, (quantity, whose) in enumerate(QUANTITIES.values()) if whose in (FULL, SHORTER)]


def excerpt(table: Table) -> str:
    """A Markdown table with one row for each of at most 8 methods.

    Methods with the longest runs of ours are preferred, then the survey's order decides. A method that deliberately
    reproduces a defect of the survey's code (its name ends with MARK) gets no row.
    """
    found = {(quantity, whose): cells for part in table.parts for quantity, whose, *cells in part.rows}
    columns = [found[place] for place in QUANTITIES.values()]
    rows = [[method, *cells] for method, *cells in zip(table.columns[2:], *columns) if not method.endswith(MARK)]
    rows.sort(key=lambda row: [row[1 + place] == EMPTY for place in OURS])  # the sort is stable
    return "\n".join(markdown_rows(["Method", *QUANTITIES], rows[:ROWS]))


def counted(table: Table) -> str:
    """The first note of the systems table, which counts the systems, with a link to that table."""
    return f"{table.notes[0]} [Each of them has a row](results/tables/{SYSTEMS}.md)."


def filled(readme: str, tables: list[Table]) -> str:
    """The README's text with the excerpt between its markers.

    Raises:
        ConfigError: A marker is missing, or the markers are in the wrong order.
    """
    table, systems = (next(table for table in tables if table.name == name) for name in (SOURCE, SYSTEMS))
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"README.md lacks the lines '{BEGIN}' and '{END}': put them back, the excerpt goes between")
    return f"{before}{begin}\n{excerpt(table)}\n\n{counted(systems)}\n{end}{after}"


def fill(path: Path, tables: list[Table]) -> None:
    """Write the excerpt into the README at `path` if it has changed."""
    old = path.read_text(encoding="utf-8")
    new = filled(old, tables)
    if new != old:
        with writing(path):
            path.write_text(new, encoding="utf-8")
