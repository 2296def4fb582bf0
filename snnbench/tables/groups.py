"""Group records that differ only in their seed. A table cell shows the mean and standard deviation of a group."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from snnbench.records import RunRecord
from snnbench.tables.cells import EMPTY
from snnbench.tables.settings import as_text, differences, words

Measure = Callable[[RunRecord], float | None]


@dataclass
class Group:
    """Finished runs of one recipe: the latest record of each seed, in the order of the seeds.

    Args:
        records: The records.
        differing: The values that differ from the other groups of the same name, e.g. {"optimizer.lr": "0.1"}.
    """

    records: list[RunRecord]
    differing: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> RunRecord:
        return self.records[0]

    @property
    def seeds(self) -> int:
        return len(self.records)

    @property
    def is_short(self) -> bool:
        """Whether the runs have fewer epochs than the recipe."""
        return any(record.epochs_planned and record.epochs < record.epochs_planned for record in self.records)

    @property
    def splits(self) -> list[str]:
        """The data splits of the runs. Folds and seeded splits give several."""
        return sorted({split_name(record) for record in self.records} - {""})

    @property
    def path(self) -> str:
        """The path of the neurons: auto (fused kernels where they exist) or reference."""
        return self.first.config.get("kernels") or "auto"

    @property
    def changed(self) -> dict[str, str]:
        """The values that the runs changed in their recipe. Without a recipe these are `differing`."""
        if not self.first.experiment:
            return dict(self.differing)
        pairs = sorted(self.first.deviations.items())
        return {key: as_text(pair[1]) for key, pair in pairs if not key.startswith("train.limit_")}

    @property
    def settings(self) -> dict[str, str]:
        """The values that distinguish the group from its recipe and from the other groups of its name."""
        return self.changed | self.differing

    @property
    def is_partial(self) -> bool:
        """Whether the runs used only a part of the data."""
        train = self.first.config.get("train") or {}
        return any(train.get(key) is not None for key in ("limit_train_batches", "limit_test_batches"))

    @property
    def mark(self) -> str:
        """A text such as ' (20 of 256 ep)' if the accuracy is not that of the unchanged recipe, else ''."""
        return self.marked()

    def marked(self, shown: Collection[str] = ()) -> str:
        """The mark without the changes in `shown`, for which the table has columns. `protocol` names the changes."""
        marks = []
        if self.is_short:
            marks.append(f"{_span(record.epochs for record in self.records)} of {self.first.epochs_planned} ep")
        if self.is_partial:
            marks.append("part of the data")
        if self.path != "auto":
            marks.append(f"kernels={self.path}")
        if copies := self.first.data.get("other_md5"):
            marks.append("copy with MD5 " + ", ".join(f"{md5[:8]} of {file}" for file, md5 in copies.items()))
        if self.first.experiment and self.changed.keys() - set(shown):
            marks.append("changed")
        return f" ({', '.join(marks)})" if marks else ""

    @property
    def devices(self) -> list[str]:
        return sorted({_device(record) for record in self.records})

    def mean(self, measure: Measure) -> float | None:
        """Mean over the seeds, or None if a seed lacks the value."""
        values = [measure(record) for record in self.records]
        return sum(values) / len(values) if all(value is not None for value in values) else None

    def text(self, measure: Measure, digits: int = 2) -> str:
        """'92.98', or '92.98 ± 0.11' (sample standard deviation) for several seeds, or '-' if it was not measured."""
        mean = self.mean(measure)
        if mean is None:
            return EMPTY
        if self.seeds == 1:
            return number(mean, digits)
        spread = math.sqrt(sum((measure(record) - mean) ** 2 for record in self.records) / (self.seeds - 1))
        return f"{number(mean, digits)} ± {number(spread, digits)}"

    def machine_text(self, measure: Measure, digits: int = 1) -> str:
        """Like `text`, for speed and memory. It gives no mean over different machines."""
        return self.text(measure, digits) if len(self.devices) == 1 else "several devices"

    def protocol(self, shown: Collection[str] = ()) -> str:
        """Epochs run and planned, split, device and settings, which a reader must know before comparing.

        shown: The settings for which the table has columns.
        """
        record = self.first
        epochs = _span(r.epochs for r in self.records)
        parts = [f"{epochs}/{record.epochs_planned} ep" if record.epochs_planned else f"{epochs} ep"]
        if self.splits:
            parts.append(f"split {self.splits[0]}" if len(self.splits) == 1 else f"{len(self.splits)} splits")
        parts += [device for device in self.devices if device]
        parts += [record.device["precision"]] if record.device.get("precision") else []
        if any(r.git_dirty for r in self.records):
            parts.append("uncommitted code")
        aside = {*shown, "train.epochs", "kernels"}  # the epochs are stated above, the kernels in the mark
        parts.append(words({key: value for key, value in self.settings.items() if key not in aside}))
        return ", ".join(filter(None, parts))

    def sort_key(self) -> tuple:
        return (
            -max(r.epochs for r in self.records),
            self.first.name,
            self.first.recipe_hash,
            split_name(self.first),
            self.path,
        )


def number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def signed(value: float, digits: int = 2) -> str:
    text = number(value, digits)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"


def _span(values: Iterable[int]) -> str:
    values = sorted(set(values))
    return str(values[0]) if len(values) == 1 else f"{values[0]}-{values[-1]}"


def _device(record: RunRecord) -> str:
    name, count = record.device.get("name") or "", record.device.get("count") or 1
    return f"{count} x {name}" if name and count > 1 else name


def split_name(record: RunRecord) -> str:
    """The split's name and the first digits of its hash, which tell splits of the same name apart."""
    name, digest = record.data.get("split") or "", (record.data.get("split_hash") or "")[:8]
    return f"{name} {digest}".strip()


