"""The LightningModule that trains on a batch: encode it, let the rule make gradients, add up loss and accuracy.

The loop knows no method by name: rule, objective, optimiser and schedule come built. Optimisation is manual because a
rule may step several times a batch (OTTT_O) or once per several backward passes (OTTT_A).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snnbench import kernels
from snnbench.metrics.firing import FiringMeter, FiringRates
from snnbench.modules import Aside
from snnbench.objectives.lessons import lessons
from snnbench.progress import tell_progress
from snnbench.rules.base import Batch
from snnbench.train.agree import all_succeeded, mean, take_over
from snnbench.train.capture import CapturedBatch, replayed
from snnbench.train.finite import NonFiniteLoss, all_finite, first_non_finite
from snnbench.train.meters import Meter, tally
from snnbench.train.mixing import EpochMixing
from snnbench.train.reduce import Reduction


class Task(L.LightningModule):
    """Trains `model` on sequences made by `encoder`.

    model: `[T,N,C,H,W] -> [T,N,K]`; encoder: batch -> `[T,N,C,H,W]`; objective: `(logits, target) -> (loss, parts)`;
    mix: None or a `BatchMix`; optimizer: model -> torch optimiser; schedule: factor on the lr by epoch; grad_clip:
    largest gradient norm or None; capture: on CUDA, replay forward and backward, and the test, as CUDA graphs;
    log_every: after so many batches the loss is read, looked at and logged (on the CPU it is looked at after each);
    teacher: None or a `Teacher` for an objective that needs one, which is no submodule, so it is not trained or saved.
    """

    EVAL_SETS = ("test", "val")

    def __init__(
        self,
        model: nn.Module,
        rule,
        objective: nn.Module,
        encoder: nn.Module,
        optimizer,
        schedule,
        *,
        num_classes: int,
        seed: int,
        mix=None,
        grad_clip: float | None = None,
        log_every: int = 50,
        capture: bool = False,
        teacher: nn.Module | None = None,
    ):
        super().__init__()
        self.automatic_optimization = False
        self.model, self.objective, self.encoder = model, objective, encoder
        self.rule, self.make_optimizer, self.schedule = rule, optimizer, schedule
        self.mixing = EpochMixing(mix, num_classes, seed)
        self.grad_clip, self.log_every, self.capture = grad_clip, log_every, capture
        self._teacher = Aside(teacher)
        self._captured: CapturedBatch | None = None
        self._captured_test: CapturedBatch | None = None
        self.train_meter, self._firing = Meter(), FiringMeter()
        self.eval_meters: dict[str, Meter] = {}
        self._outputs: dict[str, int] = {}  # outputs of each spiking layer for one sample

    def configure_optimizers(self):
        optimizer = self.make_optimizer(self.trained())
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._lr_factor)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def trained(self) -> nn.Module:
        """What the optimiser steps: the model, with the objective where that learns too (its transforms)."""
        learns = next(self.objective.parameters(), None) is not None
        return nn.ModuleList([self.model, self.objective]) if learns else self.model

    def _lr_factor(self, count: int) -> float:
        per_epoch = self.trainer.num_training_batches if self.schedule.interval == "step" else 1
        return self.schedule.factor(count / per_epoch)

    def on_fit_start(self) -> None:
        teacher = self._teacher.module
        if teacher is not None:
            teacher.to(self.device)
        self._reduction = Reduction(self.trained())
        if not self.capture or self.device.type != "cuda":
            return
        pool = torch.cuda.graph_pool_handle()
        self._captured_test = CapturedBatch(self.model, self._test, "the test", pool)
        if self.rule.one_step_at_the_end:
            agreed = partial(all_succeeded, device=self.device)
            gradients = partial(self.run_rule, optimizer_step=self._reduction.gather)
            self._captured = CapturedBatch(self.trained(), gradients, pool=pool, agreed=agreed)

    def on_fit_end(self) -> None:
        self._captured = self._captured_test = None
        # a run that resumes after its last epoch has not heard of it
        tell_progress(self, self.trainer.max_epochs - 1, self.trainer.max_epochs)

    def forget_graphs(self) -> None:
        """Drop the captured graphs: a Python number frozen into them has changed, or training was stopped."""
        for captured in (self._captured, self._captured_test):
            if captured is not None:
                captured.forget()

    def on_train_epoch_start(self) -> None:
        self.train_meter.start()
        self._tell_epoch()

    def _tell_epoch(self) -> None:
        """Tell all modules the epoch. Called at its start and right after a resume."""
        if tell_progress(self, self.current_epoch, self.trainer.max_epochs):
            self.forget_graphs()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        x, target, *index = batch  # a loader may say which samples these are
        at = {"epoch": self.current_epoch, "batches": self.trainer.num_training_batches, "rank": self.global_rank}
        x, target = self.mixing(x, target, batch_index, **at)
        if batch_index == 0:
            self._show(x, target)
        batch_tally, loss = self._train_batch(x, target, *index, optimizer=self.optimizers())
        if self.schedule.interval == "step":
            self.lr_schedulers().step()
        self.train_meter.add(batch_tally, len(x))
        is_last = batch_index + 1 == self.trainer.num_training_batches
        if is_last:  # before a test or a checkpoint: losses not looked at, and the weights after the last step
            self._refuse_non_finite(self.train_meter.sums[0] / self.train_meter.seen, x, all_finite(self.trained()))
        elif (batch_index + 1) % self.log_every == 0 or self.reads_every_loss:
            self._refuse_non_finite(loss, x)
        self._log_loss(loss)

    @property
    def reads_every_loss(self) -> bool:
        """Whether the loss is read after every batch: on the CPU, where reading it waits for no device."""
        return self.device.type == "cpu"

    def _train_batch(self, *batch: Tensor, optimizer) -> tuple[Tensor, Tensor]:
        """Train on a batch (samples, targets, and their index if known); return (tally, loss), detached."""
        found = replayed(self._captured, *batch)
        if found is not None:
            self._step(optimizer)
            return found

        def step() -> None:
            self._reduction.gather()
            self._step(optimizer)

        return self.run_rule(*batch, backward=self.manual_backward, optimizer_step=step, zero_grad=optimizer.zero_grad)

    def _show(self, x: Tensor, target: Tensor) -> None:
        """Show the rule the first batch of the run and of each epoch, if it asks for it, before training on it."""
        if self.rule.begins_with != 0 and self.current_epoch == 0:  # a run that resumes is in a later epoch
            with self._aside(x, target, self.rule.begins_with) as (x_seq, loss_of):
                self.rule.begin(self.model, x_seq, loss_of)
            take_over(self.model)
        if self.rule.previewed != 0:
            with self._aside(x, target, self.rule.previewed) as (x_seq, loss_of):
                if self.rule.before_epoch(self.model, x_seq, loss_of):
                    self.forget_graphs()

    @contextmanager
    def _aside(self, x: Tensor, target: Tensor, count: int | None) -> Iterator[tuple]:
        """The first samples of a batch as a rule takes them. The random generators are restored afterwards."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), self._posed(x[:count], target[:count]) as posed:
            yield posed

    def run_rule(self, x: Tensor, target: Tensor, index: Tensor | None = None, **calls) -> tuple[Tensor, Tensor]:
        """Train on a batch by the rule; return (tally, loss), detached.

        Args:
            x: The samples as the loader gives them, `[N, *]`, augmented and mixed.
            target: The labels `[N]` or probabilities `[N, K]`.
            index: The numbers of the samples `[N]`, or None.
            calls: The functions `backward`, `optimizer_step` and `zero_grad` of `Batch`. A CUDA graph captures this
                method with an `optimizer_step` that only gathers the gradients; the real step follows the replay.
        """
        with self._posed(x, target) as (x_seq, loss_of):
            logits, loss, _ = self.rule.train_batch(self.model, Batch(x_seq, target, loss_of, index=index, **calls))
        return tally(loss, logits.mean(0), target), loss

    @contextmanager
    def _posed(self, x: Tensor, target: Tensor) -> Iterator[tuple]:
        """The batch as a rule takes it: the sequence `[T, N, C, H, W]` and a function from logits to the loss."""
        x_seq = self.encoder(x)
        with lessons(self.model, self.objective, x, x_seq, self._teacher.module) as lesson:
            yield x_seq, lambda logits: self.objective(logits, target, *lesson())

    def _step(self, optimizer) -> None:
        """Clip and step by the mean of the gathered gradients of all processes."""
        self._reduction.average()
        if self.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.trained().parameters(), self.grad_clip)
        optimizer.step()

    def _refuse_non_finite(self, loss: Tensor, x: Tensor, network: Tensor | bool = True) -> None:
        """Raise in all processes if the loss of one is not finite, or if `network` (is it finite) is False."""
        loss = mean(loss)
        if not torch.isfinite(loss) & network:
            with kernels.use("reference"):  # unfused, so that the first non-finite layer is found
                layer = first_non_finite(self.model, self.encoder(x))
            raise NonFiniteLoss(float(loss), self.global_step, self.current_epoch, layer)

    def _log_loss(self, loss: Tensor) -> None:
        """Log the training loss by step for TensorBoard and W&B, seldom, since reading it waits for the device."""
        steps = self.trainer.fit_loop.epoch_loop.total_batch_idx + 1
        if self.trainer.loggers and steps % self.log_every == 0:
            for logger in self.trainer.loggers:
                logger.log_metrics({"loss_step": float(loss)}, step=self.global_step)

    def on_train_epoch_end(self) -> None:
        if self.schedule.interval == "epoch":
            self.lr_schedulers().step()

    def on_validation_epoch_start(self) -> None:
        self.eval_meters, self._firing = {}, FiringMeter()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int, dataloader_idx: int = 0) -> None:
        meter = self.eval_meters.setdefault(self.EVAL_SETS[dataloader_idx], Meter())
        if batch_index == 0:
            meter.start()
        batch_tally, fired = replayed(self._captured_test, *batch) or self._test(*batch)
        meter.add(batch_tally, len(batch[1]))
        if dataloader_idx == 0:  # rates are those on the test set, not on the validation split after it
            self._firing.add(fired, len(batch[1]))

    def _test(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The tally of a test batch (loss: cross-entropy) and the number of spikes of each layer."""
        with FiringRates(self.model) as firing:
            readout = self.model(self.encoder(x)).mean(0)
        self._outputs = {name: count // len(x) for name, count in firing.outputs.items()}
        return tally(F.cross_entropy(readout.float(), target), readout, target), firing.fired()

    def firing_rates(self) -> dict[str, float]:
        """The firing rate of every spiking layer in the last test, over all processes. It waits for the device."""
        return self._firing.rates(self._outputs, self.trainer.strategy)

    def on_validation_epoch_end(self) -> None:
        for name, meter in self.eval_meters.items():
            meter.stop(self.trainer.strategy)
            # the best checkpoint is chosen by it; loggers get it with the row of the epoch
            self.log(f"acc_{name}", meter.accuracy, logger=False, sync_dist=False, rank_zero_only=False)
