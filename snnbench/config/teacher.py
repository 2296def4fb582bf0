"""Who the teacher of a configuration is: read from its run's record, refused if it cannot teach. Torch-free.

`teacher.identity` = "<recipe hash> <config hash>-s<seed> <digest of the weights>" stands for the teacher in a run's
hash, so that neither the spelling of `teacher.run` nor where the folder lies matters.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from snnbench.config.check import check
from snnbench.config.signature import component
from snnbench.errors import ConfigError
from snnbench.records import RunRecord, load_record

# Where data lies and how it is loaded; everything else of `data` says what is learnt and what is tested.
HOW_IT_IS_LOADED = ("root", "num_workers", "resident", "drop_last")


def identified(config: dict) -> dict:
    """The configuration with `teacher.identity` filled in, or as it is where no teacher is named.

    Raises:
        ConfigError: the teacher's run is missing, unfinished, of other data, or not the one that is asked for.
    """
    node = config.get("teacher")
    if node is None or node.get("run") is None:
        return config
    record = record_of(node["run"])
    _refuse_other_data(config, record)
    digest = weights_digest(checkpoint_of(node["run"], node["weights"]))
    identity = f"{record.recipe_hash} {record.run_id} {digest[:12]}"
    if node.get("identity") not in (None, identity):
        raise ConfigError(
            f"teacher.run={node['run']} is another teacher ({identity}) than teacher.identity={node['identity']}: "
            "give the folder of that one, or leave teacher.identity out"
        )
    return config | {"teacher": node | {"identity": identity}}


def require_named(config: dict) -> None:
    """Raises ConfigError if the configuration wants a teacher and nobody said which; a recipe leaves that open."""
    node = config.get("teacher")
    if node is None or node.get("run") is not None:
        return
    recipe = node.get("experiment")
    how = f"train one with `snnbench train experiment={recipe}`, then add" if recipe else "add"
    raise ConfigError(f"teacher.run=null names no teacher: {how} teacher.run=<its run folder>")


def record_of(run: str) -> RunRecord:
    """The record of the teacher's run. Raises ConfigError unless the run is there, done and can be built."""
    path = Path(run) / "run.json"
    if not path.is_file():
        raise ConfigError(f"teacher.run={run} is no run folder (it holds no run.json): give <paths.runs>/<name>/<run>")
    record = load_record(path)
    try:
        check(record.config, record.choices)
    except ConfigError as error:
        raise ConfigError(f"{path} holds no configuration that can be run: {error}") from None
    if record.status != "done":
        raise ConfigError(f"teacher.run={run} is not finished (its status is {record.status}): finish that run first")
    return record


def checkpoint_of(run: str, weights: str) -> Path:
    """The checkpoint `weights` (best or last) of a run. Raises ConfigError if it is gone."""
    path = Path(run) / "checkpoints" / f"{weights}.ckpt"
    if not path.is_file():
        raise ConfigError(f"teacher.weights={weights}: {path} does not exist; copy the whole run folder or train again")
    return path


def weights_digest(path: Path) -> str:
    """SHA-256 of a checkpoint file."""
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@cache
def _digest(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_other_data(config: dict, record: RunRecord) -> None:
    """Other classes or pixels do not fit; another fold would have taught from this run's test samples."""
    ours, theirs = config["data"], record.config.get("data", {})
    for key in ours.keys() & theirs.keys() - set(HOW_IT_IS_LOADED):
        if ours[key] != theirs[key]:
            raise ConfigError(
                f"teacher.run={config['teacher']['run']} learnt from other data (data.{key}={theirs[key]}, this run's "
                f"is {ours[key]}): a teacher needs the same data set, classes, shape and split"
            )
    steps = record.config["T"]
    if "events" in component(config["encoder"]["_target_"]).requires and steps != config["T"]:
        raise ConfigError(
            f"teacher.run={config['teacher']['run']} was trained on T={steps} frames and this run cuts events into "
            f"T={config['T']}: use a teacher of the same T"
        )
