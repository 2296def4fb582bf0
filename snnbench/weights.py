"""Read the weights of a network from a run's checkpoint, and load them into another network."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.progress import tell_progress


def read_weights(checkpoint: str | Path) -> tuple[dict[str, Tensor], int | None]:
    """The network's tensors by name, on the CPU, and the epoch after which the checkpoint was written, if known.

    Raises:
        ConfigError: The file is missing or damaged, or it is no checkpoint.
    """
    try:
        held = torch.load(checkpoint, map_location="cpu", weights_only=True)
        state, epoch = dict(held["state_dict"]), held.get("epoch")
        weights = {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
        return weights, None if epoch is None else int(epoch)
    except Exception as error:  # a damaged file may raise any error
        raise ConfigError(
            f"{checkpoint} cannot be read as a checkpoint ({type(error).__name__}): choose another or train again"
        ) from None


def load_model(model: nn.Module, checkpoint: str | Path, epochs: int) -> None:
    """Load the network of a checkpoint into `model`, as it was tested after its epoch of a run of `epochs` epochs.

    Raises:
        ConfigError: The file is damaged or belongs to a different network.
    """
    weights, epoch = read_weights(checkpoint)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{checkpoint} does not fit the network of its run.json: {reason}") from None
    tell_progress(model, epochs - 1 if epoch is None else epoch, epochs)


def fitting(model: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that have a counterpart of the same name and shape in `model`."""
    own = model.state_dict()
    return {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
