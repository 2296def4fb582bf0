"""Make damaged and hostile run folders (records and checkpoints) for every command that reads them."""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections.abc import Iterator
from functools import cache

from scripts.stress.attempt import CANARY
from scripts.stress.bad_overrides import BASE, train
from scripts.stress.case import FOLDER, Case
from snnbench.axes import AXES
from snnbench.config import identity
from snnbench.config.compose import compose

CALL = {"_target_": "os.system", "_args_": [f"touch {CANARY}"]}
GIT = {"_target_": "snnbench.train.provenance._git", "_args_": [".", "-c", f"alias.x=!touch {CANARY}", "x"]}
TAUGHT = train(["teacher=run", "objective=kd_response", "teacher.run=run"])
READERS = {
    "eval": ["eval", "run=run"],
    "keep": ["keep", "run=run", "out=out"],
    "plot": ["plot", "run=run", "out=out/p.png"],
    "tables": ["tables", "records=run", "out=out"],
    "teacher": TAUGHT,
}
CURVES = {
    "run/metrics.csv": b"epoch,loss,acc_train,acc_test,acc_val,loss_test,loss_val\n0,2.3,10.0,11.0,,2.2,\n",
    "run/parameters.csv": b"epoch,layer,name,mean,min,max\n0,a,tau,2.0,1.0,3.0\n",
}


class Evil:
    """The content of a hostile pickle: reading it runs a command."""

    def __reduce__(self):
        import os

        return os.system, (f"touch {CANARY}",)


CHECKPOINTS = {
    "evil": pickle.dumps(Evil(), protocol=2),
    "evil in a dict": pickle.dumps({"state_dict": Evil()}, protocol=2),
    "evil, protocol 4": pickle.dumps({"state_dict": Evil()}, protocol=4),
    "another pickle": pickle.dumps({"state_dict": [1]}, protocol=2),
    "empty": b"",
    "text": b"garbage",
    "zip": b"PK\x03\x04" + bytes(100),
}


@cache
def _composed():
    return compose([f"{key}={value}" for key, value in BASE.items() if not key.startswith("paths")])


def good_record() -> dict:
    """A record as `train` writes it for the small base configuration."""
    composed = _composed()
    config = copy.deepcopy(composed.config)
    return {
        "run_id": "r0", "status": "done", "name": "demo", "seed": 0, "config": config, "time_steps": 2, "epochs": 1,
        "choices": {axis: choice for axis, choice in composed.choices.items() if choice is not None},
        "config_hash": identity.config_hash(config), "recipe_hash": identity.recipe_hash(config), "epochs_planned": 1,
        "data": {"name": "Digits", "split": "fold 0 of 5", "split_hash": "0123456789"}, "acc_last": 92.5,
        "device": {"name": "cpu", "count": 1}, "acc_best_test": 93.0, "parameters": 100, "loss_last": 0.5,
        "firing_rates": {"a": 0.1}, "operations": {"sop": 1.0}, "wall_time_s": 1.0, "experiment": None,
    }  # fmt: skip


