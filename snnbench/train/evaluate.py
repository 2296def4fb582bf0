"""Evaluate a run's checkpoint on the test set again."""

from __future__ import annotations

import json
from pathlib import Path

import lightning as L
import torch

from snnbench.config.build import build_data, build_model
from snnbench.config.errors import ConfigError
from snnbench.metrics.firing import FiringRates
from snnbench.records import RunRecord
from snnbench.train.run import build_task, measure, precision


def evaluate(record: RunRecord, folder: Path, checkpoint: Path) -> str:
    """Accuracy, firing rates and operations of `checkpoint` on the test set; writes `folder`/eval.json.

    Raises:
        ConfigError: the checkpoint does not belong to the recorded network.
    """
    config = record.config
    model, rule = build_model(config)
    data = build_data(config)
    data.setup("validate")
    task = build_task(config, model, rule, data)
    try:
        task.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])
    except (RuntimeError, KeyError) as error:
        raise ConfigError(f"{checkpoint} does not fit the network of {folder}/run.json: {str(error)[:200]}") from None
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
    with FiringRates(task.model) as firing:
        trainer.validate(task, datamodule=data, verbose=False)
    meter = task.eval_meters["test"]
    found = {
        "checkpoint": str(checkpoint),
        "acc_test": meter.accuracy,
        "loss_test": meter.loss,
        "test_samples_per_s": meter.samples_per_s,
        "firing_rates": firing.rates(),
        "operations": measure(config, task, data) if config["measure"]["operations"] else {},
    }
    (folder / "eval.json").write_text(json.dumps(found, indent=1) + "\n")
    return f"test accuracy {meter.accuracy:.2f} %  {folder / 'eval.json'}"
