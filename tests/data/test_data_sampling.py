"""Order and augmentation depend on (seed, epoch, index) alone."""

import numpy as np
import pytest
import torch
from data_files import build

from snnbench.data.augment import ImageAugment
from snnbench.data.dataset import ArraySource, SampledDataset
from snnbench.data.digits import Digits
from snnbench.data.sampling import EvalBatches, SeededSampler
from snnbench.data.splits import index_hash, stratified_holdout
from snnbench.errors import ConfigError


def one_epoch(workers, epoch, seed=0):
    augment = ImageAugment(crop_padding=1, flip=0.5)
    data = build(Digits, "", [1, 8, 8], 10, augment=augment, num_workers=workers, seed=seed, batch_size=32)
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    batches = list(loader)
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def test_same_pictures_for_any_worker_count_and_other_ones_next_epoch():
    x0, y0 = one_epoch(0, epoch=3)
    x2, y2 = one_epoch(2, epoch=3)
    assert torch.equal(x0, x2)
    assert torch.equal(y0, y2)
    x_next, _ = one_epoch(0, epoch=4)
    x_seed, _ = one_epoch(0, epoch=3, seed=1)
    assert not torch.equal(x0, x_next)
    assert not torch.equal(x0, x_seed)


def test_global_generators_neither_matter_nor_move():
    torch.manual_seed(1)
    x0, _ = one_epoch(0, epoch=0)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    x1, _ = one_epoch(0, epoch=0)
    assert torch.equal(x0, x1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_partition_each_global_batch(world, drop_last):
    size, batch = 50, 8
    whole = list(SeededSampler(size, 0, batch, drop_last=drop_last))
    ranks = [list(SeededSampler(size, 0, batch, drop_last=drop_last, rank=r, world=world)) for r in range(world)]
    assert len({len(r) for r in ranks}) == 1
    assert len(ranks[0]) == len(SeededSampler(size, 0, batch, drop_last=drop_last, rank=0, world=world))
    per_rank = batch // world
    for b in range(len(whole) // batch):
        merged = [key for r in ranks for key in r[b * per_rank : (b + 1) * per_rank]]
        assert sorted(merged) == sorted(whole[b * batch : (b + 1) * batch])
        assert ranks[-1][b * per_rank] == whole[b * batch + world - 1]
    assert len(whole) - sum(map(len, ranks)) < world


def test_each_epoch_is_a_permutation_with_its_own_seeds():
    sampler = SeededSampler(1000, 5, 10, drop_last=False)
    first = dict(sampler)
    sampler.set_epoch(1)
    second = dict(sampler)
    assert sorted(first) == sorted(second) == list(range(1000))
    assert len(set(first.values())) > 990
    assert sum(first[i] == second[i] for i in first) < 5
    assert list(sampler) != list(SeededSampler(1000, 6, 10, drop_last=False))


def test_bad_batches_are_refused():
    with pytest.raises(ConfigError, match="multiple of the 4 processes: use 8 or 12"):
        SeededSampler(100, 0, 10, drop_last=True, world=4)
    with pytest.raises(ConfigError, match="no training batch"):
        SeededSampler(100, 0, 128, drop_last=True)
    with pytest.raises(ConfigError, match="fewer devices"):
        EvalBatches(3, 8, world=4)


@pytest.mark.parametrize("size", [64, 65, 67, 130])
def test_evaluation_sees_each_sample_once_in_equally_many_steps(size):
    world = 4
    ranks = [EvalBatches(size, 16, rank=r, world=world) for r in range(world)]
    assert len({len(r) for r in ranks}) == 1
    seen = [index for r in ranks for batch in r for index, _ in batch]
    assert sorted(seen) == list(range(size))
    assert all(batch for r in ranks for batch in r)


def test_single_items_equal_batches():
    source = ArraySource(np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2), np.array([0, 1, 2]))
    data = SampledDataset(source, np.array([2, 0]), lambda x: x.float() + torch.rand(()), None)
    x, y = data.__getitems__([(0, 7), (1, 8)])
    assert torch.equal(data[(1, 8)][0], x[1])
    assert y.tolist() == [2, 0]


def test_holdout_is_stratified_disjoint_and_stable():
    labels = np.repeat(np.arange(5), 40)
    kept, held = stratified_holdout(labels, np.arange(200), 0.1, seed=3)
    assert np.bincount(labels[held]).tolist() == [4] * 5
    assert sorted([*kept, *held]) == list(range(200))
    assert np.array_equal(held, stratified_holdout(labels, np.arange(200), 0.1, seed=3)[1])
    assert not np.array_equal(held, stratified_holdout(labels, np.arange(200), 0.1, seed=4)[1])
    assert index_hash(a=np.arange(3)) == index_hash(a=np.arange(3, dtype=np.int32)) == "8f9fb2a57f802201"
    assert index_hash(a=np.arange(3)) != index_hash(b=np.arange(3))
    with pytest.raises(ConfigError, match="single training sample"):
        stratified_holdout(np.array([0, 0, 1]), np.arange(3), 0.5, 0)
