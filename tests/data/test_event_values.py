"""Values that no camera or cochlea sends: refused in a sentence with the file's name, or left out and counted."""

from collections import Counter

import h5py
import numpy as np
import pytest
from data_files import aedat31_packet, build, random_events, write_aedat2, write_aedat31, write_nmnist
from small_sets import EVENT_SETS, SmallCIFAR10DVS

from snnbench.data.aedat2 import read_aedat2
from snnbench.data.aedat31 import read_aedat31
from snnbench.data.cifar10_dvs import CLASSES
from snnbench.data.dvs_gesture import read_array
from snnbench.data.event_times import in_order, unwrapped
from snnbench.data.events import make_events, read_nmnist
from snnbench.data.frames import slice_of_events
from snnbench.errors import ConfigError

SIZE, WRAP = 60, 1 << 32


def columns(seed=0, size=34, t_max=300_000):
    return random_events(SIZE, seed, size, t_max)


# values are checked before they are cast ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        (0, 65546, "x from .* to 65546"),
        (0, -1, "x from -1"),
        (1, 2**40, "y from"),
        (0, np.nan, "x is no finite number"),
        (1, np.inf, "y is no finite number"),
        (0, 3.5, "x is no whole number"),
        (2, np.nan, "t is no finite number"),
        (2, -np.inf, "t is no finite number"),
        (2, 1e30, "t from"),
        (3, 2, r"polarities \[0.*2"),
        (3, np.nan, "p is no finite number"),
        (3, -7, r"polarities \[-7"),
    ],
)
def test_no_value_wraps_or_is_guessed(tmp_path, column, value, says):
    rows = np.stack(columns(), axis=1).astype(np.float64)
    rows[7, column] = value
    with pytest.raises(ConfigError, match=f"'a file' has .*{says}"):
        make_events(*rows.T, "a file")
    path = tmp_path / "4.npy"  # tonic's release of DVS128 Gesture: x, y, p, milliseconds
    np.save(path, rows[:, [0, 1, 3, 2]])
    with pytest.raises(ConfigError, match=rf"4\.npy' has .*{says}"):
        read_array(path)


def test_whole_numbers_of_every_type_and_both_polarities_are_taken():
    x, y, t, p = columns()
    expected = make_events(x, y, t, p)
    for kind in (np.uint8, np.int16, np.uint64, np.float32, np.float64):
        assert np.array_equal(make_events(x.astype(kind), y.astype(kind), t, p.astype(kind)), expected)
    assert np.array_equal(make_events(x, y, t, 2 * p - 1), expected)
    assert np.array_equal(make_events(x, y, t, p.astype(bool)), expected)
    assert len(make_events(*np.empty((4, 0)))) == 0
    with pytest.raises(ConfigError, match="different lengths"):
        make_events(x[1:], y, t, p)
    with pytest.raises(ConfigError, match="type <U1, not numbers"):
        make_events(np.full(SIZE, "a"), y, t, p)


# clocks -------------------------------------------------------------------------------------------------------------
def test_unwrapped_in_closed_form():
    assert unwrapped(np.array([WRAP - 2, WRAP - 1, 0, 5]), 32).tolist() == [WRAP - 2, WRAP - 1, WRAP, WRAP + 5]
    assert unwrapped(np.array([250, 5, 100, 220, 3]), 8).tolist() == [250, 261, 356, 476, 515]  # twice
    assert unwrapped(np.array([10, 20, 4_000_000_000, 30]), 32)[[0, 1, 3]].tolist() == [10, 20, 30], "a wrong one alone"
    assert unwrapped(np.array([], dtype=np.int64), 32).tolist() == []


