"""The runs that a configuration takes weights from: its teacher and its start. Does not import torch.

The sections `teacher` and `start` both have the keys `run`, `weights`, `experiment` (the recipe that trains such a run)
and `identity`. This module fills in `identity`, which represents the run in the configuration hash.
"""

from __future__ import annotations

from snnbench.config.finished_run import FinishedRun, finished_run
from snnbench.config.signature import component
from snnbench.errors import ConfigError
from snnbench.records import RunRecord

# The keys of `data` that say how data is loaded. All other keys decide what is learnt and tested.
HOW_IT_IS_LOADED = ("root", "num_workers", "resident", "drop_last")
# The keys of `data` that decide which samples are test samples.
SPLIT = ("fold", "split", "split_seed")


def read_sources(config: dict) -> dict[str, FinishedRun]:
    """Read the runs that the sections `teacher` and `start` of a configuration name. Returns {section: run}.

    Raises:
        ConfigError: A run is missing or unfinished, was trained on data that forbid its use, or does not have the
            `identity` that the configuration demands.
    """
    found = {}
    for section, refuse in _REFUSALS.items():
        node = config.get(section) or {}
        if node.get("run") is None:
            continue
        source = finished_run(section, node["run"], node["weights"])
        refuse(config, source.record)
        if node.get("identity") not in (None, source.identity):
            raise ConfigError(
                f"{section}.run={node['run']} is another run ({source.identity}) than {section}.identity="
                f"{node['identity']}: give the folder of that one, or leave {section}.identity out"
            )
        found[section] = source
    return found


def identified(config: dict, sources: dict[str, FinishedRun]) -> dict:
    """The configuration with `identity` filled in for each section that names a run."""
    return config | {section: config[section] | {"identity": run.identity} for section, run in sources.items()}


def require_named(config: dict) -> None:
    """Raises ConfigError if a configuration needs a teacher, or a run to start from, but names no run.

    Recipes do not name the run, so this is checked when a run begins and not when a configuration is composed.
    """
    teacher, start = config.get("teacher"), config.get("start") or {}
    if teacher is not None and "run" in teacher and teacher["run"] is None:
        _refuse_unnamed("teacher.run=null names no teacher", "teacher", teacher.get("experiment"))
    if start.get("experiment") is not None and start.get("run") is None:
        _refuse_unnamed("start.run=null names no run to start from", "start", start["experiment"])


def _refuse_unnamed(what: str, section: str, recipe: str | None) -> None:
    how = f"train one with `snnbench train experiment={recipe}`, then add" if recipe else "add"
    raise ConfigError(f"{what}: {how} {section}.run=<its run folder>")


def _refuse_other_data(config: dict, record: RunRecord) -> None:
    """Refuse a teacher of other classes or shapes, or of another split, which may have seen this run's test samples."""
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


def _refuse_other_split(config: dict, record: RunRecord) -> None:
    """Refuse a start from a run that was trained on this run's test samples. Another data set is allowed."""
    ours, theirs = config["data"], record.config["data"]
    if ours["_target_"] != theirs["_target_"]:
        return
    for key in SPLIT:
        if key in ours and key in theirs and ours[key] != theirs[key]:
            raise ConfigError(
                f"start.run={config['start']['run']} learnt from test samples of this run (data.{key}={theirs[key]}, "
                f"this run's is {ours[key]}): start from a run of the same split"
            )


_REFUSALS = {"teacher": _refuse_other_data, "start": _refuse_other_split}
