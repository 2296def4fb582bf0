"""The columns of the survey's tables: one for each method and one for each variant, with our runs in them.

A method's own column holds runs of its recipe that changed nothing but the length of training. Every other recipe for
the same published row, and every recipe with changed values, has its own column. A recipe or component whose name ends
in `_survey` reproduces a defect of the survey's code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from snnbench.tables.groups import Group
from snnbench.tables.reported import Reported
from snnbench.tables.speeds import Speeds

COMPATIBLE = "_survey"  # the name of a recipe or component that reproduces a defect ends so
MARK = "‡"


@dataclass
class Column:
    """A method of the survey: its published quantities, and ours by epochs of training.

    Args:
        published: The published quantities. Empty if values of the recipe were changed: the survey has no such run.
        recipe: The experiment whose runs stand in this column, or None if there is none yet.
        variant: The difference from the method's own column; "" in that column.
        switches: The names of the components that reproduce a defect.
    """

    method: str
    label: str
    published: dict[str, Reported]
    recipe: str | None = None
    variant: str = ""
    is_changed: bool = False
    switches: list[str] = field(default_factory=list)
    runs: dict[int, Group] = field(default_factory=dict)

    @property
    def is_own(self) -> bool:
        """Whether this is the method's own column, neither a variant nor a reproduced defect."""
        return not self.variant and not self.switches

    @property
    def is_spiking(self) -> bool:
        """Whether the method is ranked and its spikes are counted. The ANN is not."""
        return self.method != "ann"

    @property
    def heading(self) -> str:
        if self.switches:
            return f"{self.label} as the survey's code has it{MARK}"
        return f"{self.label} ({self.variant})" if self.variant else self.label


def columns_of(task: str, reported: dict[str, Reported], groups: Iterable[Group], speeds: Speeds) -> list[Column]:
    """The columns of a task: the methods in the survey's order, each followed by its variants."""
    published: dict[str, dict[str, Reported]] = {}
    for row in reported.values():
        if row.id.startswith(f"survey/{task}/"):
            published.setdefault(row.id.split("/")[2], {})[row.quantity] = row
    runs: dict[str, list[Group]] = {}
    for group in groups:
        row = _survey_row(group.first.reproduces, reported)
        if row is not None and row.id.split("/")[1] == task:
            runs.setdefault(row.id.split("/")[2], []).append(group)
    measured: dict[str, list[str]] = {}
    for recipe, row_id in speeds.recipes.items():
        row = _survey_row(row_id, reported)
        if row is not None and row.id.split("/")[1] == task:
            measured.setdefault(row.id.split("/")[2], []).append(recipe)
    found = []
    for method, rows in published.items():
        found += _columns(method, task, rows, runs.get(method, []), measured.get(method, []))
    return found


def _survey_row(row_id: str | None, reported: dict[str, Reported]) -> Reported | None:
    row = reported.get(row_id or "")
    row = row and reported.get(row.same_as, row)
    return row if row is not None and row.key == "survey" else None


def _columns(
    method: str, task: str, rows: dict[str, Reported], groups: list[Group], measured: list[str]
) -> list[Column]:
    label = next(iter(rows.values())).neuron
    names = {_recipe(group) for group in groups} | set(measured)
    own = min((name for name in names if not name.endswith(COMPATIBLE)), key=lambda n: (len(n), n), default=None)
    columns = {("", False): Column(method, label, rows, own)}
    for group in sorted(groups, key=_age):  # the latest run wins
        variant, is_changed = _variant(group, own, task), bool(_changes(group))
        switches = _switches(group.first.choices)
        new = Column(method, label, {} if is_changed else rows, _recipe(group), variant, is_changed)
        column = columns.setdefault((variant, bool(switches)), new)
        column.switches = switches
        column.runs[group.first.epochs] = group
    for recipe in sorted(measured):
        if recipe not in {column.recipe for column in columns.values() if not column.is_changed}:
            switches = [recipe.split("/")[-1]] if recipe.endswith(COMPATIBLE) else []
            variant = "" if recipe == own else _suffix(recipe, own, task)
            columns[variant, bool(switches)] = Column(method, label, rows, recipe, variant, switches=switches)
    own_column, *others = columns.values()
    return [own_column, *sorted(others, key=lambda column: (not column.switches, column.variant))]


def _recipe(group: Group) -> str:
    return group.first.experiment or group.first.name


def _age(group: Group) -> tuple[str, str]:
    return max((record.finished or "", record.run_id) for record in group.records)


def _switches(choices: dict[str, str]) -> list[str]:
    """The components that reproduce a defect, or the recipe if only one of its values does."""
    parts = [f"{a}={c}" for a, c in sorted(choices.items()) if a != "experiment" and str(c).endswith(COMPATIBLE)]
    recipe = choices.get("experiment") or ""
    return parts or ([f"experiment={recipe}"] if recipe.endswith(COMPATIBLE) else [])


def _variant(group: Group, own: str | None, task: str) -> str:
    recipe = _recipe(group)
    parts = [] if recipe == own else [_suffix(recipe, own, task)]
    return ", ".join([*parts, *_changes(group)])


def _suffix(recipe: str, own: str | None, task: str) -> str:
    """The ending that a recipe adds to another: 'latency1' for survey/cifar10_block_alif_latency1."""
    if own and recipe.startswith(f"{own}_"):
        return recipe[len(own) + 1 :]
    return recipe.split("/")[-1].removeprefix(f"{task}_")


def _changes(group: Group) -> list[str]:
    """The values that the runs changed in their recipe, e.g. 'neuron.latency=0', without the length of training."""
    partial = ["part of the data"] if group.is_partial else []
    return [*partial, *(f"{key}={value}" for key, value in group.changed.items() if key != "train.epochs")]
