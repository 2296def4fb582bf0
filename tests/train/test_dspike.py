"""rule=dspike from the shell: a new b each epoch in metrics.csv, training as ever (test_resume.py has its resume)."""

import csv
from itertools import pairwise

import torch

from snnbench.cli.main import main
from snnbench.rules.dspike import TemperatureSearch
from tests.train.conftest import DSPIKE, SMALL, assert_same_weights, only_run

RUN = ["train", *SMALL, *DSPIKE, "train.epochs=4", "train.limit_train_batches=3", "train.limit_test_batches=1",
       "measure.operations=false", "log.progress=lines"]  # fmt: skip


def test_b_moves_by_db_and_is_logged(tmp_path):
    assert main([*RUN, f"paths.runs={tmp_path}"]) == 0
    with (only_run(tmp_path) / "metrics.csv").open() as file:
        b = [3.0, *(float(row["surrogate_b"]) for row in csv.DictReader(file))]
    assert len(b) == 5
    assert all(abs(after - before) in (0.0, 0.5) for before, after in pairwise(b))
    assert len(set(b)) > 1


def test_a_search_that_finds_nothing_trains_as_bptt(tmp_path, monkeypatch):
    """Random input and dropout draw what they draw without the search."""
    monkeypatch.setattr(TemperatureSearch, "before_epoch", lambda self, *_: torch.rand(99).isnan().any().item())
    for name in ("dspike", "bptt"):
        options = [o for o in RUN if name == "dspike" or not o.startswith("rule.")]
        assert main([*options, f"rule={name}", "train.epochs=1", f"paths.runs={tmp_path / name}"]) == 0
    assert_same_weights(tmp_path / "bptt", tmp_path / "dspike")
