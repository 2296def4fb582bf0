"""Evaluate a run's checkpoint on the test set again, or on other data."""

from __future__ import annotations

import json
import math
from pathlib import Path

import lightning as L

from snnbench.build import build_data, build_model, build_objective
from snnbench.config.evaluation import Evaluation, file_name
from snnbench.kernels import use
from snnbench.records import RunRecord
from snnbench.train.environment import LaunchEnvironment
from snnbench.train.hardware import one_device
from snnbench.train.measures import measures
from snnbench.train.provenance import describe_device
from snnbench.train.quiet import quiet
from snnbench.train.run import build_task
from snnbench.weights import load_model
from snnbench.writing import whole


def evaluate(record: RunRecord, planned: Evaluation, folder: Path, checkpoint: Path, name: str) -> str:
    """Accuracy, firing rates and operations of `checkpoint`, which the user calls `name` (last, best or its path).

    Writes `folder`/eval.json, or a file of its own if something differs that alters the result, and returns a line for
    the console.

    Raises:
        ConfigError: the checkpoint is damaged or belongs to another network, or the data are not there.
    """
    quiet()
    config = planned.config
    hardware = one_device(config["train"])
    L.seed_everything(config["seed"], workers=True, verbose=False)  # encoders may draw
    model, rule = build_model(config)
    load_model(model, checkpoint, record.config["train"]["epochs"])
    data = build_data(config)
    data.setup("validate")
    task = build_task(config, model, rule, data, build_objective(config))
    trainer = L.Trainer(
        **hardware.trainer_arguments(),
        plugins=[LaunchEnvironment()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=config["train"]["limit_test_batches"],
        use_distributed_sampler=False,
    )
    with use(config["kernels"]):
        trainer.validate(task, datamodule=data, verbose=False)
        task.to(trainer.strategy.root_device)  # Lightning leaves the network on the CPU
        measured = measures(config["measure"], task, data, half=hardware.is_half)
    altering = _altering(record, planned, data.data_hash, name)
    path = folder / file_name({key: now for key, (_, now) in altering.items()})
    test, val = task.eval_meters["test"], task.eval_meters.get("val")
    found = {
        "checkpoint": str(checkpoint),
        "changes": planned.changes | altering,
        "acc_test": test.accuracy,
        "loss_test": test.loss if math.isfinite(test.loss) else None,
        "acc_val": val.accuracy if val else None,
        "loss_val": val.loss if val and math.isfinite(val.loss) else None,
        "recorded": recorded(record),
        "test_samples_per_s": test.samples_per_s,
        "firing_rates": task.firing_rates(),
        "operations": {},
        **measured,
        "data": {"name": planned.choices.get("data"), "data_hash": data.data_hash},
        "device": describe_device(trainer),
    }
    with whole(path) as file:
        file.write_text(json.dumps(found, indent=1) + "\n")
    others = ", ".join(f"{what} {value:.2f} %" for what, value in recorded(record).items())
    return f"test accuracy {test.accuracy:.2f} % of checkpoint {name} (recorded: {others})  {path}"


def recorded(record: RunRecord) -> dict[str, float]:
    """The run's own test accuracies, by the epoch they belong to."""
    found = {
        "last epoch": record.acc_last,
        "best epoch": record.acc_best_test,
        "best validation epoch": record.acc_test_at_best_val,
    }
    return {what: value for what, value in found.items() if value is not None}


def _altering(record: RunRecord, planned: Evaluation, data_hash: str, checkpoint: str) -> dict[str, list]:
    """What differs from the run's own last test and may change the result: {what: [recorded, now]}."""
    found = planned.altering()
    if checkpoint != "last":
        found["checkpoint"] = ["last", checkpoint]
    other_data = any(key == "T" or key.split(".")[0] == "data" for key in found)
    if not other_data and record.data.get("data_hash") not in (None, data_hash):
        found["data_hash"] = [record.data["data_hash"], data_hash]
    return found
