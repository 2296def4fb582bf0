"""How often the newest checkpoint is written: dear ones seldom, the first and the last epoch's always. And how."""

import threading
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from snnbench.train import background, checkpoints
from snnbench.train.background import BackgroundCheckpointIO

EPOCHS = 50


@pytest.mark.parametrize(("seconds_to_write", "wanted"), [(0.0, EPOCHS), (0.2, 10), (100.0, 2)])
def test_writing_takes_a_small_share_of_the_time(monkeypatch, tmp_path, seconds_to_write, wanted):
    """Epochs of two seconds: 0.2 s to write is due after 10 s, so at every fifth epoch or sixth, and at the end."""
    clock, written = [0.0], []
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def write(self, trainer, task):
        clock[0] += seconds_to_write
        written.append(trainer.current_epoch)

    monkeypatch.setattr(ModelCheckpoint, "on_train_epoch_end", write)
    _, newest = checkpoints.checkpoints(tmp_path, "test")
    alone = SimpleNamespace(broadcast=lambda decision: decision)
    for epoch in range(EPOCHS):
        clock[0] += 2.0
        newest.on_train_epoch_end(SimpleNamespace(current_epoch=epoch, max_epochs=EPOCHS, strategy=alone), None)
    assert (written[0], written[-1]) == (0, EPOCHS - 1)
    assert abs(len(written) - wanted) <= 1


def test_a_file_holds_what_was_when_it_was_asked_for_and_the_end_waits_for_it(monkeypatch, tmp_path):
    gate, write = threading.Event(), background._write
    monkeypatch.setattr(background, "_write", lambda *arguments: (gate.wait(10), write(*arguments)))
    io, weight, seen = BackgroundCheckpointIO(), torch.zeros(3), {"epochs": [1]}
    io.save_checkpoint({"weight": weight, "seen": seen}, tmp_path / "in" / "first.ckpt")
    weight.add_(1)
    seen["epochs"].append(2)
    assert not (tmp_path / "in").exists()
    threading.Timer(0.2, gate.set).start()
    found = io.load_checkpoint(tmp_path / "in" / "first.ckpt", weights_only=True)
    assert torch.equal(found["weight"], torch.zeros(3))
    assert found["seen"] == {"epochs": [1]}
    gate.clear()
    io.save_checkpoint({"weight": weight}, tmp_path / "in" / "last.ckpt")
    threading.Timer(0.2, gate.set).start()
    io.teardown()
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["first.ckpt", "last.ckpt"]
    assert torch.load(tmp_path / "in" / "last.ckpt", weights_only=True)["weight"].tolist() == [1, 1, 1]
