"""Which epoch is the best one: chosen on the validation split where there is one, else on the test set."""

import pytest
import torch

from snnbench.cli.main import main
from snnbench.teachers.recorded import RunTeacher
from snnbench.train.meters import Meter
from snnbench.train.task import Task
from tests.train.conftest import SMALL, only_run, record

RUN = ["train", *SMALL, "measure.operations=false", "log.progress=lines", "train.epochs=3",
       "train.limit_train_batches=1"]  # fmt: skip
TEST, VAL = (30.0, 10.0, 20.0), (40.0, 60.0, 50.0)  # by epoch


@pytest.fixture
def scripted(monkeypatch):
    """Accuracies as above, whatever the network does."""
    end = Task.on_validation_epoch_end

    def on_validation_epoch_end(self):
        for name, meter in self.eval_meters.items():
            accuracy = {"test": TEST, "val": VAL}[name][self.current_epoch]

            def stop(strategy, meter=meter, accuracy=accuracy):
                Meter.stop(meter, strategy)
                meter.accuracy = accuracy

            meter.stop = stop
        end(self)

    monkeypatch.setattr(Task, "on_validation_epoch_end", on_validation_epoch_end)


@pytest.mark.parametrize(("fraction", "best_on", "epoch"), [(0.0, "test", 1), (0.2, "val", 2)])
def test_best_checkpoint_record_and_console_agree(fraction, best_on, epoch, scripted, tmp_path, capsys):
    assert main([*RUN, f"data.val_fraction={fraction}", f"paths.runs={tmp_path}"]) == 0
    folder = only_run(tmp_path)
    found = record(folder)
    assert torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["epoch"] + 1 == epoch
    assert (found["best_on"], found["acc_best_test"], found["best_test_epoch"]) == (best_on, 30.0, 1)
    chosen = (60.0, 2, 10.0) if best_on == "val" else (None, None, None)
    assert (found["acc_val_best"], found["best_val_epoch"], found["acc_test_at_best_val"]) == chosen
    assert RunTeacher(run=str(folder), weights="best").about["acc_test"] == TEST[epoch - 1]
    said = capsys.readouterr().out
    assert ("10.00 % at the best validation epoch" in said) == (best_on == "val")
