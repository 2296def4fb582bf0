"""A run that is killed and started again is the run that nobody disturbed: its weights, its record, its metrics."""

import csv
import shutil

import pytest
import torch

from snnbench.cli.main import main
from snnbench.train import checkpoints
from snnbench.train import run as training
from snnbench.train.task import Task
from tests.train.conftest import SMALL, only_run, record

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
}  # fmt: skip


@pytest.fixture
def dies_at(monkeypatch):
    """Say at the start of which epoch the next run dies; None: it lives. Every epoch leaves a checkpoint."""
    monkeypatch.setattr(checkpoints, "SHARE", 0)
    start, end = Task.on_train_epoch_start, {"epoch": None}

    def on_train_epoch_start(self):
        if self.current_epoch == end["epoch"]:
            raise RuntimeError("the power fails")
        start(self)

    monkeypatch.setattr(Task, "on_train_epoch_start", on_train_epoch_start)
    return lambda epoch: end.update(epoch=epoch)


@pytest.fixture
def dies_measuring(monkeypatch):
    """A run dies after its last epoch while this is set."""
    measure, state = training.measures, {"dies": False}

    def measures(*arguments, **named):
        if state["dies"]:
            raise RuntimeError("the power fails")
        return measure(*arguments, **named)

    monkeypatch.setattr(training, "measures", measures)
    return lambda dies: state.update(dies=dies)


def fail(command):
    with pytest.raises(RuntimeError, match="the power fails"):
        main(command)


def assert_same(whole, parts):
    for name in ("last", "best"):
        expected, found = (torch.load(only_run(root) / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
                           for root in (whole, parts))  # fmt: skip
        assert all(torch.equal(expected[key], found[key]) for key in expected), name
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
def test_resumed_run_equals_the_undisturbed_one(kind, dies_at, tmp_path):
    run = [*RUN, *KINDS[kind], f"paths.data={tmp_path}"]
    assert main([*run, f"paths.runs={tmp_path / 'whole'}"]) == 0
    dies_at(2)
    fail([*run, f"paths.runs={tmp_path / 'parts'}"])
    dies_at(None)
    assert main([*run, f"paths.runs={tmp_path / 'parts'}"]) == 0
    assert_same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    "options", [["encoder=poisson", "train.ema=0.9"], ["neuron=masked_psn", "neuron.masked_from=1.0"]],
    ids=["average", "progress"],
)  # fmt: skip
def test_killed_after_its_last_epoch_it_still_measures_that_epochs_network(options, dies_measuring, tmp_path):
    """An average of the weights, random codes, and modules that follow the training's progress."""
    run = [*RUN, *options]
    assert main([*run, f"paths.runs={tmp_path / 'whole'}"]) == 0
    dies_measuring(True)
    fail([*run, f"paths.runs={tmp_path / 'parts'}"])
    first = record(only_run(tmp_path / "parts"))
    dies_measuring(False)
    assert main([*run, f"paths.runs={tmp_path / 'parts'}"]) == 0
    assert_same(tmp_path / "whole", tmp_path / "parts")
    found = record(only_run(tmp_path / "parts"))
    assert found["firing_rates"]
    assert found["started"] == first["started"]
    assert found["wall_time_s"] > found["epochs_s"] == first["epochs_s"]


STILL = ["optimizer.lr=0.0", "norm.momentum=0.0"]  # every epoch is as good as the first, which stays the best


def best_epoch(root):
    return torch.load(only_run(root) / "checkpoints" / "best.ckpt", weights_only=True)["epoch"]


def test_best_stays_best_in_a_folder_that_moved(dies_at, tmp_path):
    dies_at(2)
    fail([*RUN, *STILL, f"paths.runs={tmp_path / 'here'}"])
    dies_at(None)
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert main([*RUN, *STILL, f"paths.runs={tmp_path / 'there'}"]) == 0
    assert best_epoch(tmp_path / "there") == 0
    assert record(only_run(tmp_path / "there"))["best_test_epoch"] == 1


@pytest.mark.parametrize(("beside", "wanted"), [(True, 0), (False, 2)])
def test_best_comes_along_from_another_folder(beside, wanted, dies_at, tmp_path):
    """With `train.ckpt_path`; where best.ckpt is lost, the best of the epochs to come takes its place."""
    dies_at(2)
    fail([*RUN, *STILL, f"paths.runs={tmp_path / 'here'}"])
    dies_at(None)
    folder = only_run(tmp_path / "here") / "checkpoints"
    if not beside:
        (folder / "best.ckpt").unlink()
    assert main([*RUN, *STILL, f"train.ckpt_path={folder / 'last.ckpt'}", f"paths.runs={tmp_path / 'there'}"]) == 0
    assert best_epoch(tmp_path / "there") == wanted