def percent_val(record: RunRecord) -> float | None:
    return record.acc_val_best


def percent_chosen(record: RunRecord) -> float | None:
    """Test accuracy of the epoch that was best on the validation split, or None without such a split."""
    return record.acc_test_at_best_val


def percent_best(record: RunRecord) -> float | None:
    return record.acc_best_test


def percent_last(record: RunRecord) -> float | None:
    return record.acc_last


def operation(key: str) -> Measure:
    """A function that reads `operations[key]` from a record."""
    return lambda record: record.operations.get(key)


def group_records(records: Iterable[RunRecord]) -> list[Group]:
    """Group the records with status done, in a fixed order.

    Runs of one recipe form a group if they share the data, the published row and the path of kernels. Their splits may
    differ, so folds belong together. Of two runs with the same configuration and seed the later one counts.
    """
    by_key: dict[tuple, dict[tuple, RunRecord]] = {}
    for record in records:
        if record.status != "done":
            continue
        path = record.config.get("kernels") or "auto"
        key = (record.recipe_hash, record.data.get("data_hash") or "", record.reproduces or "", path)
        runs = by_key.setdefault(key, {})
        run = (record.seed, record.config_hash)
        if run not in runs or _age(runs[run]) < _age(record):
            runs[run] = record
    groups = sorted((Group([runs[run] for run in sorted(runs)]) for runs in by_key.values()), key=Group.sort_key)
    for name in {group.first.name for group in groups}:
        alike = [group for group in groups if group.first.name == name]
        for group, differing in zip(alike, differences([group.first for group in alike])):
            group.differing = differing
    return groups


def best_first(groups: Iterable[Group]) -> list[Group]:
    """Groups by accuracy, on the validation split if all have one, else on the test set. Those without come last."""
    groups = list(groups)
    has_val = all(group.mean(percent_val) is not None for group in groups)

    def accuracy(record: RunRecord) -> float | None:
        chosen = percent_chosen(record)
        return percent_val(record) if has_val else record.acc_best_test if chosen is None else chosen

    def place(group: Group) -> tuple:
        mean = group.mean(accuracy)
        return mean is None, -(mean or 0), group.sort_key()

    return sorted(groups, key=place)


def _age(record: RunRecord) -> tuple[str, str]:
    return record.finished or "", record.run_id
