"""The network of a finished run as a teacher: built from its own recorded configuration (T, encoder, model) and its
checkpoint."""

from __future__ import annotations

from typing import Literal

from snnbench.build import build_model, instantiate
from snnbench.config.finished_run import finished_run
from snnbench.config.sources import require_named
from snnbench.teachers.base import Teacher
from snnbench.weights import load_model


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
        source = finished_run("teacher", run, weights)
        config = source.record.config
        model, _ = build_model(config)
        load_model(model, source.checkpoint, config["train"]["epochs"])
        super().__init__(model, instantiate(config["encoder"], time_steps=config["T"]))
        self.config, self.about = config, source.about()
