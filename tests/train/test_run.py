"""A run from the shell: what it leaves, what starting it again does, what a grid and an evaluation do."""

import csv
import time

import pytest

from snnbench.cli.main import main
from snnbench.records import load_record
from tests.train.conftest import assert_refused, only_run


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    assert main(["train", *small, "train.epochs=2", "data.val_fraction=0.1", f"paths.runs={root}"]) == 0
    return root


def test_record_says_what_ran(finished):
    found = load_record(only_run(finished) / "run.json")
    assert found.status == "done"
    assert (found.epochs, found.epochs_planned, found.seed) == (2, 2, 0)
    assert 0 <= found.acc_last <= found.acc_best_test <= 100
    assert 0 < found.epochs_s <= found.wall_time_s
    assert found.acc_val_best is not None
    assert found.acc_test_at_best_val is not None
    assert found.parameters > 0
    assert found.train_samples_per_s > 0
    assert found.data["data_hash"]
    assert found.data["split_hash"]
    assert found.firing_rates
    assert all(0 <= rate <= 1 for rate in found.firing_rates.values())
    assert found.operations["sop"] > 0
    assert found.operations["energy_mj"] > 0
    assert found.choices["model"] == "spiking_resnet_tiny"
    rows = list(csv.DictReader((only_run(finished) / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]


def test_same_command_again_does_nothing(finished, small, capsys):
    before = (only_run(finished) / "run.json").read_bytes()
    assert main(["train", *small, "train.epochs=2", "data.val_fraction=0.1", f"paths.runs={finished}"]) == 0
    assert "done already" in capsys.readouterr().out
    assert (only_run(finished) / "run.json").read_bytes() == before


def test_tables_and_keep_take_the_run(finished, tmp_path, capsys):
    assert main(["keep", f"run={only_run(finished)}", f"out={tmp_path / 'records'}"]) == 0
    assert main(["tables", f"records={tmp_path / 'records'}", f"out={tmp_path / 'tables'}"]) == 0
    assert "digits" in (tmp_path / "tables" / "runs.md").read_text()


def test_grid_survives_a_crash_and_skips_what_is_done(small, tmp_path, capfd):
    """The first job crashed before and crashes again, the second is new, the third is done."""
    job = [*small, "train.epochs=1", f"paths.runs={tmp_path}"]
    assert [main(["train", *job, f"optimizer.lr={lr}"]) for lr in ("0.05", "3e38")] == [0, 1]
    before = {path: path.read_bytes() for path in tmp_path.rglob("run.json")}
    capfd.readouterr()
    assert main(["train", "-m", *job, "optimizer.lr=3e38,0.02,0.05"]) == 1
    out, error = capfd.readouterr()
    assert "2 of 3 jobs done" in out
    assert "done already" in out
    assert "failed:" in error
    assert "lr=3e" in error
    records = {path: load_record(path).status for path in tmp_path.rglob("run.json")}
    assert sorted(records.values()) == ["done", "done", "failed"]
    untouched = [path for path, content in before.items() if path.read_bytes() == content]
    assert [records[path] for path in untouched] == ["done"]


def test_grid_with_a_bad_job_starts_none(small, tmp_path, capsys):
    command = ["train", "-m", *small, "neuron.tau=2.0,0.5", f"paths.runs={tmp_path}"]
    assert_refused(command, "neuron.tau=0.5", tmp_path, capsys)


def test_wandb_offline_keeps_the_config(small, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    options = ["train.epochs=1", "log.wandb=true", "log.tensorboard=true", f"paths.runs={tmp_path}"]
    assert main(["train", *small, *options]) == 0
    (binary,) = tmp_path.rglob("*.wandb")
    patience = time.monotonic() + 60  # W&B's own process writes the file, on a busy machine after `finish`
    while b"spiking_resnet" not in binary.read_bytes() and time.monotonic() < patience:
        time.sleep(0.1)
    assert b"spiking_resnet" in binary.read_bytes()
    assert list(tmp_path.rglob("events.out.tfevents*"))