def damaged(whole: bytes) -> dict[str, bytes | str | None]:
    """Damaged versions of any file."""
    return {
        "empty": b"", "half": whole[: len(whole) // 2], "twice": whole + whole, "zeros": bytes(len(whole)),
        "utf-16": whole.decode().encode("utf-16"), "latin": b"\xff\xe9" + whole, "a folder": FOLDER,
        "a dangling link": "nowhere", "a link to its folder": ".", "null bytes": whole.replace(b",", b"\x00", 3),
        "long cell": whole + b"," + b"x" * 200_000, "html": b"<!DOCTYPE html><html>503</html>", "spaces": b" \n \n",
    }  # fmt: skip


def damaged_json(whole: bytes) -> dict[str, bytes | str | None]:
    return damaged(whole) | {
        "a list": b"[]", "null": b"null", "a number": b"3", "a text": b'"x"', "no keys": b"{}",
        "deep": b'{"a":' * 100_000, "a huge number": whole.replace(b"92.5", b"9" * 5000),
        "nan": whole.replace(b"92.5", b"NaN"), "infinite": whole.replace(b"92.5", b"1e999"),
        "surrogates": whole.replace(b'"demo"', b'"\\ud800"'), "escape": whole.replace(b'"demo"', b'"\\u001b[31m"'),
    }  # fmt: skip


def hostile_records(seed: int, per_key: int) -> Iterator[tuple[str, dict, bool]]:
    """Tuples (what is wrong, the record, whether only commands that use the key can refuse it)."""
    places = [
        "../../../ESCAPED",
        "{outside}/ESCAPED",
        "a/../../../ESCAPED",
        "..",
        "",
        "a\nb",
        "x" * 300,
        "\x00",
        "\ud800",
    ]
    for key in ("config_hash", "name", "experiment", "recipe_hash", "run_id"):
        for value in places[:4] if key == "experiment" else places:
            yield f"{key} {value[:30]!r}", good_record() | {key: value}, key in ("config_hash", "name", "experiment")
    for value in ("0", "../../ESCAPED", -1, 2**70, 10**400, 1.5, True, None, [0], {}):
        yield f"seed {str(value)[:30]}", good_record() | {"seed": value}, True
    attacks = [("_target_", "os.system"), ("_target_", GIT["_target_"]), ("_args_", [GIT]), ("deep", {"a": [CALL]})]
    for axis in AXES:
        for key, value in attacks:
            yield f"config.{axis}.{key}", _with(f"{axis}.{key}", value), True
    for key in ("paths", "train", "log", "T", "seed", "data", "model"):
        for value in (None, [], "x", CALL):
            yield f"config.{key} {str(value)[:30]}", _with(key, value), True
    rng = random.Random(f"records/{seed}")
    values = [
        None,
        "x",
        "=1+1",
        -1,
        2**70,
        1.5,
        True,
        [],
        {},
        [[1]],
        {"a": {"b": "x"}},
        {"a": None},
        {"x\n|": 1e308},
        CALL,
    ]
    for key in good_record():
        for value in rng.sample(values, per_key):
            yield f"{key} {str(value)[:30]}", good_record() | {key: value}, False


def _with(key: str, value: object) -> dict:
    record = good_record()
    *path, leaf = f"config.{key}".split(".")
    node = record
    for part in path:
        node[part] = node.get(part) or {}
        node = node[part]
    node[leaf] = value
    return record


def record_cases(seed: int, per_key: int) -> Iterator[Case]:
    whole = json.dumps(good_record()).encode()
    others = {f"run/checkpoints/{name}.ckpt": CHECKPOINTS["evil"] for name in ("last", "best")} | CURVES
    for command, arguments in READERS.items():
        uses_all = command in ("eval", "teacher")
        for what, content in damaged_json(whole).items():
            files = others | {"run/run.json": content}
            yield Case(f"{command}: record {what}", arguments, uses_all, files, ("out",))
        for what, record, is_bad in hostile_records(seed, per_key):
            refuse = is_bad and (uses_all or (command == "keep" and not what.startswith("config.")))
            files = others | {"run/run.json": json.dumps(record).encode()}
            yield Case(f"{command}: record with {what}", arguments, refuse, files, ("out",))


def checkpoint_cases() -> Iterator[Case]:
    run = json.dumps(good_record()).encode()
    for what, content in CHECKPOINTS.items():
        files = {"run/run.json": run, "run/checkpoints/last.ckpt": content, "own.ckpt": content}
        yield Case(f"eval: checkpoint {what}", READERS["eval"], files=files)
        yield Case(f"eval: checkpoint file {what}", ["eval", "run=run", "checkpoint=own.ckpt"], files=files)
        yield Case(f"train: ckpt_path {what}", train(["train.ckpt_path=own.ckpt"]), files=files)
        yield Case(f"teacher: checkpoint {what}", TAUGHT, files=files)
