"""Runs on the reference path: a table of their own beside the fused ones, and in no other."""

import pytest

from .records_of import column, record, rows

ROW = "survey/cifar10/lif/top1"


@pytest.fixture
def out(build):
    seeds = (("auto", 0, 84.0), ("auto", 1, 85.0), ("reference", 2, 84.4), ("reference", 3, 84.2))
    return build(*(
        record(name="survey/cifar10_lif", experiment="survey/cifar10_lif", reproduces=ROW, seed=seed, acc_last=last,
               acc_best_test=last + 1, config_hash=str(seed), config={"T": 4, "kernels": path, "train": {}})
        for path, seed, last in seeds
    ))  # fmt: skip


def test_both_paths_stand_side_by_side(out):
    fused, reference = rows(out / "kernel_paths.csv")
    assert (fused["Path"], fused["Seeds"], fused["Last epoch (%)"]) == ("auto", "2", "84.50 ± 0.71")
    assert (reference["Path"], reference["Seeds"]) == ("reference", "2")
    assert (fused["Fused - reference"], reference["Fused - reference"]) == ("+0.20", "")


def test_other_tables_take_the_default_path_alone(out):
    assert column(out / "survey_cifar10.csv", "LIF")["Top-1 (%)", "ours, 256 epochs"] == "85.50 ± 0.71"
    assert "kernels=reference" in (out / "runs.md").read_text()
