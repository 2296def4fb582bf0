"""The network of a finished run as a teacher, built from the run's configuration (T, encoder, model) and checkpoint."""

from __future__ import annotations

from typing import Literal

from snnbench.build import build_model, instantiate
from snnbench.config.finished_run import finished_run
from snnbench.config.sources import require_named
from snnbench.teachers.base import Teacher
from snnbench.weights import load_model


class RunTeacher(Teacher):
    """A teacher from a run's folder. `config` is the configuration of that run; `about` enters the student's record.

    Args:
        run: The folder of the teacher's run. Recipes leave it null; a run without it is refused.
        weights: The checkpoint to use, "last" or "best"; the best is chosen on the validation split if the teacher's
            run had one, else on the test set.
        experiment: The recipe that trains such a teacher; messages name it, and another recipe counts as a deviation.
        identity: The identity of the teacher, which is filled in when a run is composed. If set, another teacher is
            refused.

    Raises:
        ConfigError: No run is named, the run is missing or unfinished, or its checkpoint is damaged.
    """

    traits = ("teacher",)
    requires = {  # noqa: RUF012
        "needs_teacher": "its objective uses no teacher; use objective=kd_response, objective=kd_feature, "
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
        source = finished_run("teacher", run, weights)
        config = source.record.config
        model, _ = build_model(config)
        load_model(model, source.checkpoint, config["train"]["epochs"])
        super().__init__(model, instantiate(config["encoder"], time_steps=config["T"]))
        self.config, self.about = config, source.about()
