"""AEDAT 2.0, AEDAT 3.1 and N-MNIST bytes; frames in closed form."""

import numpy as np
import pytest
from data_files import aedat31_packet, random_events, write_aedat2, write_aedat31

from snnbench.data.aedat2 import read_aedat2
from snnbench.data.aedat31 import read_aedat31
from snnbench.data.events import check_events, make_events, read_nmnist
from snnbench.data.frames import Framing, slice_of_events
from snnbench.errors import ConfigError


def same(events, x, y, t, p):
    return all(np.array_equal(events[k], v) for k, v in zip("xytp", (x, y, t, p)))


def test_aedat2_by_hand(tmp_path):
    path = tmp_path / "a.aedat"
    # bits 8-14 = 5 -> x = 122; bits 1-7 = 3 -> y = 124; bit 0 = 0 -> brighter; then a special event (bit 15)
    raw = (5 << 8 | 3 << 1).to_bytes(4, "big") + (77).to_bytes(4, "big") + (1 << 15).to_bytes(4, "big") + bytes(4)
    path.write_bytes(b"#!AER-DAT2.0\r\n# comment\r\n" + raw)
    events = read_aedat2(path)
    assert events.tolist() == [(122, 124, 77, True)]


def test_aedat2_round_trip_and_faults(tmp_path):
    columns = random_events(500, t_max=2**31)
    write_aedat2(tmp_path / "a.aedat", *columns)
    events = read_aedat2(tmp_path / "a.aedat")
    assert same(events, *columns)
    write_aedat2(tmp_path / "a.aedat", *columns, extra=b"\x00\x01\x02")
    with pytest.raises(ConfigError, match="cut off"):
        read_aedat2(tmp_path / "a.aedat")
    write_aedat31(tmp_path / "a.aedat", aedat31_packet(*columns))
    with pytest.raises(ConfigError, match=r"is AER-DAT3\.1, not AEDAT 2\.0"):
        read_aedat2(tmp_path / "a.aedat")


def test_aedat31_packets_overflow_and_invalid_events(tmp_path):
    x, y, t, p = random_events(30)
    valid = np.arange(30) % 3 > 0
    write_aedat31(
        tmp_path / "b.aedat",
        aedat31_packet(x, y, t, p),
        aedat31_packet(x, y, t, p, kind=3),  # an IMU packet, passed over
        aedat31_packet(x, y, t, p, valid=valid.astype(int), overflow=1),
    )
    events = read_aedat31(tmp_path / "b.aedat")
    assert same(events[:30], x, y, t, p)
    assert same(events[30:], x[valid], y[valid], t[valid] + 2**31, p[valid])


def test_aedat31_faults(tmp_path):
    path = tmp_path / "b.aedat"
    packet = aedat31_packet(*random_events(10))
    for cut in (10, 40):
        write_aedat31(path, packet, packet[:cut])
        with pytest.raises(ConfigError, match="cut off in the middle of a packet"):
            read_aedat31(path)
    path.write_bytes(b"#!AER-DAT2.0")
    with pytest.raises(ConfigError, match=r"not an AEDAT 3\.1 file"):
        read_aedat31(path)


def test_nmnist_bytes(tmp_path):
    def event(x, y, p, t):
        return bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255])

    (tmp_path / "1.bin").write_bytes(event(3, 4, 1, 70000) + event(0, 240, 0, 0) + event(33, 0, 0, 5))
    assert read_nmnist(tmp_path / "1.bin").tolist() == [(3, 4, 70000, True), (33, 0, 5 + 8192, False)]
    (tmp_path / "2.bin").write_bytes(b"1234567")
    with pytest.raises(ConfigError, match="no multiple of 5"):
        read_nmnist(tmp_path / "2.bin")


def test_damaged_recordings_are_refused():
    with pytest.raises(ConfigError, match="holds no events"):
        check_events(make_events(*[np.empty(0)] * 4), (8, 8), "f")
    with pytest.raises(ConfigError, match="outside the 8x8 sensor"):
        check_events(make_events(*np.array([[8], [0], [0], [0]])), (8, 8), "f")


def test_slices_in_closed_form():
    t = np.array([0, 1, 2, 3, 40, 50, 60, 70, 80, 99])
    assert slice_of_events(t, 4, "number").tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3]  # 10 // 4 = 2 each, rest last
    assert slice_of_events(t, 4, "time").tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 3, 3]  # 99 // 4 = 24 us each
    assert slice_of_events(t[:3], 5, "number").tolist() == [0, 1, 2]
    assert slice_of_events(np.array([7, 7, 7]), 2, "time").tolist() == [0, 0, 0]


def test_frames_count_events_at_their_place():
    x, y, t, p = random_events(5000, size=16)
    events = make_events(x, y, t, p)
    frames, cut = Framing(4, (16, 16), (16, 16))(events)
    assert frames.dtype == np.uint8
    assert frames.shape == (4, 2, 16, 16)
    assert cut == 0
    assert frames.sum((1, 2, 3)).tolist() == [1250] * 4
    expected = np.zeros((2, 16, 16), dtype=int)
    np.add.at(expected, (p[:1250], y[:1250], x[:1250]), 1)
    assert np.array_equal(frames[0], expected)


def test_frames_saturate_and_say_so():
    events = make_events(*np.zeros((3, 1000), dtype=int), np.ones(1000, dtype=int))
    frames, cut = Framing(2, (4, 4), (4, 4))(events)
    assert frames.max() == 255
    assert cut == 2
    frames, cut = Framing(2, (4, 4), (4, 4), count_dtype="int16")(events)
    assert frames.max() == 500
    assert cut == 0


def test_resize_and_normalise():
    events = make_events(*random_events(20_000))
    full, _ = Framing(2, (128, 128), (128, 128))(events)
    pooled, _ = Framing(2, (128, 128), (64, 64), resize="sum")(events)
    assert np.array_equal(pooled, full.reshape(2, 2, 64, 2, 64, 2).sum((3, 5)))
    nearest, _ = Framing(2, (128, 128), (64, 64), resize="nearest")(events)
    assert np.array_equal(nearest, full[..., ::2, ::2])
    smooth, _ = Framing(2, (128, 128), (48, 48))(events)
    assert smooth.dtype == np.float16
    assert abs(smooth.mean() - full.mean()) < 0.01
    largest, _ = Framing(2, (128, 128), (128, 128), normalise="max")(events)
    assert largest.max((1, 2, 3)).tolist() == [1, 1]
    assert np.allclose(largest[0] * full[0].max(), full[0], atol=1e-2)


def test_time_frames_equal_tonic():
    from tonic.transforms import ToFrame

    x, y, t, p = random_events(3000, size=16, t_max=100_000)
    t[0], t[-1] = 0, 99_999
    events = make_events(x, y, t, p)
    ours, _ = Framing(5, (16, 16), (16, 16), by="time")(events)
    theirs = ToFrame(sensor_size=(16, 16, 2), n_time_bins=5)(events)
    assert np.abs(ours.astype(int) - theirs).sum() <= 1  # tonic leaves out the very last event
