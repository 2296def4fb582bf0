"""The learnt quantities of a network beside its weights, epoch by epoch: parameters.csv in the run folder.

A module whose learnt numbers have a meaning (a time constant, a delay, a gate) states them:

    def learnt(self) -> dict[str, Tensor]: ...      # name -> values of any shape, in the unit a researcher thinks in

Every call must give the same names and shapes. A module without the method logs nothing, so gains and shifts of norms
are left out.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import lightning as L
import torch
from torch import Tensor, nn

from snnbench.writing import whole

STATISTICS = ("mean", "std", "min", "max")
COLUMNS = ("epoch", "layer", "name", "count", *STATISTICS)

Quantity = tuple[str, str, int]  # layer (the module's name in the model), name, how many values


@torch.no_grad()
def summary(model: nn.Module) -> tuple[list[Quantity], Tensor]:
    """Every learnt quantity in forward order, and the STATISTICS of its values, double `[quantities, 4]` on the CPU.

    std is the population's, so it is 0 for a single value. All values are copied from the device in one transfer.
    """
    quantities, rows = [], []
    for layer, module in model.named_modules():
        stated = module.learnt() if hasattr(module, "learnt") else {}
        for name, values in stated.items():
            values = values.double()
            quantities.append((layer, name, values.numel()))
            rows.append(torch.stack([values.mean(), values.std(correction=0), values.min(), values.max()]))
    return quantities, torch.stack(rows).cpu() if rows else torch.empty(0, len(STATISTICS), dtype=torch.double)


class ParameterLog(L.Callback):
    """Writes parameters.csv (COLUMNS; a row an epoch, layer and quantity) on rank 0 after each epoch.

    Epoch 0 is the network before training, epoch e the network after e epochs. Under `train.ema` the rows hold the
    trained values, not their average. A network that states nothing writes no file. The rows lie in the checkpoint
    too, so a resumed run drops the rows of later epochs.
    """

    def __init__(self, folder: Path):
        self.path = folder / "parameters.csv"
        self.quantities: list[Quantity] = []
        self.epochs: dict[int, Tensor] = {}  # epoch -> what `summary` found
        self._texts: dict[int, str] = {}  # epoch -> its lines: formatting all of them every epoch would take seconds

    def state_dict(self) -> dict:
        return {"quantities": self.quantities, "epochs": self.epochs}

    def load_state_dict(self, state: dict) -> None:
        self.quantities, self.epochs = state["quantities"], state["epochs"]
        self._texts = {epoch: self._lines(epoch) for epoch in self.epochs}

    def on_train_start(self, trainer, task) -> None:
        if trainer.current_epoch not in self.epochs:  # 0; or a resume from a checkpoint that holds none of this
            self._add(trainer, task, trainer.current_epoch)
        elif trainer.is_global_zero:
            self._write()

    def on_train_epoch_end(self, trainer, task) -> None:
        self._add(trainer, task, trainer.current_epoch + 1)

    def _add(self, trainer, task, epoch: int) -> None:
        quantities, found = summary(task.model) if trainer.is_global_zero else ([], None)
        if not quantities:
            return
        self.quantities, self.epochs[epoch] = quantities, found
        self._texts[epoch] = self._lines(epoch)
        self._write()
        means = {f"learnt/{layer}/{name}": row[0] for (layer, name, _), row in zip(quantities, found.tolist())}
        for logger in trainer.loggers:
            logger.log_metrics(means, step=trainer.global_step)

    def _lines(self, epoch: int) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for quantity, values in zip(self.quantities, self.epochs[epoch].tolist()):
            writer.writerow([epoch, *quantity, *(f"{value:.7g}" for value in values)])
        return text.getvalue()

    def _write(self) -> None:
        with whole(self.path) as beside, beside.open("w") as file:
            file.write(",".join(COLUMNS) + "\n")
            file.writelines(self._texts[epoch] for epoch in sorted(self._texts))
