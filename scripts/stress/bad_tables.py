"""Make damaged CSV files, and hostile data sets and plugins."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import pickle
from collections.abc import Iterator

import numpy as np

from scripts.stress.attempt import CANARY
from scripts.stress.bad_overrides import CODE, train
from scripts.stress.bad_records import CURVES, Evil, damaged, good_record
from scripts.stress.case import FOLDER, Case
from snnbench.bench_rows import FILES
from snnbench.data.sources import CIFAR10, CIFAR100
from snnbench.tables.reported import COLUMNS

TABLES = ["tables", "records=run", "reported=published", "bench=bench", "out=out"]
ROW = {"id": "i", "value": "93.0", "verified": "yes", "year": "2024", "T": "4", "same_as": ""}


def csv_cases() -> Iterator[Case]:
    run = {"run/run.json": json.dumps(good_record()).encode(), "published": FOLDER, "bench": FOLDER}
    for name, whole in CURVES.items():
        cells = {
            "text": whole.replace(b"2.", b"x"), "infinite": whole.replace(b"2.", b"1e999"),
            "huge": whole.replace(b"\n0,", b"\n" + b"9" * 5000 + b","), "no rows": whole.split(b"\n")[0],
            "no column": whole.replace(b"epoch", b"x"),
        }  # fmt: skip
        for what, content in (damaged(whole) | cells).items():
            arguments = ["plot", "run=run", "out=out/p.svg"]
            yield Case(f"plot: {name} {what}", arguments, False, run | CURVES | {name: content}, ("out",))
    row = dict.fromkeys(COLUMNS, "x") | ROW
    bad = ["", "=1+1", "nan", "x" * 200_000]
    cells = {f"{key} {value[:9]!r}": _csv([row | {key: value}]) for key in COLUMNS for value in bad}
    for what, content in (damaged(_csv([row])) | cells).items():
        yield Case(f"tables: published {what}", TABLES, False, run | {"published/rows.csv": content}, ("out",))
    for name, columns in FILES.items():
        for what, content in damaged(_csv([dict.fromkeys(columns, "1") | {"status": "ok", "size": "full"}])).items():
            files = run | {f"bench/{name}.csv": content}
            yield Case(f"bench: {name}.csv {what}", ["bench", "render=true", "out=bench"], False, files, ("bench",))
            yield Case(f"tables: {name}.csv {what}", TABLES, False, files, ("out",))


def _csv(rows: list[dict]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def data_cases() -> Iterator[Case]:
    """Data files that would run code when unpickled, also with a checksum that the user accepted."""
    batch = {"data": Evil(), "labels": [0], "fine_labels": [0]}
    for what, content in (("evil", pickle.dumps(Evil(), 2)), ("evil in a batch", pickle.dumps(batch, 2))):
        for source in (CIFAR10, CIFAR100):
            files = {f"own/{source.folder}/{name}": content for name, _ in source.files}
            accepted = f"data.accept_md5=[{hashlib.md5(content).hexdigest()}]"
            for more in ([], [accepted]):
                arguments = train([f"data={source.name}", "paths.data=own", *more])
                yield Case(f"data: {source.name} {what} {len(more)}", arguments, files=files)
    objects = io.BytesIO()
    np.save(objects, np.array([Evil()], dtype=object), allow_pickle=True)
    folders = [f"own/DVSGesture/ibmGesture{part}/user{n}_led" for part, n in (("Train", 1), ("Test", 24))]
    files = {f"{folder}/{label}.npy": objects.getvalue() for folder in folders for label in range(11)}
    yield Case("data: evil gestures", train(["data=dvs_gesture", "paths.data=own"]), files=files)


def plugin_cases() -> Iterator[Case]:
    """Bad YAML files and modules of a plugin."""
    target = b"_target_: stranger.mine.Mine\n"
    yamls = {
        "code": f"!!python/object/apply:os.system ['touch {CANARY}']".encode(), "empty": b"", "a list": b"- 1\n",
        "code in a value": target + f"tau: {CODE}\n".encode(), "arguments": target + f"_args_: [{CODE}]\n".encode(),
        "no target": b"tau: 2.0\n", "a text": b"hello\n", "binary": b"\x00\xff\xfe", "unclosed": b"_target_: [x\n",
        "tabs": b"\t_target_: x\n", "os": b"_target_: os.system\n", "infinite": target + b"tau: .inf\n",
        "anchors": b"a: &a [*a]\n", "unknown": target + b"x: 1\n", "wrong": target + b"tau: x\n",
        "defaults": b"defaults: [/etc/passwd]\n", "own": b"defaults: [toy]\n" + target,
        "a function": b"_target_: stranger.mine.run\n", "no module": b"_target_: stranger.none.Mine\n",
        "raises": b"_target_: stranger.raises.Mine\ntau: 2.0\n", "variable": target + b"tau: ${oc.env:HOME}\n",
        "resolver": target + b"tau: ${oc.create:1}\n",
    }  # fmt: skip
    mine = b"class Mine:\n    def __init__(self, site, surrogate, tau: float = 2.0):\n        pass\n"
    modules = {
        "stranger/__init__.py": b"",
        "stranger/mine.py": mine + f"def run(site, surrogate): open('{CANARY}', 'w')\n".encode(),
        "stranger/raises.py": b"raise ValueError('no\\nway')\n" + mine,
    }
    named = {"SNNBENCH_PLUGINS": "stranger"}
    for what, content in yamls.items():
        files = modules | {"stranger/configs/neuron/toy.yaml": content}
        yield Case(f"plugin: train with YAML {what}", train(["neuron=toy"]), files=files, environment=named)
        yield Case(f"plugin: list with YAML {what}", ["list", "neuron"], False, files, environment=named)
    for name in ("os", "nobody", "stranger.mine", "../x", "", ",", "snnbench", "1", "builtins", "xml"):
        yield Case(f"plugin {name!r}", train(["neuron.tau=nan"]), environment={"SNNBENCH_PLUGINS": name})
