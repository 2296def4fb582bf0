"""run.json: its schema, atomic writing, and one clear sentence for each way a record can be wrong."""

import json
import math

import pytest

from snnbench.errors import ConfigError
from snnbench.records import RunRecord, keep, load_record, load_records, write_record

from .records_of import record


def test_a_record_survives_the_round_trip(tmp_path):
    write_record(tmp_path / "run.json", record(loss_last=math.nan, warnings=["a"], git_dirty=False))
    loaded = load_record(tmp_path / "run.json")
    assert isinstance(loaded, RunRecord)
    assert loaded.loss_last is None  # NaN is no JSON
    assert loaded.acc_best_test == 93.0
    assert loaded.mean_firing_rate() == pytest.approx(0.15)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    write_record(tmp_path / "again.json", loaded)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "run.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "finished"}, "status"),
        ({"seed": "0"}, "'seed'"),
        ({"seed": True}, "'seed'"),
        ({"acc_last": "92"}, "'acc_last'"),
        ({"choices": None}, "'choices'"),
        ({"surprise": 1}, "'surprise'"),
        ({"config": {"neuron": {"_args_": [1]}}}, "underscore"),
        ({"acc_last": 1e300}, "'acc_last' is '1e.300' but must be a finite number"),
        ({"epochs": 10**400}, "'epochs' is .* but must be a finite number"),
        ({"firing_rates": {"a": [1]}}, r"'firing_rates.a' is '\[1\]' but must be a finite number"),
        ({"operations": {"sop": "x"}}, "'operations.sop'"),
        ({"device": {"name": 3}}, "'device.name' is '3' but must be a text"),
        ({"device": {"count": "2"}}, "'device.count'"),
        ({"data": {"data_hash": []}}, "'data.data_hash'"),
        ({"data": {"other_md5": ["x"]}}, "'data.other_md5'"),
        ({"deviations": {"T": 4}}, "'deviations.T'"),
        ({"config": {"train": "x"}}, "'config.train' is 'x' but must be a section with keys"),
        ({"config": {"neuron": ["x"]}}, "'config.neuron'"),
    ],
)
def test_wrong_values_are_refused_and_nothing_is_written(tmp_path, change, words):
    with pytest.raises(ConfigError, match=words):
        write_record(tmp_path / "run.json", record(**change))
    assert not list(tmp_path.iterdir())


def test_damaged_missing_and_incomplete_files(tmp_path):
    path = tmp_path / "run.json"
    with pytest.raises(ConfigError, match="cannot be read"):
        load_record(path)
    path.write_text('{"run_id": "r')
    with pytest.raises(ConfigError, match="damaged"):
        load_record(path)
    path.write_text("[]")
    with pytest.raises(ConfigError, match="damaged"):
        load_record(path)
    values = record()
    del values["config_hash"]
    path.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match="'config_hash' is missing"):
        load_record(path)
    with pytest.raises(ConfigError, match="does not exist"):
        load_records(tmp_path / "nowhere")


def test_a_failed_write_leaves_the_old_record(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write_record(path, record(seed=1))
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_record(path, record(seed=2))
    assert load_record(path).seed == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_keep_copies_finished_and_failed_runs_only(tmp_path):
    run, kept = tmp_path / "run", tmp_path / "records"
    write_record(run / "run.json", record(experiment="survey/cifar10_lif", seed=3))
    target = keep(run, kept)
    assert target == kept / "survey" / "cifar10_lif" / "c0ffee-s3.json"
    write_record(run / "run.json", record(status="failed", error="NaN", seed=4))
    assert keep(run, kept) == kept / "demo" / "c0ffee-s4.json"
    assert {r.seed for r in load_records(kept)} == {3, 4}
    write_record(run / "run.json", record(status="running"))
    with pytest.raises(ConfigError, match="still running"):
        keep(run, kept)


def test_only_records_are_read_in_a_folder_of_runs(tmp_path):
    write_record(tmp_path / "a" / "run.json", record())
    (tmp_path / "a" / "eval.json").write_text("{}")
    assert len(load_records(tmp_path)) == 1
