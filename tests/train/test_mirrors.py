"""What loggers get: every number once, on one axis, and the training loss within an epoch."""

from collections import Counter

import pytest
from lightning.pytorch.loggers import Logger

from snnbench.cli.main import main
from snnbench.train import run as training
from tests.train.conftest import SMALL

RUN = ["train", *SMALL, "measure.operations=false", "log.progress=lines", "train.epochs=2",
       "train.limit_train_batches=4"]  # fmt: skip


class Recorder(Logger):
    """Keeps what it is told: [(step, names)]."""

    name = version = "recorder"

    def __init__(self):
        super().__init__()
        self.told = []

    def log_metrics(self, metrics, step=None):
        self.told.append((step, sorted(metrics)))

    def log_hyperparams(self, params, *args, **kwargs):
        pass


@pytest.mark.parametrize("options", [[], ["neuron=plif", "data.val_fraction=0.2"]], ids=["plain", "learnt, validated"])
def test_each_number_comes_once_and_steps_never_go_back(options, monkeypatch, tmp_path):
    mirror = Recorder()
    monkeypatch.setattr(training, "loggers", lambda *arguments: [mirror])
    assert main([*RUN, *options, "log.every_n_steps=3", f"paths.runs={tmp_path}"]) == 0
    steps = [step for step, _ in mirror.told]
    assert steps == sorted(steps)
    told = Counter((name, step) for step, names in mirror.told for name in names)
    assert set(told.values()) == {1}
    of = {name: [step for step, names in mirror.told if name in names] for name, _ in told}
    assert of["loss_step"] == [3, 6]  # over the epochs, whatever their length
    epochs = [name for name in of if name != "loss_step" and not name.startswith("learnt/")]
    assert {"acc_test", "acc_train", "loss", "epoch", "lr"} < set(epochs)
    assert all(of[name] == [4, 8] for name in epochs)
    assert all(of[name] == [0, 4, 8] for name in of if name.startswith("learnt/"))
