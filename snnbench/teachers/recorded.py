"""The network of a finished run as a teacher: built from its own recorded configuration (T, encoder, model) and its
checkpoint."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from snnbench.build import build_model, instantiate
from snnbench.config.teacher import checkpoint_of, record_of, require_named, weights_digest
from snnbench.errors import ConfigError
from snnbench.progress import tell_progress
from snnbench.records import RunRecord
from snnbench.teachers.base import Teacher


class RunTeacher(Teacher):
    """A `Teacher` from `run`; `config` is that run's configuration, `about` what the student's record says of it.

    Args:
        run: folder of the teacher's run; null leaves it open (a recipe does), and such a run is refused.
        weights: which checkpoint of that run, the last or the best; its validation split tells the best if it has one,
            else the test set.
        experiment: recipe that makes this teacher, for the message where `run` is missing; another one is a deviation.
        identity: filled in when a run is composed; given by hand, it insists on that teacher.

    Raises:
        ConfigError: no run is named, the run is missing or unfinished, or its checkpoint is damaged.
    """

    traits = ("teacher",)
    requires = {  # noqa: RUF012
        "needs_teacher": "its objective does not listen to a teacher; use objective=kd_response, objective=kd_feature, "
        "objective=feature_mse or objective=kd_spike_train, or leave teacher out",
    }

    def __init__(
        self,
        run: str | None = None,
        weights: Literal["best", "last"] = "last",
        experiment: str | None = None,
        identity: str | None = None,
    ):
        require_named({"teacher": {"run": run, "experiment": experiment}})
        record, path = record_of(run), checkpoint_of(run, weights)
        model, _ = build_model(record.config)
        load_model(model, path, record.config["train"]["epochs"])
        super().__init__(model, instantiate(record.config["encoder"], time_steps=record.config["T"]))
        self.config, self.about = record.config, _description(record, weights, weights_digest(path))


def load_model(model: nn.Module, checkpoint, epochs: int) -> None:
    """Load a checkpoint's network, of a run of so many epochs, into `model`, as it was tested after that epoch.

    Raises:
        ConfigError: the file is damaged or another network's.
    """
    try:
        loaded = torch.load(checkpoint, map_location="cpu", weights_only=True)
        state, epoch = dict(loaded["state_dict"]), int(loaded.get("epoch", epochs - 1))
    except Exception as error:  # a damaged file raises whatever its first wrong byte leads to
        raise ConfigError(
            f"{checkpoint} cannot be read as a checkpoint ({type(error).__name__}): choose another or train again"
        ) from None
    weights = {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{checkpoint} does not fit the network of its run.json: {reason}") from None
    tell_progress(model, epoch, epochs)


def _description(record: RunRecord, weights: str, digest: str) -> dict:
    return {
        "run_id": record.run_id,
        "name": record.name,
        "experiment": record.experiment,
        "choices": record.choices,
        "config_hash": record.config_hash,
        "recipe_hash": record.recipe_hash,
        "seed": record.seed,
        "time_steps": record.time_steps,
        "git_commit": record.git_commit,
        "git_dirty": record.git_dirty,
        "epochs": record.epochs,
        "epochs_planned": record.epochs_planned,
        "parameters": record.parameters,
        "weights": weights,
        "weights_sha256": digest,
        "acc_test": record.acc_last if weights == "last" else _best(record),
    }


def _best(record: RunRecord) -> float | None:
    """Test accuracy of the epoch that best.ckpt holds."""
    return record.acc_test_at_best_val if record.best_on == "val" else record.acc_best_test
