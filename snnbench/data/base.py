"""The contract of a data set: a LightningDataModule with seeded order, named splits and hashes for the record."""

from dataclasses import dataclass
from typing import Annotated, Literal

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from snnbench.data.batched.stage import Normalised, Pipeline
from snnbench.data.dataset import Normalise, SampledDataset, SampleSource, Transform
from snnbench.data.host_loader import host_loader, next_epoch
from snnbench.data.residence import Residence, obstacle, refuse_obstacle
from snnbench.data.resident import ResidentLoader
from snnbench.data.sampling import EvalBatches, SeededSampler, process_group
from snnbench.data.splits import index_hash, stratified_holdout
from snnbench.errors import ConfigError

Loader = DataLoader | ResidentLoader


@dataclass(frozen=True)
class Loaded:
    """What a data set found on disk: samples and indices of both splits, and a hash of the content."""

    train: SampleSource
    train_indices: np.ndarray
    test: SampleSource
    test_indices: np.ndarray
    content: str


class BenchData(lightning.LightningDataModule):
    """Base of every data set. A subclass gives `load`, sets `normalise`, and takes what is its own before `**rest`.

    Yields x `[N, C, H, W]` (images) or `[N, T, C, H, W]` (event frames), float32, and int64 targets `[N]`.

    Args:
        root: The folder that holds all data sets.
        shape: The [channels, height, width] of a sample, or of one of its frames, as the model sees it.
        num_classes: The number K of classes. Labels are 0 .. K - 1.
        val_fraction: The share of the training set that is held out for validation. The seed draws the same share of
            each class. 0 holds out nothing and reports the best epoch on the test set, as most papers do.
        num_workers: The number of processes that load and augment samples. 0 uses the training process itself.
        drop_last: If true, an incomplete last training batch of an epoch is left out.
        resident: The place where samples are kept and augmented. "device" keeps them on the training device and
            augments whole batches there. "host" loads them one by one. "auto" means "device" if that is a GPU with
            enough memory and every augmentation has a batched form (the same distribution, other random numbers).
        batch_size: The number of samples in a training batch, counted over all processes.
        eval_batch_size: The number of samples in a validation or test batch, counted over all processes.
        time_steps: The number T of time steps.
        seed: The seed of the order, the augmentation and the validation split.
        augment: The training augmentation (an ImageAugment or EventAugment), or None for no augmentation.
    """

    traits: tuple[str, ...] = ()
    normalise: Normalise

    def __init__(
        self,
        root: str,
        shape: list[int],
        num_classes: int,
        val_fraction: Annotated[float, "in [0, 1)"] = 0.0,
        num_workers: Annotated[int, ">= 0"] = 0,
        drop_last: bool = False,
        resident: Literal["auto", "device", "host"] = "auto",
        *,
        batch_size: int,
        eval_batch_size: int,
        time_steps: int,
        seed: int,
        augment: object = None,
    ):
        super().__init__()
        if len(shape) != 3 or min(shape) < 1:
            raise ConfigError(f"data.shape={list(shape)} must be [channels, height, width], three positive numbers.")
        self.root, self.shape, self.num_classes = root, tuple(shape), num_classes
        self.val_fraction, self.num_workers, self.drop_last = val_fraction, num_workers, drop_last
        self.batch_size, self.eval_batch_size, self.time_steps = batch_size, eval_batch_size, time_steps
        self.seed, self.augment, self.residence = seed, augment, Residence(resident)
        self._device: torch.device | None = None
        self._loaded: Loaded | None = None
        self._train_indices = self._val_indices = np.empty(0, dtype=np.int64)

    def load(self) -> Loaded:
        """Find the data; raises ConfigError (with the `snnbench data prepare` command) when it is missing."""
        raise NotImplementedError

    def train_transforms(self) -> tuple[Transform | None, Transform | None]:
        """The transforms (per sample, per batch) for training. Random ones run per sample, each with its own seed."""
        random = None if self.augment is None else self.augment.for_training(self.shape, self.normalise)
        return (None, self.normalise) if random is None else (random, None)

    def test_transforms(self) -> tuple[Transform | None, Transform | None]:
        """The transforms (per sample, per batch) for test and validation. They are deterministic."""
        return None, self.normalise

    def batched_transforms(self, device: torch.device) -> tuple[Pipeline, Pipeline]:
        """The pipelines (training, test) for samples that are stored on `device`; see the argument `resident`."""
        normalise, sample_shape = self.test_transforms()[1], self.loaded.train.array.shape[1:]
        plain = [Normalised(normalise, device)]
        random = plain if self.augment is None else self.augment.batched(sample_shape, normalise, device)
        return Pipeline(random), Pipeline(plain)

    def require_shape(self, actual: tuple[int, int, int]) -> None:
        """Refuse a configured shape that the stored samples do not have."""
        if self.shape != actual:
            raise ConfigError(f"data.shape={list(self.shape)} must be {list(actual)}: this data set is not resized.")

    def setup(self, stage: str | None = None) -> None:
        """Load once and split; for stage "fit" refuse a batch size that leaves no batch. Safe to call again."""
        if self._loaded is None:
            self._load_and_split()
        if stage == "fit":
            self._training_order()

    def _load_and_split(self) -> None:
        if hasattr(self.augment, "refuse_misfit"):
            self.augment.refuse_misfit(self.shape, self.time_steps, getattr(self, "normalise", None))
        loaded = self.load()
        refuse_obstacle(self.residence.setting, obstacle(self.augment, loaded.train))
        labels = np.concatenate([loaded.train.labels[loaded.train_indices], loaded.test.labels[loaded.test_indices]])
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise ConfigError(
                f"data.num_classes={self.num_classes} but the labels found in '{self.root}' run from "
                f"{labels.min()} to {labels.max()}: set num_classes={labels.max() + 1}."
            )
        self._train_indices, self._val_indices = stratified_holdout(
            loaded.train.labels, loaded.train_indices, self.val_fraction, self.seed
        )
        self._loaded = loaded

    def make_ready(self) -> str:
        """Check and convert the files for `snnbench data prepare`. Returns the sentence to print."""
        self.setup()
        return f"{self.train_size:,} training and {self.test_size:,} test samples found"

    @property
    def _training_device(self) -> torch.device | None:
        trainer = getattr(self, "trainer", None)
        return self._device if trainer is None else trainer.strategy.root_device

    @property
    def loaded(self) -> Loaded:
        self.setup()
        return self._loaded

    def place(self, device: torch.device) -> None:
        """Set the training device by hand. Needed only without a Lightning trainer, which knows the device itself."""
        self._device = torch.device(device)

    @property
    def placement(self) -> str:
        """Where samples are stored: "host" or a device such as "cuda:0"; before training the setting data.resident."""
        return self.residence.setting if self._training_device is None else str(self._resident_on() or "host")

    def train_dataloader(self) -> Loader:
        """Shuffled by (seed, epoch); call `loader.sampler.set_epoch(epoch)` when Lightning does not."""
        order = self._training_order()
        order.set_epoch(next_epoch(getattr(self, "trainer", None)))
        source, indices, local = self.loaded.train, self._train_indices, self.batch_size // order.world
        if (device := self._resident_on()) is not None:
            held, pipeline = self.residence.held("train", source, indices, device), self.batched_transforms(device)[0]
            return ResidentLoader(held, pipeline, order, local, self.seed)
        data = SampledDataset(source, indices, *self.train_transforms())
        return self._loader(data, sampler=order, batch_size=local, drop_last=False)

    def val_dataloader(self) -> list[Loader]:
        """[test] or, with val_fraction > 0, [test, validation]: papers report the best test epoch."""
        loaders = [self.test_dataloader()]
        if self.val_size:
            loaders.append(self._eval_loader("val", self.loaded.train, self._val_indices))
        return loaders

    def test_dataloader(self) -> Loader:
        return self._eval_loader("test", self.loaded.test, self.loaded.test_indices)

    def whole_test_dataloader(self) -> Loader:
        """The whole test set in order, whatever share of it `test_dataloader` gives to this process."""
        return self._eval_loader("test", self.loaded.test, self.loaded.test_indices, is_whole=True)

    @property
    def train_size(self) -> int:
        self.setup()
        return len(self._train_indices)

    @property
    def val_size(self) -> int:
        self.setup()
        return len(self._val_indices)

    @property
    def test_size(self) -> int:
        return len(self.loaded.test_indices)

    @property
    def data_hash(self) -> str:
        return self.loaded.content

    @property
    def split_hash(self) -> str:
        self.setup()
        return index_hash(train=self._train_indices, val=self._val_indices, test=self.loaded.test_indices)

    def describe(self) -> dict:
        """What the run record says about the data; subclasses add framing and the split's name."""
        return {
            "name": type(self).__name__,
            "shape": list(self.shape),
            "num_classes": self.num_classes,
            "train_size": self.train_size,
            "val_size": self.val_size,
            "test_size": self.test_size,
            "val_fraction": self.val_fraction,
            "resident": self.placement,
            "split": "official",
            "time_steps": self.time_steps,
            "data_hash": self.data_hash,
            "split_hash": self.split_hash,
        }

    def _training_order(self) -> SeededSampler:
        rank, world = process_group()
        kept = {"drop_last": self.drop_last, "rank": rank, "world": world}
        return SeededSampler(self.train_size, self.seed, self.batch_size, **kept)

    def _resident_on(self) -> torch.device | None:
        """The device that holds the samples, or None. Decided once, as soon as the training device is known."""
        train, test = self.loaded.train, self.loaded.test
        samples = self.train_size + self.val_size + self.test_size
        return self.residence.on(self._training_device, self.augment, train, test, samples)

    def _eval_loader(self, split: str, source: SampleSource, indices: np.ndarray, is_whole: bool = False) -> Loader:
        rank, world = process_group()
        batch_size = self.eval_batch_size
        if is_whole:  # this process reads every sample, in batches of the size that fits into its memory
            batch_size, rank, world = max(batch_size // world, 1), 0, 1
        order = EvalBatches(len(indices), batch_size, rank=rank, world=world)
        if (device := self._resident_on()) is not None:
            held = self.residence.held(split, source, indices, device)
            return ResidentLoader(held, self.batched_transforms(device)[1], order)
        return self._loader(SampledDataset(source, indices, *self.test_transforms()), batch_sampler=order)

    def _loader(self, data: SampledDataset, **batching) -> DataLoader:
        # stacking small images is cheaper than sending them between processes
        cheap = data.sample_transform is None and "images" in self.traits
        return host_loader(data, 0 if cheap else self.num_workers, self.seed, **batching)
