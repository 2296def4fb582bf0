"""Evaluate a run's checkpoint on the test set again."""

from __future__ import annotations

import json
from pathlib import Path

import lightning as L

from snnbench.config.build import build_data, build_model, build_objective
from snnbench.config.check import check
from snnbench.config.errors import ConfigError
from snnbench.kernels import use
from snnbench.records import RunRecord
from snnbench.teachers.recorded import load_model
from snnbench.train.measures import measures
from snnbench.train.run import build_task, precision


def evaluate(record: RunRecord, folder: Path, checkpoint: Path) -> str:
    """Accuracy, firing rates and operations of `checkpoint` on the test set; writes `folder`/eval.json.

    Raises:
        ConfigError: the recorded configuration is damaged, or the checkpoint is, or it belongs to another network.
    """
    config = record.config
    try:
        check(config, record.choices)
    except ConfigError as error:
        raise ConfigError(f"{folder}/run.json holds no configuration that can be run: {error}") from None
    model, rule = build_model(config)
    load_model(model, checkpoint, config["train"]["epochs"])
    data = build_data(config)
    data.setup("validate")
    task = build_task(config, model, rule, data, build_objective(config))
    trainer = L.Trainer(
        accelerator=config["train"]["accelerator"].replace("cuda", "gpu"),
        devices=1,
        logger=False,
        precision=precision(config),
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=config["train"]["limit_test_batches"],
        use_distributed_sampler=False,
    )
    with use(config["kernels"]):
        trainer.validate(task, datamodule=data, verbose=False)
        task.to(trainer.strategy.root_device)  # Lightning leaves the network on the CPU
        measured = measures(config["measure"], task, data, half=precision(config) == "bf16-mixed")
    meter = task.eval_meters["test"]
    found = {
        "checkpoint": str(checkpoint),
        "acc_test": meter.accuracy,
        "loss_test": meter.loss,
        "test_samples_per_s": meter.samples_per_s,
        "firing_rates": task.firing_rates(),
        "operations": {},
        **measured,
    }
    (folder / "eval.json").write_text(json.dumps(found, indent=1) + "\n")
    return f"test accuracy {meter.accuracy:.2f} %  {folder / 'eval.json'}"
