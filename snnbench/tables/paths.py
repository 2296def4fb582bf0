"""Compare accuracies with fused kernels and with the reference path, for recipes that were trained with both."""

from __future__ import annotations

from snnbench.tables.cells import EMPTY
from snnbench.tables.groups import Group, percent_best, percent_last, signed
from snnbench.tables.render import Part, Table

COLUMNS = ["Recipe", "Path", "Seeds", "Last epoch (%)", "Fused - reference", "Best test epoch (%)", "Train samples/s",
           "Protocol"]  # fmt: skip
NOTES = [
    "auto: fused kernels and CUDA graphs on CUDA, the default; reference: plain PyTorch everywhere "
    "(`kernels=reference`). Mean ± sample standard deviation over seeds, which differ between the paths: a difference "
    "within these deviations is seed noise.",
]


def paths_table(groups: list[Group]) -> Table:
    """One row per path for every recipe with runs on both paths, or one row of empty cells without such recipes."""
    by_recipe: dict[tuple, dict[str, Group]] = {}
    for group in groups:
        key = (group.first.name, group.first.recipe_hash, group.first.data.get("data_hash"))
        by_recipe.setdefault(key, {})[group.path] = group
    rows = []
    for _, paths in sorted(by_recipe.items(), key=lambda item: item[0][:2]):
        if {"auto", "reference"} <= paths.keys():
            fused, reference = paths["auto"], paths["reference"]
            rows += [_row(fused, signed(fused.mean(percent_last) - reference.mean(percent_last))), _row(reference, "")]
    title = "Fused kernels against the reference path"
    return Table("kernel_paths", title, list(COLUMNS), [Part("", rows or [[EMPTY] * len(COLUMNS)])], list(NOTES))


def _row(group: Group, difference: str) -> list[str]:
    return [
        group.first.experiment or group.first.name,
        group.path,
        str(group.seeds),
        group.text(percent_last),
        difference,
        group.text(percent_best),
        group.machine_text(lambda record: record.train_samples_per_s, 0),
        group.protocol(),
    ]
