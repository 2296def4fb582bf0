"""What a run shows on a terminal of 80 columns: where it begins, each epoch, and what came of it."""

import logging
import re
import warnings

import pytest
from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator

from snnbench.cli.main import main
from snnbench.cli.summary import closing
from snnbench.config.compose import compose
from snnbench.records import RunRecord
from snnbench.train.bar import clock
from snnbench.train.launch import ALONE
from snnbench.train.plan import plan_run
from snnbench.train.run import train
from tests.tables.records_of import record as record_of
from tests.train.conftest import SMALL, only_run

RUN = ["train", *SMALL, "train.epochs=2", "train.limit_train_batches=3", "measure.operations=false"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown(text: str) -> list[str]:
    return [line.rstrip() for part in text.split("\n") for line in ESCAPES.sub("", part).split("\r") if line.strip()]


def test_the_bar_fits_a_terminal_and_leaves_a_line_an_epoch(tmp_path, capsys, monkeypatch):
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)
    assert main([*RUN, "log.progress=bar", f"paths.runs={tmp_path}"]) == 0
    lines = shown(capsys.readouterr().out)
    bars = [line for line in lines if line.startswith("epoch 1/2 ━")]
    assert any(re.search(r"loss [\d.]+  acc [\d.]+ %  [\d,]+/s  left \d+", line) for line in bars)
    epochs = [line for line in lines if re.match(r"epoch [12]/2  loss [\d.]+  train [\d.]+  test [\d.]+", line)]
    assert [line[:9] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    assert max(len(line) for line in [*bars, *epochs]) <= 80


def test_a_run_says_what_it_is_and_what_came_of_it(tmp_path, capsys):
    run = [*RUN, "log.progress=lines", f"paths.runs={tmp_path}"]
    assert main([*run, "neuron.v_th=1000.0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    folder = only_run(tmp_path)
    assert lines[0] == "spiking_resnet_tiny on digits by bptt"
    assert lines[2] == f"  2 epochs, into {folder}"
    after = lines[lines.index(next(line for line in lines if line.startswith("test accuracy"))) :]
    assert all("warning" not in line for line in lines[: -len(after)]), "a layer is judged when the run ends"
    assert any(line.startswith("warning: Layer") and "nearly dead" in line for line in after)
    assert f"  snnbench plot run={folder}" in after


def test_progress_off_leaves_the_end_alone(tmp_path, capsys):
    assert main([*RUN, "log.progress=off", f"paths.runs={tmp_path}"]) == 0
    assert capsys.readouterr().out.startswith("test accuracy")


def test_nothing_of_lightning_s_own_is_said(tmp_path, monkeypatch):
    """Its advice on srun comes where that program is installed, the line on CUDA_VISIBLE_DEVICES on a GPU."""
    said = []
    listener = logging.Handler(logging.DEBUG)
    listener.emit = lambda record: said.append(record.getMessage())
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.setattr(CPUAccelerator, "setup", lambda self, trainer: CUDAAccelerator.set_nvidia_flags(0))
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)  # as its import leaves them
        monkeypatch.setattr(logging.getLogger(name), "handlers", [listener])
    logging.getLogger("lightning.pytorch").manager._clear_cache()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        composed = compose([*RUN[1:], f"paths.runs={tmp_path}"])
        train(plan_run(composed, ALONE, None))  # whoever calls it, not only the command line
        assert main(["eval", f"run={composed.identity.folder}"]) == 0
    assert not said
    assert not [str(one.message) for one in warned if "lightning" in one.filename]


def record(**changes) -> RunRecord:
    ours = {"config": {"paths": {"runs": "runs"}}, "acc_last": 92.0, "acc_best_test": 92.5, "best_test_epoch": 3}
    return RunRecord(**record_of(**ours | changes))


def test_the_published_number_stands_beside_ours(tmp_path):
    row = {"reproduces": "survey/cifar10/lif/top1"}
    text = closing(record(**row), tmp_path)
    assert "published 92.98 % (survey/cifar10/lif/top1), difference of the best epoch -0.48\n" in text
    shorter = closing(record(**row | {"epochs": 20}, deviations={"neuron.tau": [2.0, 3.0]}), tmp_path)
    assert "the recipe has 256 epochs, this run 20; changed here: neuron.tau" in shorter
    assert "published 9" not in closing(record(), tmp_path)


@pytest.mark.parametrize(("seconds", "text"), [(3.4, "3 s"), (65, "1:05"), (7445, "2:04:05")])
def test_clock(seconds, text):
    assert clock(seconds) == text
