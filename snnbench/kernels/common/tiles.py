"""Tiles of a step `[outer, channels, inner]`: where their values lie, the current that enters them, sums over them.

A tile is `[BP, BC]`: BP positions (outer x inner) and BC channels.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def tile_offsets(position, channel, channels, inner, CHANNELS_LAST: tl.constexpr):
    """Offsets inside one step, `[BP, BC]`."""
    if CHANNELS_LAST:
        return position[:, None] * channels + channel[None, :]
    first = (position // inner) * (channels * inner) + position % inner
    return first[:, None] + (channel * inner)[None, :]


@triton.jit
def tile_at(tile, channel, positions, channels, inner, BP: tl.constexpr, CHANNELS_LAST: tl.constexpr):
    """(mask, offsets inside a step), `[BP, BC]` each, of tile number `tile` and the channels `channel`.

    The mask is False where the tile reaches beyond the tensor.
    """
    position = tile * BP + tl.arange(0, BP)
    mask = (position < positions)[:, None] & (channel < channels)[None, :]
    return mask, tile_offsets(position, channel, channels, inner, CHANNELS_LAST)


@triton.jit
def lanes(channel, BP: tl.constexpr, CHANNELS_LAST: tl.constexpr):
    """The channel of each value of a tile: `[BP, BC]` if channels are last, else `[1, BC]`.

    The full shape makes a load of one number for each channel use the same distribution over threads as the tile.
    """
    return tl.broadcast_to(channel[None, :], (BP, channel.shape[0])) if CHANNELS_LAST else channel[None, :]


@triton.jit
def channel_row(row_ptr, channel, channels, DEFAULT: tl.constexpr, THERE: tl.constexpr):
    """A row `[C]` of numbers for the channels of a tile, `[1, BC]`; DEFAULT unless THERE."""
    return tl.load(row_ptr + channel, mask=channel < channels, other=0.0)[None, :] if THERE else DEFAULT


@triton.jit
def row_of(c_ptr, row, lane, channels, SHARED: tl.constexpr):
    """Row `row` of the learnt numbers `[R, C]` at the channels `lane`, in the shape of `lane`.

    SHARED: the numbers are `[R, 1]`, and the one number of the row is returned.
    """
    if SHARED:
        return tl.load(c_ptr + row)
    else:  # without the else Triton would compile both: it goes on after a return
        return tl.load(c_ptr + row * channels + lane, mask=lane < channels, other=0.0)


@triton.jit
def current(x, residual_ptr, at, mask, scale, shift, NORM: tl.constexpr, RESIDUAL: tl.constexpr):
    """u_t from the loaded x_t (fp32): normed, plus the residual."""
    # tl.fma rounds once. PyTorch's batch norm computes in another order, so equality to the bit is not at stake here.
    u = tl.fma(x, scale, shift) if NORM else x
    if RESIDUAL:
        u += tl.load(residual_ptr + at, mask=mask, other=0.0).to(tl.float32)
    return u


@triton.jit
def factor(steps_ptr, t, STEPS: tl.constexpr):
    """TEBN's p_t, which multiplies the norm's scale and shift; 1 without it."""
    return tl.load(steps_ptr + t) if STEPS else 1.0


@triton.jit
def zeros(COUNT: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr):
    """A tuple of COUNT sums that start at 0."""
    sums = ()
    for _ in tl.static_range(COUNT):
        sums = sums + (tl.zeros((BP, BC), tl.float32),)
    return sums


@triton.jit
def added(sums, n: tl.constexpr, value, COUNT: tl.constexpr):
    """The tuple with `value` added to its n-th sum."""
    new = ()
    for i in tl.static_range(COUNT):
        new = new + (sums[i] + value if i == n else sums[i],)
    return new


@triton.jit
def store_sums(sums_ptr, first, second, channel, channels):
    """Sums two tiles over their positions and stores the sums in this program's rows of `[2, programs, channels]`."""
    at = tl.program_id(0) * channels + channel
    tl.store(sums_ptr + at, tl.sum(first, 0), mask=channel < channels)
    tl.store(sums_ptr + tl.num_programs(0) * channels + at, tl.sum(second, 0), mask=channel < channels)
