"""What is measured on the test set after training: operations, and accuracy with mirrored images."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from snnbench.metrics.operations import count_operations
from snnbench.train.task import Task


def measures(settings: dict, task: Task, data, half: bool) -> dict:
    """The fields of the record that `measure` asks for: operations and acc_mirrored.

    One process measures on the whole test set, also where several trained. half: whether bf16 autocast is used on CUDA.
    """
    device = task.device
    found = {}
    with torch.autocast(device.type, torch.bfloat16, enabled=half and device.type == "cuda"):
        if settings["mirrored"]:
            found["acc_mirrored"] = mirrored_accuracy(task, data.whole_test_dataloader())
        if settings["operations"]:
            constants = {"mac_pj": settings["mac_pj"], "ac_pj": settings["ac_pj"]}
            sequences = _sequences(task, data.whole_test_dataloader(), settings["samples"])
            found["operations"] = count_operations(task.model, sequences, constants)
    return found


@torch.no_grad()
def mirrored_accuracy(task: Task, batches) -> float:
    """Test accuracy in percent of the mean logits of an image and its mirror image, the usual test of contests of
    training speed (DAWNBench's CIFAR-10)."""
    task.model.eval()
    right = seen = 0
    for x, target in batches:
        x, target = x.to(task.device), target.to(task.device)
        logits = sum(task.model(task.encoder(view)).mean(0).float() for view in (x, x.flip(-1)))
        right = right + (logits.argmax(1) == target).sum()
        seen += len(target)
    return 100.0 * int(right) / seen


def _sequences(task: Task, batches, samples: int | None) -> Iterator[Tensor]:
    """The first `samples` of the test set (all if None), encoded."""
    seen = 0
    for x, _ in batches:
        left = len(x) if samples is None else samples - seen
        if left <= 0:
            return
        seen += len(x[:left])
        yield task.encoder(x[:left].to(task.device))