@pytest.mark.parametrize("start", [0, 2**31 - 150_000, WRAP - 150_000, "three times around"])
def test_aedat2_clock_that_wraps(tmp_path, start):
    x, y, t, p = columns(size=128)
    if start == "three times around":
        start, t = 0, np.arange(SIZE) * (WRAP // 20)
    write_aedat2(tmp_path / "a.aedat", x, y, (t + start) % WRAP, p)
    events = read_aedat2(tmp_path / "a.aedat")
    assert np.array_equal(events["t"] - events["t"][0], t - t[0])


def test_aedat31_clock_goes_by_the_overflow_counter(tmp_path):
    x, y, t, p = columns(size=128)
    late = t + 2**31 - 150_000
    packets = [
        aedat31_packet(x[part], y[part], late[part] % 2**31, p[part], overflow=overflow)
        for overflow in (0, 1)
        for part in [late // 2**31 == overflow]
    ]
    write_aedat31(tmp_path / "a.aedat", *packets)
    assert np.array_equal(read_aedat31(tmp_path / "a.aedat")["t"], late)
    write_aedat31(tmp_path / "a.aedat", packets[0], aedat31_packet(x, y, t, p, overflow=0))
    with pytest.raises(ConfigError, match=r"a\.aedat' has a clock that falls back"):
        read_aedat31(tmp_path / "a.aedat")


def test_nmnist_clock_of_23_bits(tmp_path):
    x, y, t, p = columns()
    write_nmnist(tmp_path / "1.bin", x, y, (t + 2**23 - 100_000) % 2**23, p)
    events = read_nmnist(tmp_path / "1.bin")
    assert np.array_equal(events["t"] - events["t"][0], t - t[0])


# order and stray times ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("stray", [2**31, -(2**31), 10**15, 5_000_000])
@pytest.mark.parametrize("count", [12, 60, 5000])
def test_a_stray_time_is_left_out_and_counted(stray, count):
    t_max = 3000 if count == 12 else 300_000  # of few events only far times are judged
    clean = make_events(*random_events(count, 1, 34, t_max))
    odd = np.insert(clean, count // 3, clean[0])
    odd["t"][count // 3] += stray
    events, found = in_order(odd, "f")
    assert np.array_equal(events, clean)
    assert found == {"out_of_order": 1, "stray_times": 1}
    frames = np.bincount(slice_of_events(events["t"], 4, "time"), minlength=4)
    assert frames.max() < count, "not all events are in one frame"


def test_stray_times_on_both_sides_and_too_many():
    clean = make_events(*random_events(1000, 1, 34, 300_000))
    odd = clean.copy()
    odd["t"][[3, 500, 700]] += np.array([2**31, -(2**33), 2**32])
    events, found = in_order(odd, "f")
    assert found["stray_times"] == 3
    assert np.array_equal(events, np.delete(clean, [3, 500, 700]))
    for jump in (slice(500, None), slice(0, 200), slice(300, 350)):
        odd = clean.copy()
        odd["t"][jump] += 2**31
        with pytest.raises(ConfigError, match="'f' has a clock that jumps"):
            in_order(odd, "f")


def test_events_out_of_order_are_sorted_and_counted():
    clean = make_events(*random_events(1000, 1, 34, 300_000))
    shuffled = np.random.default_rng(0).permutation(clean)
    events, found = in_order(shuffled, "f")
    assert np.array_equal(np.sort(events), np.sort(clean))
    assert (np.diff(events["t"]) >= 0).all()
    assert found["out_of_order"] > 400
    assert in_order(clean, "f")[1] == {"out_of_order": 0, "stray_times": 0}


def test_recordings_as_cameras_and_simulators_make_them_are_left_alone():
    rng = np.random.default_rng(0)
    bursts = np.concatenate([rng.integers(0, 40_000, 3000) + 100_000 * k for k in range(3)])  # three saccades
    noise = rng.integers(0, 300_000, 60)
    milliseconds = rng.integers(0, 6000, 50_000) * 1000
    frame_by_frame = np.repeat(np.arange(5) * 33_333, 400)
    few = np.array([0, 40_000, 41_000, 200_000])
    for t in (np.concatenate([bursts, noise]), bursts, milliseconds, frame_by_frame, few, few[:1], few[:2]):
        t = np.sort(t)
        zeros = np.arange(len(t)) % 30
        events, found = in_order(make_events(zeros, zeros, t, zeros % 2), "f")
        assert len(events) == len(t)
        assert found == {"out_of_order": 0, "stray_times": 0}


def test_a_block_of_zeros_is_no_recording():
    clean = make_events(*random_events(1000, 1, 34, 300_000))
    clean[400:440] = np.zeros((), clean.dtype)
    with pytest.raises(ConfigError, match="'f' holds one event 40 times in a row"):
        in_order(clean, "f")


def test_addresses_that_a_dvs128_does_not_have(tmp_path):
    path = tmp_path / "a.aedat"
    write_aedat2(path, *random_events(500, 0))
    raw = bytearray(path.read_bytes())
    start = len(raw) - 500 * 8
    raw[start + 8 * 100 + 2] |= 0x80  # a special event
    raw[start + 8 * 200] = 1
    path.write_bytes(raw)
    counted = Counter()
    assert len(read_aedat2(path, counted)) == 498
    assert counted == {"special": 1, "foreign_address": 1}
    for i in range(50):
        raw[start + 8 * i + 1] = 7
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"a\.aedat' has 51 of 500 events with addresses"):
        read_aedat2(path)


def test_the_record_counts_what_was_odd(tmp_path, capsys):
    EVENT_SETS["cifar10_dvs"].write(tmp_path)
    x, y, t, p = random_events(300, 5, t_max=1_200_000)
    t[100] = 4_000_000_000
    write_aedat2(tmp_path / "CIFAR10DVS" / "cat" / "cifar10_cat_3.aedat", x, y, t, p)
    short = tmp_path / "CIFAR10DVS" / "dog" / "cifar10_dog_4.aedat"
    write_aedat2(short, *(column[:100] for column in random_events(300, 5, t_max=1_200_000)))
    for warned in (True, False):  # the cache remembers the counts
        data = build(SmallCIFAR10DVS, tmp_path, [2, 16, 16], 10, resize="sum", frames_by="time")
        assert data.describe()["odd_events"] == {"out_of_order": 1, "short_recordings": 1, "stray_times": 1}
        assert warned <= (f"1 recordings end early, perhaps cut off: '{short}' (" in capsys.readouterr().err)
    cat = data.loaded.train.array[CLASSES.index("cat") * 10 + 3].sum((1, 2, 3))
    assert cat.sum() == 299
    assert cat.min() > 50, "the stray time does not put all events into one frame"


# spikes of a cochlea ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("what", "kind", "value", "says"),
    [
        ("times", np.float32, np.nan, "times from nan"),
        ("times", np.float32, np.inf, "times from .* to inf"),
        ("times", np.float32, -0.5, r"times from -0\.5"),
        ("times", np.float32, 250.0, r"to 250\.0, not seconds"),
        ("units", np.int32, 700, "units from .* to 700"),
        ("units", np.int32, -1, "units from -1"),
        ("units", np.int64, 2**32 + 5, "units from"),
        ("units", np.float32, 3.5, "not of 700 units"),
        ("units", np.float32, np.nan, "not of 700 units"),
    ],
)
def test_spikes_out_of_range_are_refused(tmp_path, what, kind, value, says):
    EVENT_SETS["shd"].write(tmp_path)
    with h5py.File(tmp_path / "SHD" / "shd_train.h5", "a") as file:
        old = [file[f"spikes/{what}"][i].astype(kind) for i in range(25)]
        old[5][0] = value
        del file[f"spikes/{what}"]
        new = file.create_dataset(f"spikes/{what}", (25,), h5py.vlen_dtype(kind))
        for i, row in enumerate(old):
            new[i] = row
    with pytest.raises(ConfigError, match=rf"shd_train\.h5, recording 5' has .*{says}"):
        EVENT_SETS["shd"].read(tmp_path).setup()
