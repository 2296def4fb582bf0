"""The newest checkpoint: seldom written where that is dear, the first and the last always, and whole."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from snnbench.train import checkpoints

EPOCHS = 50


@pytest.mark.parametrize(("seconds_to_write", "wanted"), [(0.0, EPOCHS), (0.5, 10), (100.0, 2)])
def test_writing_takes_a_small_share_of_the_time(monkeypatch, tmp_path, seconds_to_write, wanted):
    """Epochs of two seconds: 0.5 s to write is due after 10 s, so at every fifth epoch or sixth, and at the end."""
    clock, written = [0.0], []
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def write(self, trainer, task):
        clock[0] += seconds_to_write
        written.append(trainer.current_epoch)

    monkeypatch.setattr(ModelCheckpoint, "on_train_epoch_end", write)
    _, newest = checkpoints.checkpoints(tmp_path)
    alone = SimpleNamespace(broadcast=lambda decision: decision)
    for epoch in range(EPOCHS):
        clock[0] += 2.0
        newest.on_train_epoch_end(SimpleNamespace(current_epoch=epoch, max_epochs=EPOCHS, strategy=alone), None)
    assert (written[0], written[-1]) == (0, EPOCHS - 1)
    assert abs(len(written) - wanted) <= 1


def test_a_file_that_cannot_be_written_leaves_the_one_before(monkeypatch, tmp_path):
    io, path = checkpoints.DirectCheckpointIO(), tmp_path / "checkpoints" / "last.ckpt"
    io.save_checkpoint({"epoch": 0, "weight": torch.ones(3)}, path)

    def fail(checkpoint, file):
        Path(file).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        io.save_checkpoint({"epoch": 1}, path)
    assert io.load_checkpoint(path, weights_only=True)["epoch"] == 0
