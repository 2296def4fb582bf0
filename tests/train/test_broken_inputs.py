"""Broken files and folders, through the command line: one clear sentence, exit code 2, nothing half-written."""

import json
import pickle
import shutil
import zipfile

import pytest
import torch
from PIL import Image

from snnbench.cli.main import main
from snnbench.config.compose import compose
from snnbench.config.paths import configs_dir
from snnbench.data.sources import CIFAR10
from tests.tables.records_of import record
from tests.train.conftest import SMALL

ARCHIVE = CIFAR10.archives[0].file
NEURON = """
from snnbench.neurons.integrate_fire import IF


class Mine(IF):
    pass
"""


def run_folder(place, *overrides):
    """Where `snnbench train` with the small network and these overrides puts its run."""
    return compose([*SMALL, *overrides, f"paths.runs={place / 'runs'}"]).identity.folder


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def train(place, *overrides):
    return ["train", *SMALL, "log.progress=lines", f"paths.data={place}", f"paths.runs={place / 'runs'}", *overrides]


# Each breaks something in the folder `place` and returns the command that meets it and a word of what it must say.


def data_folder_missing(place, monkeypatch):
    return train(place, "data=cifar10"), "snnbench data prepare cifar10"


def cifar_batch_missing(place, monkeypatch):
    write(place / CIFAR10.folder / "data_batch_2", b"")
    return train(place, "data=cifar10"), "has no file 'data_batch_1'"


def cifar_batch_truncated(place, monkeypatch):
    write(place / CIFAR10.folder / "data_batch_1", pickle.dumps({"data": [0] * 3072})[:-5])
    return train(place, "data=cifar10"), "is damaged or another copy"


def archive_of_another_md5(place, monkeypatch):
    with zipfile.ZipFile(place / ARCHIVE, "w") as archive:
        archive.writestr("data_batch_1", "x")
    return ["data", "prepare", "cifar10", f"root={place}"], "has MD5"


def archive_empty(place, monkeypatch):
    write(place / ARCHIVE, b"")
    return ["data", "prepare", "cifar10", f"root={place}"], "is empty"


def archive_folder_without_archives(place, monkeypatch):
    return ["data", "prepare", "cifar10", f"root={place / 'data'}", f"archives={place}"], f"has none of {ARCHIVE}"


def event_cache_truncated(place, monkeypatch):
    assert main(["data", "prepare", "digits_dvs", f"root={place}"]) == 0
    (events,) = place.rglob("events.npy")
    events.write_bytes(events.read_bytes()[:-100])
    return train(place, "data=digits_dvs"), "delete this folder"


def event_recordings_incomplete(place, monkeypatch):
    write(place / "CIFAR10DVS" / "cat" / "cifar10_cat_0.aedat", b"#!AER-DAT2.0\r\n\x00")
    return train(place, "data=cifar10_dvs"), "expected numbers 0 to 999"


def event_recording_cut_off(place, monkeypatch):
    monkeypatch.setattr("snnbench.data.nmnist.NMNIST.expected", (10, 10))
    for part in ("Train", "Test"):
        for digit in range(10):
            write(place / "NMNIST" / part / str(digit) / "00001.bin", b"\x00" * (5 if digit < 9 else 4))
    return train(place, "data=nmnist"), "00001.bin"


def imagenet_class_empty(place, monkeypatch):
    for part in ("train", "val"):
        (place / "imagenet" / part / "n01").mkdir(parents=True)
    return train(place, "data=imagenet", "data.num_classes=1"), "holds no JPEG"


