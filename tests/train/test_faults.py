"""What goes wrong in a long run: kill -9, Ctrl-C, a loss that explodes, a bad checkpoint."""

import os
import re
import signal
import time

import pytest
import torch

from snnbench.cli.main import main
from tests.train.conftest import only_run, record


def weights(root):
    return torch.load(only_run(root) / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def wait_for(path_of, seconds=90):
    deadline = time.time() + seconds
    while time.time() < deadline:
        if path_of():
            return
        time.sleep(0.02)
    pytest.fail("the run did not get so far")


def test_kill_9_then_resume_is_the_same_run(small, start, tmp_path):
    """With a moving average of the weights, the most that a checkpoint holds."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = ["train.epochs=4", "augment=crop_flip", "augment.crop_padding=1", "train.ema=0.9"]
    victim, _ = start(*options, f"paths.runs={killed}")
    wait_for(lambda: list(killed.rglob("last.ckpt")))
    victim.kill()
    victim.join()
    assert record(only_run(killed))["status"] == "running"
    second, log = start(*options, f"paths.runs={killed}")
    second.join(120)
    out = log.read_text()
    assert second.exitcode == 0, out
    assert re.search(r"resuming after epoch \d of 4, into", out)
    assert main(["train", *small, *options, f"paths.runs={whole}"]) == 0
    expected, found = weights(whole), weights(killed)
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert record(only_run(killed))["acc_last"] == record(only_run(whole))["acc_last"]


def test_ctrl_c_leaves_a_record(start, tmp_path):
    process, log = start("train.epochs=200", f"paths.runs={tmp_path}")
    wait_for(lambda: list(tmp_path.rglob("last.ckpt")))
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130, log.read_text()
    found = record(only_run(tmp_path))
    assert found["status"] == "interrupted"
    assert found["epochs"] >= 1
    assert found["acc_last"] is not None


def test_exploding_loss_names_step_and_layer(small, tmp_path, capsys):
    assert main(["train", *small, "train.epochs=2", "optimizer.lr=3e38", f"paths.runs={tmp_path}"]) == 1
    error = capsys.readouterr().err
    assert "the loss is" in error
    assert "step" in error
    found = record(only_run(tmp_path))
    assert found["status"] == "failed"
    assert "NonFiniteLoss" in found["error"]
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("bad", ["missing", "garbage", "other"])
def test_bad_checkpoint_is_one_sentence(small, tmp_path, capsys, bad):
    path = tmp_path / "x.ckpt"
    if bad == "garbage":
        path.write_bytes(b"not a checkpoint")
    if bad == "other":
        torch.save({"snnbench": {"recipe_hash": "0123456789"}}, path)
    assert main(["train", *small, f"train.ckpt_path={path}", f"paths.runs={tmp_path / 'runs'}"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_several_devices_without_a_launcher_are_refused(small, tmp_path, capsys):
    assert main(["train", *small, "train.devices=2", f"paths.runs={tmp_path / 'runs'}"]) == 2
    printed = capsys.readouterr()
    assert "torchrun" in printed.err
    assert printed.out == ""
    assert not (tmp_path / "runs").exists()
    assert "WORLD_SIZE" not in os.environ
