"""Plot accuracy against SOPs and against training speed, with one point per method for the survey and for us."""

from __future__ import annotations

from collections.abc import Callable

from snnbench.tables.groups import Group, operation, percent_best
from snnbench.tables.reported import Reported
from snnbench.tables.scatter import Panel, Point, figure
from snnbench.tables.speeds import Speeds
from snnbench.tables.survey_columns import Column, columns_of
from snnbench.tables.survey_tasks import TASKS, Task, ours_heading

FILES = {  # file -> (quantity, label of the axis)
    "survey_accuracy_sops.svg": ("sop", "SOP (M a sample, the survey's counter)"),
    "survey_accuracy_speed.svg": ("train_speed", "training speed (samples/s)"),
}


def survey_plots(reported: dict[str, Reported], groups: list[Group], speeds: Speeds) -> dict[str, str]:
    """Map file name -> SVG with one panel per task. Variants and reproduced defects have no point."""
    columns = {key: columns_of(key, reported, groups, speeds) for key, task in TASKS.items() if task.has_recipes}
    names = ["survey", *map(ours_heading, next(iter(TASKS.values())).protocols())]
    files = {}
    for file, (quantity, label) in FILES.items():
        panels = [
            Panel(TASKS[key].title, label, "top-1 (%)", _points(quantity, TASKS[key], found, speeds), log_x=True)
            for key, found in columns.items()
        ]
        files[file] = figure(panels, names)
    return files


def _points(quantity: str, task: Task, columns: list[Column], speeds: Speeds) -> list[Point]:
    points = []
    for column in (column for column in columns if column.is_own and column.is_spiking):
        top1, other = column.published.get("top1"), column.published.get(quantity)
        if top1 is not None and other is not None:
            points.append(Point(other.number, top1.number, column.label, 0))
        for series, epochs in enumerate(task.protocols(), start=1):
            group = column.runs.get(epochs)
            if group is not None:
                x, y = _ours(quantity)(column, group, speeds), group.mean(percent_best)
                if x and y is not None:
                    points.append(Point(x, y, column.label, series))
    return points


def _ours(quantity: str) -> Callable[[Column, Group, Speeds], float | None]:
    if quantity == "sop":
        return lambda column, group, speeds: group.mean(operation("sop_survey"))
    return lambda column, group, speeds: speeds.of(column.recipe, quantity)
