"""SHD and SSC from small files in the true HDF5 layout, against tonic and SpikingJelly reading the same files."""

import sys
from unittest.mock import MagicMock

import h5py
import numpy as np
import pytest
import torch
from data_files import build, write_h5

from snnbench.data.audio_events import TimeGrid
from snnbench.data.shd import SHD
from snnbench.data.spike_files import SPIKES
from snnbench.data.ssc import SSC
from snnbench.errors import ConfigError


def shd(root, **changes):
    return build(SHD, root, [1, 1, 140], 20, **({"time_steps": 8, "complete": False} | changes))


@pytest.fixture
def root(tmp_path):
    write_h5(tmp_path / "SHD" / "shd_train.h5", 40, 20, 1)
    write_h5(tmp_path / "SHD" / "shd_test.h5", 22, 20, 2)
    return tmp_path


def test_grid_in_closed_form():
    spikes = np.array([(3.0, 0), (12.9, 4), (13.0, 5), (13.1, 699), (32.9, 699), (33.0, 7)], dtype=SPIKES)
    frames, cut = TimeGrid(3, 140, 10.0)(spikes)
    assert frames.shape == (3, 1, 1, 140)
    assert frames.dtype == np.uint8
    assert np.argwhere(frames[:, 0, 0]).tolist() == [[0, 0], [1, 1], [1, 139], [2, 139]]
    assert frames[0, 0, 0, 0] == 2
    assert cut == 1, "the spike at 30 ms after the first lies beyond T"


def test_shd_batches_splits_and_description(root):
    data = shd(root)
    assert (data.train_size, data.test_size, data.val_size) == (40, 22, 0)
    x, y = next(iter(data.train_dataloader()))
    assert x.shape == (8, 8, 1, 1, 140)
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    about = data.describe()
    assert about["framing"] == {"time_steps": 8, "bands": 140, "bin_ms": 10.0, "dtype": "uint8"}
    assert about["saturated_counts"] == 0
    assert about["name"] == "SHD"
    assert shd(root, time_steps=4).describe()["saturated_counts"] > 0, "spikes beyond T are counted"
    assert shd(root, val_fraction=0.5).val_size == 20


def test_spikes_are_tonics(root):
    """tonic's SHD on the same file (its archive only has to lie there): every spike, in its bin and band."""
    tonic = pytest.importorskip("tonic.datasets")
    (root / "SHD" / "shd_test.h5.zip").write_bytes(b"")
    peer = tonic.SHD(str(root), train=False)
    data = shd(root)
    first = data.loaded.test_indices[0]
    assert len(peer) == data.test_size
    for i in (0, 7, 21):
        events, label = peer[i]
        step = (events["t"] - events["t"][0]) // 10_000
        expected = np.zeros((8, 140), dtype=int)
        np.add.at(expected, (step, events["x"] // 5), 1)
        # a spike on a bin's edge may fall a bin apart: tonic rounds to microseconds
        assert np.abs(data.loaded.test.array[first + i, :, 0, 0].astype(int) - expected).sum() <= 2
        assert data.loaded.test.labels[first + i] == label


@pytest.mark.peer
def test_frames_are_spikingjellys(root, monkeypatch):
    """Its frames by fixed duration, which the code of DCLS-Delays uses, in double precision."""
    pytest.importorskip("spikingjelly")
    for name in ("torchaudio", "torchaudio.transforms", "torchaudio.datasets", "torchaudio.datasets.utils"):
        monkeypatch.setitem(sys.modules, name, MagicMock())  # it imports torchaudio, which often does not fit torch
    try:
        from spikingjelly.datasets.shd import _integrate_events_by_fixed_duration as integrate
    except Exception as error:
        pytest.skip(f"another version of SpikingJelly: {error}")
    data = shd(root)
    with h5py.File(root / "SHD" / "shd_train.h5") as file:
        for i in range(5):
            events = {"t": file["spikes/times"][i].astype(np.float64), "x": file["spikes/units"][i]}
            expected = integrate(events, 10, 700).reshape(-1, 140, 5).sum(-1)
            ours = data.loaded.train.array[data.loaded.train_indices[i], :, 0, 0]
            assert np.array_equal(ours[: len(expected)], expected)
            assert not ours[len(expected) :].any()


def test_ssc_has_its_own_validation_set(tmp_path):
    for seed, (part, count) in enumerate({"train": 70, "valid": 35, "test": 36}.items()):
        write_h5(tmp_path / "SSC" / part / f"ssc_{part}.h5", count, 35, seed)  # as `data prepare` unpacks
    data = build(SSC, tmp_path, [1, 1, 140], 35, time_steps=8, complete=False)
    data.setup()
    assert (data.train_size, data.val_size, data.test_size) == (70, 35, 36)
    test, val = data.val_dataloader()
    assert sum(len(y) for _, y in val) == 35
    with h5py.File(tmp_path / "SSC" / "valid" / "ssc_valid.h5") as file:
        assert torch.cat([y for _, y in val]).tolist() == file["labels"][:].tolist()
    assert sum(len(y) for _, y in test) == 36


def test_a_finished_cache_is_enough_and_tells_t_apart(root):
    before = shd(root).data_hash
    for file in (root / "SHD").glob("*.h5"):
        file.unlink()
    assert shd(root).data_hash == before
    with pytest.raises(ConfigError, match=r"has no shd_train\.h5, shd_test\.h5"):
        shd(root, time_steps=9).setup()


def test_faults(root, tmp_path):
    with pytest.raises(ConfigError, match="holds 40 recordings, expected 8156"):
        shd(root, complete=True).setup()
    with pytest.raises(ConfigError, match="bands a divisor of 700"):
        build(SHD, root, [1, 1, 141], 20)
    (root / "SHD" / "shd_test.h5").write_bytes(b"not hdf5")
    with pytest.raises(ConfigError, match="no HDF5 file"):
        shd(root).setup()
    with pytest.raises(ConfigError, match="snnbench data prepare shd"):
        shd(tmp_path / "nowhere").setup()


def test_empty_recording_is_refused(root):
    with h5py.File(root / "SHD" / "shd_train.h5", "a") as file:
        file["spikes/times"][3] = np.array([], dtype=np.float16)
        file["spikes/units"][3] = np.array([], dtype=np.uint16)
    with pytest.raises(ConfigError, match=r"shd_train\.h5, recording 3' is empty"):
        shd(root).setup()
