"""Start weights: a new run begins with the weights of another run (`start` in the configuration)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from snnbench.config.finished_run import FinishedRun, weights_digest
from snnbench.errors import ConfigError
from snnbench.weights import fitting, read_weights

SHOWN = 4  # names of tensors in a sentence


@dataclass(frozen=True)
class Start:
    """The weights that a network takes over from another run.

    Args:
        source: the run that they come from.
        part: "all" or "fitting", as the configuration asks.
        taken: the tensors that fit the network, by their names in it.
        left: names of the network's tensors that keep their own initial values.
    """

    source: FinishedRun
    part: str
    taken: dict[str, Tensor]
    left: tuple[str, ...]

    def give(self, model: nn.Module) -> None:
        """Write the weights into the network, in its own memory layout and precision."""
        model.load_state_dict(self.taken, strict=False)

    def about(self) -> dict:
        """What the record of the run says of its start."""
        return self.source.about() | {"part": self.part, "tensors": len(self.taken), "tensors_left": list(self.left)}

    def sentence(self) -> str:
        """What the console says of the start."""
        text = (
            f"start: {len(self.taken)} of {len(self.taken) + len(self.left)} tensors come from {self.source.checkpoint}"
        )
        if self.left:
            text += f"; {len(self.left)} did not fit and keep their initial values: {_listed(self.left)}"
        return text


def start_of(model: nn.Module, source: FinishedRun, part: str) -> Start:
    """Find the weights that `model` takes over from `source`. Nothing is written into the model yet.

    Args:
        model: the network of the new run.
        source: the finished run.
        part: "all" wants every tensor of one network to have its counterpart of the same name and shape in the other;
            "fitting" takes those that have one, and at least one weight must.

    Raises:
        ConfigError: the checkpoint is damaged or has changed since the run was composed, or the networks do not fit.
    """
    if weights_digest(source.checkpoint) != source.digest:
        raise ConfigError(f"{source.checkpoint} was written anew while this run was being started: start it once more")
    weights, _ = read_weights(source.checkpoint)
    taken = fitting(model, weights)
    left = tuple(name for name in model.state_dict() if name not in taken)
    if not any(name in taken for name, _ in model.named_parameters()):
        raise ConfigError(
            f"start.run={source.run}: none of its weights fits this network by name and shape; start from a run of a "
            "more similar model"
        )
    unknown = [name for name in weights if name not in taken and name not in left]
    if part == "all" and (left or unknown):
        raise ConfigError(
            f"start.run={source.run} does not fit this network as a whole ({_listed([*left, *unknown])} differ in name "
            "or shape): set start.part=fitting to take what fits"
        )
    return Start(source, part, taken, left)


def _listed(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
