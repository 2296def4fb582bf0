"""How kernels are launched: options, sizes of tiles, numbers of programs."""

from __future__ import annotations

from functools import cache

import torch
import triton

from snnbench.kernels.common.layout import Layout

# The most time steps whose states fit into the registers of a program.
CHUNK = 8
# Values in a tile: 8 for each thread at 4 warps.
ELEMENTS = 1024
# Values in a tile that is only summed. Each thread then has four loads under way at once.
SUMS_ELEMENTS = 4 * ELEMENTS
# Programs that a reducing kernel starts on each multiprocessor.
PROGRAMS = 4
# Register limit of a thread, for kernels in which ptxas would use a few more. With 128 registers a thread, four
# programs fit on a multiprocessor at once instead of three.
MOST_REGISTERS = 128
# Rounding: a product and a sum stay two operations, as in PyTorch, unless the kernel itself writes tl.fma. Without this
# option ptxas would fuse some of them, and a potential at the threshold could fire in one path and not in the other.
OPTIONS = {"num_warps": 4, "enable_fp_fusion": False}


@cache
def _programs(device: torch.device, a_processor: int) -> int:
    if device.type != "cuda":
        return 3
    return torch.cuda.get_device_properties(device).multi_processor_count * a_processor


def reducing_grid(layout: Layout, rows: int, device: torch.device, a_processor: int = PROGRAMS) -> tuple[int, int]:
    """Grid of a kernel that reduces: enough programs to fill the device, few enough to add up their sums quickly.

    Args:
        layout: The layout of one step of the tensor that is reduced.
        rows: The number of positions in a tile.
        device: The device on which the kernel runs.
        a_processor: The number of programs on each multiprocessor.
    """
    across = triton.cdiv(layout.channels, layout.channel_block)
    return max(1, min(triton.cdiv(layout.positions, rows), _programs(device, a_processor) // across)), across


def backward_elements(chunk: int, plain: bool) -> int:
    """Values in a tile of a backward kernel, small enough that registers do not spill on Hopper.

    A thread can keep about 32 values in all, counted as values of one step times steps. Where a neuron has two states
    or the kernel sums over single steps (not `plain`), only 16 fit. tests/kernels/compiling.py counts the spills.
    """
    return min(ELEMENTS, 128 << (((32 if plain else 16) // chunk).bit_length() - 1))
