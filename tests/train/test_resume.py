"""A run that is killed and started again is the run that nobody disturbed: its weights, its record, its metrics."""

import csv
import shutil

import pytest
import torch

from snnbench.cli.main import main
from snnbench.train import checkpoints
from snnbench.train import run as training
from tests.train.conftest import DSPIKE, SMALL, assert_same_weights, only_run, record

RUN = ["train", *SMALL, "train.epochs=4", "train.limit_train_batches=3", "train.limit_test_batches=1",
       "log.progress=lines"]  # fmt: skip
TIMES = {"started", "finished", "wall_time_s", "epochs_s", "train_samples_per_s", "test_samples_per_s"}
PLACES = {"config", "teacher"}  # they hold paths.runs

AUGMENTED = ["augment=crop_flip", "augment.crop_padding=1"]
KINDS = {
    "workers and augmentation": [*AUGMENTED, "data.num_workers=2"],
    "workers and events": ["data=digits_dvs", "augment=events_flip_roll_cutout", "data.num_workers=2",
                           "train.batch_size=20"],
    "average, mixing, clipping, rare tests": [
        *AUGMENTED, "augment.cutmix=1.0", "train.ema=0.9", "train.eval_every=2", "train.grad_clip=1.0",
        "data.val_fraction=0.2", "schedule.interval=step",
    ],
    "OTTT": ["method=ottt"],
    "random codes": ["encoder=poisson"],
    "Dspike": DSPIKE,
    "Dspike, average": [*DSPIKE, "train.ema=0.9"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def every_epoch_leaves_a_checkpoint(monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARE", 0)


def assert_same(whole, parts):
    for name in ("last", "best"):
        assert_same_weights(whole, parts, name)
    records = [{k: v for k, v in record(only_run(root)).items() if k not in TIMES | PLACES} for root in (whole, parts)]
    assert records[1] == records[0]
    assert records[0]["status"] == "done"
    rows = [list(csv.DictReader((only_run(root) / "metrics.csv").open())) for root in (whole, parts)]
    for row in rows[0] + rows[1]:
        for key in ("seconds", *TIMES & row.keys()):
            del row[key]
    assert rows[1] == rows[0]
    assert len(rows[0]) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_run_equals_the_undisturbed_one(kind, cut_off, tmp_path):
    run = [*RUN, *KINDS[kind], f"paths.data={tmp_path}"]
    assert main([*run, f"paths.runs={tmp_path / 'whole'}"]) == 0
    cut_off([*run, f"paths.runs={tmp_path / 'parts'}"], 2)
    assert main([*run, f"paths.runs={tmp_path / 'parts'}"]) == 0
    assert_same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    "options", [["encoder=poisson", "train.ema=0.9"], ["neuron=masked_psn", "neuron.masked_from=1.0"]],
    ids=["average", "progress"],
)  # fmt: skip
def test_killed_after_its_last_epoch_it_still_measures_that_epochs_network(options, monkeypatch, tmp_path):
    """An average of the weights, random codes, and modules that follow the training's progress."""
    run = [*RUN, *options]
    assert main([*run, f"paths.runs={tmp_path / 'whole'}"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(training, "measures", lambda *_, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main([*run, f"paths.runs={tmp_path / 'parts'}"])
    first = record(only_run(tmp_path / "parts"))
    assert main([*run, f"paths.runs={tmp_path / 'parts'}"]) == 0
    assert_same(tmp_path / "whole", tmp_path / "parts")
    found = record(only_run(tmp_path / "parts"))
    assert found["firing_rates"]
    assert found["started"] == first["started"]
    assert found["wall_time_s"] > found["epochs_s"] == first["epochs_s"]


@pytest.mark.parametrize(("change", "best"), [("the folder moved", 0), ("another folder", 0), ("best.ckpt is lost", 2)])
def test_best_stays_best_in_another_folder(change, best, cut_off, tmp_path):
    """Moved, or with `train.ckpt_path`; where best.ckpt is lost, the best of the epochs to come takes its place."""
    run = [*RUN, "optimizer.lr=0.0", "norm.momentum=0.0"]  # every epoch is as good as the first, which stays the best
    cut_off([*run, f"paths.runs={tmp_path / 'here'}"], 2)
    folder = only_run(tmp_path / "here") / "checkpoints"
    if change == "the folder moved":
        shutil.move(tmp_path / "here", tmp_path / "there")
    else:
        run.append(f"train.ckpt_path={folder / 'last.ckpt'}")
    if change == "best.ckpt is lost":
        (folder / "best.ckpt").unlink()
    assert main([*run, f"paths.runs={tmp_path / 'there'}"]) == 0
    there = only_run(tmp_path / "there")
    assert {path.stem: torch.load(path, weights_only=True)["epoch"] for path in there.glob("checkpoints/*")} == {
        "best": best, "last": 3,
    }  # fmt: skip
    if change == "the folder moved":
        assert record(there)["best_test_epoch"] == 1
