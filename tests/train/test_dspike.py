"""rule=dspike through the command line: a new b each epoch in metrics.csv, training as ever, resume is the same run."""

import csv
from itertools import pairwise

import pytest
import torch

from snnbench.cli.main import main
from snnbench.rules.dspike import TemperatureSearch
from tests.train.conftest import SMALL, assert_same_weights, only_run

RUN = ["train", *SMALL, "method=dspike", "norm=bn", "encoder=poisson", "norm.momentum=1.0",
       "neuron.v_th=0.5", "rule.weights=6", "rule.samples=16", "rule.eps=0.05", "rule.db=0.5",
       "train.epochs=4", "train.limit_train_batches=3",
       "train.limit_test_batches=1", "measure.operations=false", "log.progress=lines"]  # fmt: skip


def temperatures(root) -> list[float]:
    with (only_run(root) / "metrics.csv").open() as file:
        return [float(row["surrogate_b"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module", params=[[], ["train.ema=0.9"]], ids=["plain", "ema"])
def whole(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    assert main([*RUN, *request.param, f"paths.runs={root}"]) == 0
    return root, request.param


def test_b_moves_by_db_and_is_logged(whole):
    b = [3.0, *temperatures(whole[0])]
    assert len(b) == 5
    assert all(abs(after - before) in (0.0, 0.5) for before, after in pairwise(b))
    assert len(set(b)) > 1


def test_two_epochs_and_two_after_a_resume_are_four(whole, tmp_path, cut_off):
    root, extra = whole
    cut_off([*RUN, *extra, f"paths.runs={tmp_path}"], 2)
    assert main([*RUN, *extra, f"paths.runs={tmp_path}"]) == 0
    assert_same_weights(root, tmp_path)
    assert temperatures(tmp_path) == temperatures(root)


def test_a_search_that_finds_nothing_trains_as_bptt(tmp_path, monkeypatch):
    """Random input and dropout draw what they draw without the search."""
    monkeypatch.setattr(TemperatureSearch, "before_epoch", lambda self, *_: torch.rand(99).isnan().any().item())
    for name in ("dspike", "bptt"):
        options = [o for o in RUN if name == "dspike" or not o.startswith("rule.")]
        assert main([*options, f"rule={name}", "train.epochs=1", f"paths.runs={tmp_path / name}"]) == 0
    assert_same_weights(tmp_path / "bptt", tmp_path / "dspike")
