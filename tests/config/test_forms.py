"""Names, hashes and seeds become paths: whoever reads a record or a configuration checks their form first."""

import json

import pytest

from snnbench.config.check import check
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.forms import is_hash, is_name, is_seed, is_word
from snnbench.records import check_record, keep, load_record, load_records
from tests.tables.records_of import record

BAD_NAMES = ["", ".", "..", "../x", "../../x", "/abs", "a/../b", "a//b", "a/", "/", "a/.b", ".hidden", "-m", "=1+1",
             "+x", "@x", "a\\b", "a\nb", "a\0b", "a:b", "a|b", "a;b", "$HOME", "~/x", "a ", "a.", "x" * 300, "a/" * 200,
             "\u202eabc", "a\ud800"]  # fmt: skip
GOOD_NAMES = ["demo", "tet/cifar10_resnet19", "a b", "a=b", "Übung", "日本", "lr=0.1,tau=2", "x[1]", "v1.2", "_x", "0"]


def test_good_names_stay_below_their_folder(tmp_path):
    for name in GOOD_NAMES:
        assert is_name(name)
        assert (tmp_path / name).resolve().is_relative_to(tmp_path.resolve())
    assert not any(map(is_name, BAD_NAMES))
    assert not is_word("a/b")
    assert not is_name(3)


def test_hashes_and_seeds():
    assert is_hash("0123abcdef")
    assert not any(map(is_hash, ["", "../x", "a/b", "a.b", "a b", "a" * 65, "ä", "a\n", None, 3]))
    assert is_seed(0)
    assert is_seed(2**32 - 1)
    assert not any(map(is_seed, [-1, 2**32, 1.0, True, "0", None]))


WRONG = [
    *(("name", name) for name in BAD_NAMES),
    *(("experiment", name) for name in BAD_NAMES),
    *((key, value) for key in ("config_hash", "recipe_hash") for value in ("../../../x", "/tmp/x", "", "a/b", "a.b")),
    ("run_id", "../x"), ("seed", -1), ("seed", 2**32), ("choices", {"neuron": "../lif"}), ("choices", {"neuron": 3}),
    ("choices", {"../neuron": "lif"}), ("reproduces", "a\x1b[2J"), ("command", "a\nb"),
    ("config", {"T": float("inf")}), ("config", {"name": "a\x07"}), ("config", {"_x_": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG, ids=[f"{key}-{number}" for number, (key, _) in enumerate(WRONG)])
def test_no_reader_of_records_takes_another_form(key, value, tmp_path):
    values = record(**{key: "x"}) | {key: value}
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "run.json"
    path.write_text(json.dumps(values))
    before = sorted(tmp_path.rglob("*"))
    readers = [
        lambda: load_record(path), lambda: load_records(tmp_path), lambda: keep(path.parent, tmp_path / "kept"),
        lambda: check_record(values),
    ]  # fmt: skip
    for read in readers:
        with pytest.raises(ConfigError, match=key):
            read()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_kept_record_lies_below_its_folder(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(record(name="a b/c=d", config_hash="0a1b", seed=7)))
    assert keep(tmp_path, tmp_path / "kept") == tmp_path / "kept" / "a b" / "c=d" / "0a1b-s7.json"
    assert len(load_records(tmp_path / "kept")) == 1


def test_deeply_nested_json_is_a_damaged_record(tmp_path):
    for depth in (40, 900, 100_000):
        text = json.dumps(record()).replace('"config": {', '"config": {"x": ' + "[" * depth + "]" * depth + ", ")
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(ConfigError, match="nested too deeply"):
            load_record(tmp_path / "run.json")


def test_a_run_cannot_be_named_so():
    composed = compose([])
    for name in BAD_NAMES:
        with pytest.raises(ConfigError, match=r"^name="):
            check(composed.config | {"name": name}, composed.choices)
