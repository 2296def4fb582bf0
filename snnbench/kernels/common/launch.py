"""How kernels are launched: options, sizes of tiles, numbers of programs."""

from __future__ import annotations

from functools import cache

import torch
import triton

from snnbench.kernels.common.layout import Layout

CHUNK = 8  # steps whose states fit in registers
ELEMENTS = 1024  # values of a tile: 8 a thread at 4 warps
SUMS_ELEMENTS = 4 * ELEMENTS  # of a tile that is only summed up: four loads are on their way at once
PROGRAMS = 4  # of a reducing kernel on each multiprocessor
MOST_REGISTERS = 128  # a thread, where ptxas would take some more: four programs fit at once then, not three
# Rounding: a product and a sum stay two operations, as in PyTorch, unless the kernel itself writes tl.fma. Else ptxas
# would contract some of them, and a potential at the threshold would fire in one path and not in the other.
OPTIONS = {"num_warps": 4, "enable_fp_fusion": False}


@cache
def _programs(device: torch.device, a_processor: int) -> int:
    if device.type != "cuda":
        return 3
    return torch.cuda.get_device_properties(device).multi_processor_count * a_processor


def reducing_grid(layout: Layout, rows: int, device: torch.device, a_processor: int = PROGRAMS) -> tuple[int, int]:
    """Grid of a kernel that reduces: enough programs to fill the device, few enough to add up their sums quickly.

    Args:
        layout: of the tensor that is reduced.
        rows: positions of a tile.
        device: where the kernel runs.
        a_processor: programs on each multiprocessor.
    """
    across = triton.cdiv(layout.channels, layout.channel_block)
    return max(1, min(triton.cdiv(layout.positions, rows), _programs(device, a_processor) // across)), across


def backward_elements(chunk: int, plain: bool) -> int:
    """Values of a tile for which the backward of `chunk` steps does not spill on Hopper (tests/kernels/compiling.py).

    A thread keeps 32 values, those of one step times the steps; 16 unless plain (one state, no sums of each step).
    """
    return min(ELEMENTS, 128 << (((32 if plain else 16) // chunk).bit_length() - 1))
