"""`snnbench eval`: on another machine, and of something else than the run's own last test."""

import json
import shutil

import numpy as np
import pytest
import torch

from snnbench.cli.main import main
from snnbench.config.evaluation import KEYS, file_name
from snnbench.data.base import Loaded
from snnbench.data.dataset import ArraySource
from snnbench.data.mnist import MNIST
from tests.train.conftest import SMALL, assert_refused, only_run, record
from tests.train.other_runs import edited

OWN = ["data.val_fraction=0.1", "augment=crop_flip", "augment.crop_padding=1", "neuron=masked_psn", "T=2",
       "neuron.masked_from=1.0"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    command = ["train", *SMALL, "train.epochs=2", "train.limit_train_batches=4", "log.progress=lines"]
    assert main([*command, *OWN, f"paths.runs={root / 'masked'}"]) == 0
    assert main([*command, f"paths.runs={root / 'plain'}"]) == 0
    return root


@pytest.fixture
def folder(trained, tmp_path):
    shutil.copytree(only_run(trained / "plain"), tmp_path / "run")
    return tmp_path / "run"


def written(folder):
    return {path.name: json.loads(path.read_text()) for path in folder.glob("eval*.json")}


def test_it_finds_the_recorded_accuracy_also_where_modules_follow_the_training(trained, tmp_path, capsys):
    """The mask of the last epoch was not closed yet; and both splits are tested."""
    folder = shutil.copytree(only_run(trained / "masked"), tmp_path / "run")
    assert main(["eval", f"run={folder}"]) == 0
    found, run = written(folder)["eval.json"], record(folder)
    assert found["acc_test"] == pytest.approx(run["acc_last"])
    assert found["firing_rates"] == pytest.approx(run["firing_rates"])
    assert found["changes"] == {}
    assert found["recorded"]["best validation epoch"] == run["acc_test_at_best_val"]
    assert f"best validation epoch {run['acc_test_at_best_val']:.2f} %" in capsys.readouterr().out
    assert main(["eval", f"run={folder}", "checkpoint=best"]) == 0
    best = written(folder)["eval-checkpoint-best.json"]
    assert best["acc_test"] == pytest.approx(run["acc_test_at_best_val"])
    assert best["acc_val"] == pytest.approx(run["acc_val_best"])
    assert written(folder)["eval.json"] == found


SAME = [
    "paths.data=elsewhere", "data.root=elsewhere", "data.num_workers=1", "data.resident=device", "kernels=reference",
    "train.accelerator=cpu", "train.devices=1", "train.eval_batch_size=100", "measure.samples=8",
    "measure.operations=false", "measure.mirrored=true", "measure.mac_pj=1.0", "measure.ac_pj=1.0",
]  # fmt: skip


def test_what_does_not_alter_the_result_writes_eval_json(folder):
    for override in SAME:
        assert main(["eval", f"run={folder}", override]) == 0, override
        found = written(folder)
        assert list(found) == ["eval.json"], override
        assert found["eval.json"]["acc_test"] == pytest.approx(record(folder)["acc_last"]), override
    tried = {override.split("=")[0] for override in SAME}
    assert {key for key in KEYS if key.split(".")[0] in ("paths", "kernels")} <= tried


def test_a_run_of_a_gpu_machine_is_tested_on_one_without(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    hardware = {"accelerator": "cuda", "precision": "bf16", "devices": 4}
    folder = edited(folder, tmp_path, **{f"config__train__{key}": value for key, value in hardware.items()})
    assert main(["eval", f"run={folder}"]) == 2
    assert "use train.accelerator=cpu" in capsys.readouterr().err
    assert main(["eval", f"run={folder}", "train.accelerator=cpu"]) == 0
    assert main(["eval", f"run={folder}", "train.accelerator=auto", "train.precision=fp32"]) == 0
    found = written(folder)
    assert set(found) == {"eval.json", "eval-precision-fp32.json"}
    assert found["eval-precision-fp32.json"]["acc_test"] == pytest.approx(record(folder)["acc_last"])
    assert found["eval-precision-fp32.json"]["changes"]["train.precision"] == ["bf16", "fp32"]


@pytest.mark.parametrize(
    ("overrides", "name", "changes"),
    [
        (["T=4"], "eval-T4.json", {"T": [2, 4]}),
        (["data.fold=1", "T=3"], "eval-T3-fold1.json", {"T": [2, 3], "data.fold": [0, 1]}),
        (["train.limit_test_batches=1"], "eval-limit_test_batches1.json", {"train.limit_test_batches": [None, 1]}),
        (["T=2"], "eval.json", {}),
    ],
)
def test_what_alters_it_gets_a_file_of_its_own(overrides, name, changes, folder):
    assert main(["eval", f"run={folder}", *overrides]) == 0
    found = written(folder)
    assert list(found) == [name]
    assert found[name]["changes"] == changes


def pictures(count, seed):
    rng = np.random.default_rng(seed)
    return ArraySource(rng.integers(0, 256, (count, 1, 28, 28), dtype=np.uint8), np.arange(count) % 10)


def test_other_data_and_other_content_of_the_same_data(folder, tmp_path, monkeypatch):
    content = iter("abc")
    loaded = Loaded(pictures(20, 0), np.arange(20), pictures(10, 1), np.arange(10), "")
    monkeypatch.setattr(MNIST, "load", lambda self: Loaded(*vars(loaded).values()))
    monkeypatch.setattr(MNIST, "data_hash", property(lambda self: next(content)), raising=False)
    assert main(["eval", f"run={folder}", "data=mnist", "data.num_workers=0", "data.mean=[0.5]", "data.std=[0.5]"]) == 0
    ((name, found),) = written(folder).items()
    assert found["changes"]["data"] == ["digits", "mnist"]
    assert found["data"]["name"] == "mnist"
    assert name.startswith("eval-data-mnist-mean")
    folder = edited(folder, tmp_path, data__data_hash="0123456789")
    assert main(["eval", f"run={folder}"]) == 0
    (other,) = set(written(folder)) - {name}
    assert other.startswith("eval-data_hash")
    assert written(folder)[other]["changes"]["data_hash"][0] == "0123456789"


REFUSED = {
    "train.acelerator=cpu": "the nearest is train.accelerator",
    "paths.dat=x": "the nearest is paths.data",
    "data.num_worker=2": "the nearest is data.num_workers",
    "measure.sample=2": "the nearest is measure.samples",
    "data=minst": "the nearest",
    "data.num_workers=-1": "must be",
    "data._target_=os.system": "data._target_",
    "data.shape.first=2": "data.shape.first",
    "data.none.first=2": "data.none.first",
    "T=0": "must be",
    "T=2,4": "several values",
    "T": "is not an override",
    "~T": "write key=value",
    "+T=3": "write key=value",
    "train.devices=2": "one process",
    "neuron.tau=3": "would be another network",
    "train.epochs=9": "would be another network",
    "neuron=plif": "would be another network",
    "seed=3": "would be another network",
    "paths.runs=x": "would be another network",
    "checkpoint=nowhere": "does not exist",
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_it_does_not_take_is_one_sentence(override, folder, capsys):
    assert_refused(["eval", f"run={folder}", override], REFUSED[override], folder, capsys)


def test_file_names_are_short_plain_and_of_their_own():
    assert file_name({}) == "eval.json"
    names = {file_name({"data.x": value}) for value in ("a/b", "a-b", "a b", "../b", "", None, [1, 2], "x" * 300)}
    assert len(names) == 8
    assert all(len(name) < 140 and set("/ ").isdisjoint(name) and name.startswith("eval-x") for name in names)
