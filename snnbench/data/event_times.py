"""Clean the times of a recording: unwrap the clock, sort the events, drop events with impossible times.

What was seen in real recordings (1,100 of N-MNIST, 40 of MNIST-DVS, 5.2 million events) decides what is normal. All are
in order of time and none wraps. The longest pause is 0.08 of the time that the shortest nine tenths of all pauses cover
together, so a pause that is longer than those together is no pause of a camera. The same event comes at most twice in
a row.
"""

from __future__ import annotations

import numpy as np

from snnbench.errors import ConfigError

BRIEF_US = 1000  # recordings of fewer microseconds are not judged
STRAY_SHARE = 0.01  # of the events, that may be left out
REPEATS = 32  # identical events in a row that are no events but a block of zeros


def unwrapped(t: np.ndarray, bits: int) -> np.ndarray:
    """Times of a clock of that many bits, as if it had more: a step of more than half its range went through zero.

    A single wrong time moves no other one: the step back to the right times is counted the same way.
    """
    t = np.asarray(t, dtype=np.int64)
    if len(t) == 0:
        return t
    half = 1 << (bits - 1)
    steps = (np.diff(t) + half) % (2 * half) - half
    return np.concatenate([t[:1], t[0] + np.cumsum(steps)])


def in_order(events: np.ndarray, path: object) -> tuple[np.ndarray, dict[str, int]]:
    """(events sorted by time, without stray times; how many events were out of order and how many were stray).

    A stray time lies beyond a gap that no camera leaves. By equal time, one of them would put all other events into a
    single frame.

    Raises:
        ConfigError: too many stray times: the clock jumped; or a block of identical events.
    """
    found = {"out_of_order": int((np.diff(events["t"]) < 0).sum())}
    _refuse_repeats(events, path)
    if found["out_of_order"]:
        events = events[np.argsort(events["t"], kind="stable")]
    keep = _without_strays(events["t"])
    found["stray_times"] = stray = len(events) - (keep.stop - keep.start)
    if stray > max(1, STRAY_SHARE * len(events)):
        raise ConfigError(
            f"'{path}' has a clock that jumps: {stray} of {len(events)} events lie more than "
            f"{_longest_pause(events['t'])} us from the others; the file is damaged, unpack or download it again."
        )
    return events[keep], found


def _without_strays(t: np.ndarray) -> slice:
    """The longest stretch of sorted times without an impossible gap."""
    ends = np.concatenate([[0], np.flatnonzero(np.diff(t) > _longest_pause(t)) + 1, [len(t)]])
    longest = int(np.argmax(np.diff(ends)))
    return slice(int(ends[longest]), int(ends[longest + 1]))


def _longest_pause(t: np.ndarray) -> int:
    """The longest gap that sorted times may have: what their nine tenths shortest gaps cover, much more for few events.

    With gaps of pure chance a longer one comes once in 10^9 recordings, however few events there are.
    """
    gaps = np.diff(t)
    gaps = gaps[gaps > 0]
    outside = max(len(gaps) // 10, min(3, len(gaps) // 4), 1)
    inside = len(gaps) - outside
    if inside < 2:
        return 1 << 62
    shortest = int(np.partition(gaps, inside - 1)[:inside].sum())
    return int(max(1.0, 10 ** min(9 / inside, 9) - 1) * max(shortest, BRIEF_US))


def _refuse_repeats(events: np.ndarray, path: object) -> None:
    same = events[1:] == events[:-1]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    if len(edges) and (edges[1::2] - edges[::2]).max() + 1 >= REPEATS:
        raise ConfigError(
            f"'{path}' holds one event {int((edges[1::2] - edges[::2]).max()) + 1} times in a row: "
            "a part of the file was not written; unpack or download it again."
        )