def checkpoint_cut_off(place, monkeypatch):
    path = run_folder(place) / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    torch.save({"state_dict": {"w": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:-200])
    return train(place), "cannot be read as a checkpoint"


def checkpoint_of_another_configuration(place, monkeypatch):
    torch.save({"snnbench": {"config_hash": "0123456789"}}, place / "other.ckpt")
    return train(place, f"train.ckpt_path={place / 'other.ckpt'}"), "another configuration (0123456789"


def checkpoint_that_is_no_mapping(place, monkeypatch):
    torch.save(torch.zeros(3), place / "tensor.ckpt")
    return train(place, f"train.ckpt_path={place / 'tensor.ckpt'}"), "cannot be read as a checkpoint"


def own_record_is_not_json(place, monkeypatch):
    write(run_folder(place) / "run.json", '{"status": "do')
    return train(place), "is damaged"


def eval_of_a_record_that_is_not_json(place, monkeypatch):
    write(place / "run.json", "not json")
    return ["eval", f"run={place}"], "is damaged"


def eval_of_a_checkpoint_that_is_none(place, monkeypatch):
    write(place / "run.json", json.dumps(record(config=compose(SMALL).config)))
    write(place / "checkpoints" / "last.ckpt", b"garbage")
    return ["eval", f"run={place}"], "cannot be read as a checkpoint"


def eval_of_another_networks_checkpoint(place, monkeypatch):
    write(place / "run.json", json.dumps(record(config=compose(SMALL).config)))
    (place / "checkpoints").mkdir()
    torch.save({"state_dict": {"w": torch.zeros(3)}}, place / "checkpoints" / "last.ckpt")
    return ["eval", f"run={place}"], "does not fit the network"


def eval_of_a_record_with_half_a_configuration(place, monkeypatch):
    write(place / "run.json", json.dumps(record(config={"T": 4})))
    write(place / "checkpoints" / "last.ckpt", b"garbage")
    return ["eval", f"run={place}"], "name is missing"


def keep_of_a_folder_without_a_record(place, monkeypatch):
    return ["keep", f"run={place}", f"out={place / 'kept'}"], "run.json cannot be read"


def keep_of_an_unfinished_run(place, monkeypatch):
    write(place / "run.json", json.dumps(record(status="running")))
    return ["keep", f"run={place}", f"out={place / 'kept'}"], "still running"


def tables_of_an_incomplete_record(place, monkeypatch):
    write(place / "a" / "run.json", json.dumps({"run_id": "r", "status": "done"}))
    return ["tables", f"records={place}", f"out={place / 'tables'}"], "key 'name' is missing"


def tables_of_a_record_in_another_encoding(place, monkeypatch):
    write(place / "a" / "run.json", b"\xff\xfe{}")
    return ["tables", f"records={place}", f"out={place / 'tables'}"], "is damaged"


def tables_of_a_published_row_without_source(place, monkeypatch):
    write(place / "rows.csv", "id,value\nx,93.0\n")
    (place / "records").mkdir()
    command = ["tables", f"records={place / 'records'}", f"reported={place}", f"out={place / 'tables'}"]
    return command, "the header must be"


def plugin(place, monkeypatch, name, source):
    """A module of the user's own; each test needs another name, since modules are read once a process."""
    write(place / f"{name}.py", source)
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("SNNBENCH_PLUGINS", name)
    return component(place, monkeypatch, f"# Toy\n_target_: {name}.Mine\n")


def plugin_that_does_not_import(place, monkeypatch):
    source = "import a_module_that_nobody_has\n" + NEURON
    return plugin(place, monkeypatch, "plugin_a", source), "a_module_that_nobody_has"


def plugin_with_a_syntax_error(place, monkeypatch):
    return plugin(place, monkeypatch, "plugin_b", NEURON + "def half(:\n"), "plugin_b.py, line 7"


def plugin_without_the_class(place, monkeypatch):
    return plugin(place, monkeypatch, "plugin_c", NEURON.replace("Mine", "Yours")), "names nothing"


def plugin_package_that_is_not_there(place, monkeypatch):
    monkeypatch.setenv("SNNBENCH_PLUGINS", "a_package_that_nobody_has")
    text = "# Toy\n_target_: a_package_that_nobody_has.neurons.Mine\n"
    return component(place, monkeypatch, text), "no package of this name"


def component(place, monkeypatch, text):
    """A copy of the configs with one more neuron, `toy`."""
    shutil.copytree(configs_dir(), place / "configs")
    write(place / "configs" / "neuron" / "toy.yaml", text)
    for module in ("compose", "plugins"):
        monkeypatch.setattr(f"snnbench.config.{module}.configs_dir", lambda: place / "configs")
    return train(place, "neuron=toy")


def yaml_with_a_syntax_error(place, monkeypatch):
    return component(place, monkeypatch, "# Toy\n_target_: [snnbench.neurons.lif.LIF\ntau: 2.0\n"), "toy.yaml"


def yaml_that_is_a_list(place, monkeypatch):
    return component(place, monkeypatch, "# Toy\n- 1\n- 2\n"), "neuron"


def yaml_without_target(place, monkeypatch):
    return component(place, monkeypatch, "# Toy\ntau: 2.0\n"), "has no _target_"


def yaml_naming_no_class(place, monkeypatch):
    return component(place, monkeypatch, "# Toy\n_target_: snnbench.neurons.lif.Nobody\n"), "names nothing"


def yaml_with_an_unknown_argument(place, monkeypatch):
    text = "# Toy\n_target_: snnbench.neurons.lif.LIF\ntaux: 2.0\n"
    return component(place, monkeypatch, text), "the nearest is neuron.tau"


BREAKAGES = [
    data_folder_missing, cifar_batch_missing, cifar_batch_truncated, archive_of_another_md5, archive_empty,
    archive_folder_without_archives, event_cache_truncated, event_recordings_incomplete, event_recording_cut_off,
    imagenet_class_empty, checkpoint_cut_off, checkpoint_of_another_configuration, checkpoint_that_is_no_mapping,
    own_record_is_not_json, eval_of_a_record_that_is_not_json, eval_of_a_checkpoint_that_is_none,
    eval_of_another_networks_checkpoint, eval_of_a_record_with_half_a_configuration,
    keep_of_a_folder_without_a_record, keep_of_an_unfinished_run, tables_of_an_incomplete_record,
    tables_of_a_record_in_another_encoding, tables_of_a_published_row_without_source, plugin_that_does_not_import,
    plugin_with_a_syntax_error, plugin_without_the_class, plugin_package_that_is_not_there, yaml_with_a_syntax_error,
    yaml_that_is_a_list, yaml_without_target, yaml_naming_no_class, yaml_with_an_unknown_argument,
]  # fmt: skip


def tree(folder):
    """Every file below `folder` with its content; lock files are empty and may stay."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", ".pyc"))
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.parametrize("broken", BREAKAGES, ids=lambda function: function.__name__)
def test_broken_input_is_one_sentence_and_leaves_nothing(broken, tmp_path, monkeypatch, capsys):
    command, hint = broken(tmp_path, monkeypatch)
    before = tree(tmp_path)
    capsys.readouterr()
    assert main(command) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith("snnbench: ")
    assert hint in lines[0], lines[0]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_broken_in_the_middle_of_training_is_named(workers, tmp_path, capsys):
    """Nobody opens a million pictures before training: the run ends as failed, with the sentence in its record."""
    for part in ("train", "val"):
        for wnid in ("n01", "n02"):
            path = write(tmp_path / "imagenet" / part / wnid / "a.JPEG", b"")
            Image.new("RGB", (40, 40)).save(path, "JPEG")
    broken = write(tmp_path / "imagenet" / "train" / "n02" / "a.JPEG", b"\xff\xd8 not a picture")
    overrides = ["data=imagenet", "data.num_classes=2", "data.shape=[3,32,32]", "train.batch_size=2",
                 f"data.num_workers={workers}", "measure.operations=false"]  # fmt: skip
    assert main(train(tmp_path, *overrides)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    assert str(broken) in lines[0]
    (found,) = (tmp_path / "runs").rglob("run.json")
    assert json.loads(found.read_text())["status"] == "failed"
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["method=slayer", "objective=spike_time", "T=2"], "objective.first=2 leaves no target spike within T=2"),
        (["method=slayer", "objective=van_rossum", "T=4"], "objective.first=4 leaves no target spike within T=4"),
        (["method=slayer", "objective=num_spikes", "objective.stop=3.0", "T=2"], "no region within T=2"),
        (["encoder=column", "model=csnn_1d", "T=4"], "T=4, but images have 8 columns; set T=8"),
        ([*SMALL, "optimizer.momentum=0", "optimizer.nesterov=true"], "Nesterov momentum requires a momentum"),
        (["method=superspike", "model.hidden=[8,8]", "T=6"], "set T=7 or more"),
        (["method=slayer", "model.hidden=[8]", "neuron=cuba_lif", "T=2"], "T=2 is too short"),
        (["model=cuba_mlp_leaky", "model.hidden=[8]", "T=3"], "set T=4 or more"),
        ([*SMALL, "train.ckpt_path=''"], "train.ckpt_path= is no file"),
        ([*SMALL, "train.batch_size=100000", "data.drop_last=true"], "leaves no training batch"),
    ],
)
def test_values_that_do_not_fit_each_other_leave_no_run_behind(overrides, words, tmp_path, capsys):
    assert main(["train", *overrides, "train.accelerator=cpu", f"paths.runs={tmp_path / 'runs'}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert not (tmp_path / "runs").exists()


def test_a_device_that_is_not_there_leaves_no_run_behind(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["train", "train.accelerator=cuda", f"paths.runs={tmp_path / 'runs'}"]) == 2
    assert "no CUDA device is visible" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_checkpoint_in_another_pickle_protocol_is_one_sentence(tmp_path, capsys):
    path = write(tmp_path / "own.ckpt", pickle.dumps({"state_dict": {}}, protocol=4))
    assert main(["train", *SMALL, f"train.ckpt_path={path}", f"paths.runs={tmp_path / 'runs'}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert str(path) in line
