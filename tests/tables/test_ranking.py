"""Own runs are told apart: what differs between them stands in every table and in the ranking that a grid prints."""

import itertools
import re
import zlib

import pytest

from snnbench.records import RunRecord
from snnbench.tables.ranking import ranking, records_in
from snnbench.tables.settings import differences

from .records_of import record, rows

CHOICES = {"data": "digits", "model": "csnn", "rule": "bptt", "neuron": "lif", "norm": "bn", "objective": "mean_ce"}


def job(lr=0.1, tau=2.0, seed=0, **changes):
    """A record of a grid over learning rate, time constant and seed."""
    choices = CHOICES | changes.pop("choices", {})
    neuron = {"_target_": choices["neuron"], "tau": tau} if choices["neuron"] == "lif" else {"_target_": "x", "k": 1}
    config = {"T": 4, "optimizer": {"lr": lr}, "neuron": neuron, "train": {"epochs": 256}, "seed": seed}
    config |= changes.pop("config", {})
    recipe, whole = (f"{zlib.crc32(repr(what).encode()):010x}" for what in ((choices, {**config, "seed": 0}), config))
    return record(
        name=changes.pop("name", "lr"), choices=choices, config=config, seed=seed, recipe_hash=recipe,
        config_hash=whole, **changes,
    )  # fmt: skip


RATES = [{"optimizer.lr": "0.1"}, {"optimizer.lr": "0.01"}]
FOLDER, LOG, START = ({"paths": {"runs": "a"}}, {"log": {"x": 1}}, {"start": {"run": None, "weights": "last"}})


@pytest.mark.parametrize(
    ("runs", "named"),
    [
        ([job(0.1, 2.0), job(0.01, 2.0)], RATES),
        ([job(seed=1), job(seed=2)], [{}, {}]),
        # nothing but the hash tells these apart; the second pair's older record has no section `start` yet
        *((runs, [{"recipe": run["recipe_hash"]} for run in runs])
          for runs in ([job(config=FOLDER), job(config=LOG)], [job(), job(config=START)])),
        # a component's values are compared with its like
        ([job(tau=2.0), job(tau=4.0), job(choices={"neuron": "psn"})],
         [{"neuron": "lif", "neuron.tau": "2.0"}, {"neuron": "lif", "neuron.tau": "4.0"}, {"neuron": "psn"}]),
        # a key that an older record lacks
        ([job(config={"new": None}), job(lr=0.01)], RATES),
    ],
)  # fmt: skip
def test_only_what_differs_is_named(runs, named):
    assert differences([RunRecord(**run) for run in runs]) == named


GRIDS = {
    "values": [job(lr, tau) for lr, tau in itertools.product((0.1, 0.01), (2.0, 4.0))],
    "components": [job(choices={"neuron": "lif", "norm": norm}) for norm in ("bn", "tdbn")],
    "objective": [job(choices={"objective": name}) for name in ("mean_ce", "tet")],
    "rule": [job(choices={"rule": name}) for name in ("bptt", "sltt")],
    "augmentation": [job(choices={"augment": name}) for name in ("none", "flip")],
    "time steps": [job(config={"T": steps}, time_steps=steps) for steps in (4, 8)],
    "deep values": [job(config={"data": {"a": {"b": [value]}}}) for value in (1, 2)],
    "data hash": [job(data={"data_hash": value, "split": "s"}) for value in ("a" * 16, "b" * 16)],
    "five changes": [job(experiment="x", deviations={f"k.{i}": [0, v if i == 4 else 1] for i in range(5)},
                         config={"k": {str(i): v if i == 4 else 1 for i in range(5)}}) for v in (1, 2)],
}  # fmt: skip
PLACES = {
    "no recipe": {},
    "a published row": {"reproduces": "survey/cifar10/lif/top1", "name": "survey/cifar10_lif"},
    "neurons": {"experiment": "neurons/cifar10", "name": "neurons/cifar10"},
    "speed run": {"experiment": "speedrun/x", "name": "speedrun/x"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("grid", GRIDS)
def test_no_two_rows_of_any_table_are_alike(build, grid, place):
    out = build(*(values | PLACES[place] for values in GRIDS[grid]))
    for path in out.glob("*.csv"):
        if path.stem != "runs" and not path.stem.startswith("survey"):
            lines = [tuple(row.values()) for row in rows(path)]
            assert len(lines) == len(set(lines)), path.name
    settings = [row["settings"] for row in rows(out / "runs.csv")]
    assert len(set(settings)) == len(GRIDS[grid])
    survey = list(rows(out / "survey_cifar10.csv")[0])
    wanted = len(GRIDS[grid]) if place == "a published row" else 0
    assert len([heading for heading in survey if heading.startswith("LIF")]) in (1, wanted, wanted + 1)


def test_rows_of_a_name_stand_best_first_by_validation_where_there_is_one(build, tmp_path):
    accuracies = [(0.1, 80.0, 91.0), (0.2, 90.0, 85.0), (0.3, 85.0, 95.0)]
    runs = [job(lr, acc_val_best=val, acc_test_at_best_val=test) for lr, val, test in accuracies]
    lines = [line for line in (build(*runs) / "runs.md").read_text().splitlines() if line.startswith("| lr")]
    assert [re.search(r"optimizer\.lr=(0\.\d)", line)[1] for line in lines] == ["0.2", "0.3", "0.1"]
    assert "| 85.00 |" in lines[0]
    assert ranking(records_in(tmp_path.glob("runs/*")))[1].split()[:3] == ["1.", "90.00", "85.00"]


def test_a_grid_ends_with_its_jobs_best_first_and_names_dead_layers():
    dead = [f"Layer conv{i} is nearly dead: it fires at 0.010% (below 0.1%); lower v_th." for i in range(5)]
    runs = [
        job(0.1, seed=0, acc_best_test=80.0), job(0.1, seed=1, acc_best_test=82.0, warnings=dead),
        job(0.01, acc_best_test=90.0),
        job(1e38, status="failed", error="NonFiniteLoss: loss is\nnan", epochs=3),
    ]  # fmt: skip
    assert ranking([]) == []
    head, first, second, failed, warned = ranking([RunRecord(**values) for values in runs])
    assert head.split() == ["best", "test", "(%)", "last", "test", "(%)", "optimizer.lr", "seeds"]
    assert first.split() == ["1.", "90.00", "92.50", "0.01", "1"]
    assert second.split()[:4] == ["2.", "81.00", "±", "1.41"]
    assert failed == "failed after 3 epochs: optimizer.lr=1e+38 seed=0: NonFiniteLoss: loss is nan"
    assert warned.startswith(
        "optimizer.lr=0.1 seed=1: Layer conv0 is nearly dead: it fires at 0.010% (below 0.1%); Layer"
    )
    assert warned.endswith("; and 2 more")
