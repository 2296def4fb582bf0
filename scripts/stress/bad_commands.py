"""Bad arguments for every command: unknown and missing keys, files where folders belong, folders where files belong."""

from __future__ import annotations

import json
from collections.abc import Iterator

from scripts.stress.bad_overrides import train
from scripts.stress.bad_records import CURVES, good_record
from scripts.stress.case import FOLDER, Case
from snnbench.cli.main import COMMANDS

GIVEN = {  # a valid command, which each case changes
    "eval": {"run": "run", "checkpoint": "last"},
    "keep": {"run": "run", "out": "out"},
    "plot": {"run": "run", "out": "out/p.png"},
    "tables": {"records": "run", "reported": "published", "bench": "bench", "out": "out"},
    "bench": {"render": "true", "out": "bench"},
    "data": {"root": "data", "archives": "archives"},
}
LEADING = {"data": ["prepare", "digits_dvs"]}
NO_PATH = ("checkpoint", "render")
FILES = {
    "run/run.json": json.dumps(good_record()).encode(), "file": b"x", "folder": FOLDER, "folder.png": FOLDER,
    "published": FOLDER, "bench": FOLDER, "link": "nowhere", "loop": "loop", **CURVES,
}  # fmt: skip
PLACES = [
    "nowhere", "file", "file/x", "folder", "link", "loop", "x" * 300, "a\nb", "\x00", "\udcff", "", " ", ".", "..", "/",
    "/dev/null", "/dev/full", "/proc/1/mem", "{outside}/nowhere", "~", "$HOME", "=x", "ümläut",
]  # fmt: skip
OUTSIDE = {"{outside}/nowhere": ("../outside/nowhere",), "..": ("..",)}  # the command names these and may write there
WORDS = [
    "nonsense",
    "nonsense=1",
    "--nonsense",
    "-x",
    "",
    "=",
    "=x",
    "run",
    "a=b=c",
    "\x00",
    "ümläut=1",
    "-m",
    "Run=run",
]
BENCH = {
    "work": ["", "nothing", "csnn,", ",", "CSNN", "csnn csnn"], "engine": ["", "nothing", "ours,", "../x", "os"],
    "kernel": ["", "nothing"], "curve": ["", "nothing", "t"], "repeats": ["", "0", "-1", "1.5", "nan", "x", "1e3", "²"],
    "limit_s": ["", "0", "-1", "nan", "x"], "size": ["", "Full", "huge"], "device": ["", "gpu", "cuda:7", "tpu"],
    "thorough": ["", "yes", "1"], "render": ["", "yes", "True"],
}  # fmt: skip
LIST = [
    "nothing",
    "neurons",
    "neuron=",
    "neuron=nothing",
    "neuron=../x",
    "=",
    "",
    "neuron=[",
    "neuron=zz**",
    "a b",
    "Neuron",
    "lif",
]
DATA = ["nothing", "", "cifar", "../x", "CIFAR10", "digits,mnist", "a=b", "--help=1"]


def command_cases() -> Iterator[Case]:
    for name, keys in GIVEN.items():
        call = [name, *LEADING.get(name, ())]
        whole = [f"{key}={value}" for key, value in keys.items()]
        for word in WORDS:
            yield Case(f"{name}: argument {word!r}", [*call, *whole, word], True, FILES)
        for key in keys:
            others = [f"{k}={v}" for k, v in keys.items() if k != key]
            if key == "run":
                yield Case(f"{name}: without {key}", [*call, *others], True, FILES)
            for place in PLACES if key not in NO_PATH else ():
                yield Case(
                    f"{name}: {key}={place[:30]!r}", [*call, *others, f"{key}={place}"], False, FILES, _may_write(place)
                )
    yield from _places()
    for key, values in BENCH.items():
        for value in values:
            yield Case(f"bench: {key}={value!r}", ["bench", "size=tiny", "out=out", f"{key}={value}"], True, FILES)
    for out in ("p.txt", "p", ".png", "folder.png", "file/p.png", "p.PNG", "p.png/"):
        yield Case(f"plot: out={out}", ["plot", "run=run", f"out={out}"], False, FILES, ("",))
    for word in LIST:
        yield Case(f"list: {word!r}", ["list", word], True, FILES)
    for word in DATA:
        yield Case(f"data: prepare {word!r}", ["data", "prepare", word], True, FILES)
    for words in (["data"], ["data", "x"], ["data", "prepare"], ["data", "prepare", "--root"], ["data", "digits"]):
        yield Case(" ".join(words), words, True, FILES)
    for word in ("x", "Train", "--x", "-m", "train=1", " ", "\x00", "", *(f"{name}x" for name in COMMANDS)):
        yield Case(f"command {word!r}", [word], True, FILES)


def _places() -> Iterator[Case]:
    """Cases with bad paths in a configuration and for a checkpoint."""
    taught = ["teacher=run", "objective=kd_response"]
    keys = {"paths.runs": [], "paths.data": ["data=mnist"], "train.ckpt_path": [], "start.run": [],
            "teacher.run": taught}  # fmt: skip
    for place in PLACES:
        yield Case(f"eval: checkpoint={place[:30]!r}", ["eval", "run=run", f"checkpoint={place}"], True, FILES)
        quoted = "'" + place.replace("'", "\\'") + "'"
        for key, more in keys.items():
            arguments, refuse = train([*more, f"{key}={quoted}"]), key != "paths.runs"
            yield Case(f"train: {key}={place[:30]!r}", arguments, refuse, FILES, _may_write(place))


def _may_write(place: str) -> tuple[str, ...]:
    return ("", *OUTSIDE.get(place, ()))
