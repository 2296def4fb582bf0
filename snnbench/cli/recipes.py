"""The recipes for `snnbench list experiment`: by section of the survey, each with the accuracy of its kept records."""

from __future__ import annotations

import re
from functools import cache

from snnbench.cli.lines import wrapped
from snnbench.config.catalogue import description, path_of
from snnbench.config.paths import results_dir
from snnbench.records import load_records
from snnbench.tables.groups import Group, group_records, percent_best
from snnbench.tables.reported import Reported, load_reported

_REPRODUCES = re.compile(r"^reproduces: (\S+)", re.MULTILINE)
OWN = "3"  # the section with the survey's own experiments
NONE = ""


def recipe_lines(names: list[str], width: int) -> list[str]:
    """For each section of the survey a heading, then its recipes with their state and description."""
    by_section: dict[str, list[str]] = {}
    for name in names:
        by_section.setdefault(section_of(name), []).append(name)
    lines = []
    for section, recipes in sorted(by_section.items(), key=lambda item: (item[0] == NONE, item[0])):
        lines += [""] if lines else []
        lines += wrapped(_heading(section, recipes), 0, width, hang=2)
        for name in recipes:
            lines += wrapped(f"{name}  [{state_of(name)}]", 2, width, hang=2)
            lines += wrapped(description("experiment", name), 6, width)
    return lines


def section_of(name: str) -> str:
    """The recipe's section of the survey: that of its published row, else of its system, or "" if it has none."""
    row, sections = _row(name), {row.key: row.section for row in _reported().values()}
    return row.section if row else sections.get(name.split("/")[0], NONE)


def state_of(name: str) -> str:
    """The accuracy of a recipe's kept records, e.g. "kept record: 92.97 %, published 92.98 %".

    Only records that changed nothing but the number of epochs count, and of these the longest. A shorter run also
    states its number of epochs.
    """
    groups = [group for group in _groups() if group.first.experiment == name and not group.changed]
    groups = [group for group in groups if group.path == "auto" and not group.is_partial]
    if not groups:
        return "no kept record"
    longest, row = groups[0], _row(name)
    first = longest.first
    length = f" over {first.epochs} of {first.epochs_planned} epochs" if longest.is_short else ""
    published = f", published {row.value} %" if row and row.quantity == "top1" else ""
    return f"kept record: {longest.text(percent_best)} %{length}{published}"


def _heading(section: str, recipes: list[str]) -> str:
    if section == NONE:
        return "outside of the survey's sections"
    if section == OWN:
        return "the survey's own experiments (section 3)"
    return f"section {section} of the survey: {', '.join(dict.fromkeys(name.split('/')[0] for name in recipes))}"


def _row(name: str) -> Reported | None:
    found = _REPRODUCES.search(path_of("experiment", name).read_text(encoding="utf-8"))
    return _reported().get(found[1]) if found else None


@cache
def _reported() -> dict[str, Reported]:
    folder = results_dir() / "reported"
    return load_reported(folder) if folder.is_dir() else {}


@cache
def _groups() -> list[Group]:
    """Groups of the kept records, long runs first. Empty if the installed package has no records."""
    folder = results_dir() / "records"
    return group_records(load_records(folder)) if folder.is_dir() else []
