"""Tables of runs as such: one line a record (`runs.csv`), one line a group of seeds (`runs.md`, as the demo prints)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from snnbench.records import RunRecord
from snnbench.tables.groups import Group, group_records, operation, percent_best, percent_last
from snnbench.tables.render import EMPTY, GENERATED, markdown_rows

FIELDS = (
    "run_id", "status", "name", "experiment", "reproduces", "seed", "time_steps", "epochs", "epochs_planned",
    "acc_last", "acc_mirrored", "acc_best_test", "best_test_epoch", "acc_val_best", "acc_test_at_best_val", "loss_last",
    "train_samples_per_s", "test_samples_per_s", "peak_memory_mb", "parameters", "wall_time_s", "config_hash",
    "recipe_hash", "git_commit", "git_dirty", "started", "finished", "error",
)  # fmt: skip
DATA_FIELDS = ("name", "split", "split_hash", "data_hash")
OPERATION_FIELDS = ("dense_macs", "macs", "acs", "sop", "sop_survey", "first_layer_macs", "energy_mj")
RUN_COLUMNS = ["Run", "Method", "Model", "Data", "T", "Test acc last (%)", "Test acc best (%)", "Seeds", "Params",
               "Firing rate", "SOP (M)", "Energy (mJ)", "Train samples/s", "Seconds"]  # fmt: skip


def _plain(value: object) -> str:
    if value is None:
        return EMPTY
    return format(value, ".6g") if isinstance(value, float) else " ".join(str(value).split()) or EMPTY


def runs_csv(records: Iterable[RunRecord]) -> str:
    """One line a record, whatever its status, ordered by name, config and seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FIELDS, "choices", *(f"data_{key}" for key in DATA_FIELDS), *OPERATION_FIELDS, "firing_rate",
                     "device"])  # fmt: skip
    for record in sorted(records, key=lambda r: (r.name, r.config_hash, r.seed, r.run_id)):
        choices = " ".join(f"{axis}={choice}" for axis, choice in sorted(record.choices.items()))
        values = [getattr(record, key) for key in FIELDS] + [choices]
        values += [record.data.get(key) for key in DATA_FIELDS]
        values += [record.operations.get(key) for key in OPERATION_FIELDS]
        values += [record.mean_firing_rate(), record.device.get("name")]
        writer.writerow(map(_plain, values))
    return text.getvalue()


def _choice(record: RunRecord, axis: str) -> str:
    return record.choices.get(axis) or EMPTY


def _row(group: Group) -> list[str]:
    record = group.first
    return [
        record.name,
        record.choices.get("method") or _choice(record, "rule"),
        _choice(record, "model"),
        record.choices.get("data") or record.data.get("name") or EMPTY,
        str(record.time_steps or EMPTY),
        group.text(percent_last) + group.mark,
        group.text(percent_best) + group.mark,
        f"{group.seeds}, {len(group.splits)} splits" if len(group.splits) > 1 else str(group.seeds),
        f"{record.parameters:,}" if record.parameters else EMPTY,
        group.text(RunRecord.mean_firing_rate, 3),
        group.text(operation("sop"), 3),
        group.text(operation("energy_mj"), 4),
        group.machine_text(lambda r: r.train_samples_per_s, 0),
        group.machine_text(lambda r: r.wall_time_s, 0),
    ]


def runs_table(records: Iterable[RunRecord]) -> str:
    """Markdown: finished runs grouped over seeds (mean ± sample standard deviation), then what did not finish."""
    records = list(records)
    groups = sorted(group_records(records), key=lambda group: (group.first.name, group.sort_key()))
    lines = markdown_rows(RUN_COLUMNS, [_row(group) for group in groups])
    rest = sorted((r for r in records if r.status != "done"), key=lambda r: (r.name, r.seed, r.run_id))
    if rest:
        lines += ["", "Not finished:", ""]
        cells = [[r.name, str(r.seed), r.status, str(r.epochs), _plain(r.error)] for r in rest]
        lines += markdown_rows(["Run", "Seed", "Status", "Epochs run", "Error"], cells)
    return "\n".join(lines) + "\n"


def runs_page(records: Iterable[RunRecord]) -> str:
    """The file `runs.md`."""
    return (
        f"<!-- {GENERATED} -->\n# Runs\n\n{runs_table(records)}\n"
        "- Mean ± sample standard deviation over seeds. SOP (millions a sample) = dense MACs x firing rate; energy "
        "from MACs and ACs with the constants of the record (45 nm: 4.6 and 0.9 pJ).\n"
    )
