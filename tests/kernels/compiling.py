"""Compile for Hopper what the operators launch, on a machine without a GPU: `python compiling.py ["word ..." ...]`.

Prints a line for every kernel of the variants whose names hold all the words of an argument: registers a thread and
bytes of stack (spilled registers). TRITON_INTERPRET must not be set.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from snnbench.kernels.adaptive import ops as adaptive_ops
from snnbench.kernels.common import norm as norm_ops
from snnbench.kernels.membrane import codes
from snnbench.kernels.membrane import ops as membrane_ops
from snnbench.kernels.membrane import step as step_ops
from snnbench.kernels.parallel import ops as parallel_ops
from snnbench.kernels.parallel.form import PARALLEL_STEPS
from snnbench.kernels.pooling import average, maximum
from snnbench.kernels.renormalised import ops as renormalised_ops

OPERATORS = (norm_ops, membrane_ops, parallel_ops, adaptive_ops, step_ops, average, maximum, renormalised_ops)
TARGET = GPUTarget("cuda", 90, 32)
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
KINDS = {
    torch.float32: "*fp32",
    torch.bfloat16: "*bf16",
    torch.float16: "*fp16",
    torch.uint8: "*u8",
    int: "i32",
    float: "fp32",
}
# dynamics, rows of learnt numbers; steps of an adaptive neuron's block
NEURONS = {
    "if": (codes.INTEGRATE, 0), "lif": (codes.DECAY_INPUT, 0), "plif": (codes.DECAY_INPUT, 1),
    "clif": (codes.COMPLEMENTARY, 0), "clif_overwritten": (codes.COMPLEMENTARY_OVERWRITTEN, 0),
    "glif": (codes.GATED, codes.GATED_NUMBERS),
}  # fmt: skip
BLOCKS = {
    "alif": 0, "block_alif": 2, "block_alif_latency3": 4, "block_alif_latency7": 8, "block_alif_latency15": 16
}  # fmt: skip
SLIDING = {"sliding_psn": 4, "sliding_psn_order8": 8}
CHANNELS = 128


@dataclass(frozen=True)
class Resources:
    """Of one compiled kernel: its name, registers a thread, bytes of stack a thread."""

    kernel: str
    registers: int
    stack: int


class Recorder:
    """Takes a kernel's place in a module of operators: what is launched is noted, not run."""

    def __init__(self, kernel, launches: list):
        self.kernel, self.launches = kernel, launches

    def __getitem__(self, grid):
        return lambda *arguments, **options: self.launches.append((self.kernel, arguments, options))


@contextmanager
def recorded() -> Iterator[list]:
    """The launches of the operators' kernels inside, (kernel, arguments, options) each."""
    kernels = [
        (module, name, thing)
        for module in OPERATORS
        for name, thing in vars(module).items()
        if isinstance(thing, triton.runtime.JITFunction)
    ]
    launches: list = []
    for module, name, kernel in kernels:
        setattr(module, name, Recorder(kernel, launches))
    try:
        yield launches
    finally:
        for module, name, kernel in kernels:
            setattr(module, name, kernel)


def compiled(kernel, arguments: tuple, options: dict) -> Resources:
    """As the launch would: pointers and numbers divisible by 16 are known to be, the number 1 is a constant."""
    named = dict(zip(kernel.arg_names, arguments)) | options
    settings = {name: named.pop(name) for name in list(named) if name not in kernel.arg_names}
    signature, constants, known = {}, {}, {}
    for at, name in enumerate(kernel.arg_names):
        value = named[name]
        if kernel.params[at].is_constexpr or value is None or (type(value) is int and value == 1):
            signature[name], constants[(at,)] = "constexpr", value
            continue
        signature[name] = KINDS[value.dtype if isinstance(value, torch.Tensor) else type(value)]
        if isinstance(value, torch.Tensor) or (type(value) is int and value % 16 == 0):
            known[(at,)] = [["tt.divisibility", 16]]
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=known)
    binary = triton.compile(source, target=TARGET, options=settings).asm["cubin"]
    return Resources(kernel.__name__, *usage(binary))


def usage(cubin: bytes) -> tuple[int, int]:
    """Registers and bytes of stack of a compiled kernel."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        dump = Path(triton.knobs.nvidia.cuobjdump.path)
        text = subprocess.run([dump, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"REG:(\d+)", text)[1]), int(re.search(r"STACK:(\d+)", text)[1])


def without_time(name: str, dtype: str) -> list[Resources]:
    """What the kernels take that know no time: pools, and one step of a walk."""
    x = torch.empty(16, CHANNELS, 8, 8, dtype=DTYPES[dtype]).contiguous(memory_format=torch.channels_last)
    v, kinds = torch.empty_like(x, dtype=torch.float32), [codes.DECAY_STATE_LEARNT, 0, 1, 1, 0]
    numbers = ([0.5, 1.0, 0.0, 1.0, 1.0, 1.0], kinds)
    threshold = torch.empty(()) if name == "stabilised_step" else None
    with recorded() as launches:
        if name == "average_pool":
            average.average_pool_backward(average.average_pool(x, (2, 2)), (2, 2))
        elif name == "max_pool":
            maximum.max_pool_backward(*maximum.max_pool(x, (2, 2)), (2, 2))
        elif name == "renormalised":
            rows = [torch.empty(CHANNELS) for _ in range(6)]
            state = (x.unsqueeze(0), v.unsqueeze(0), torch.empty(()), *rows, torch.empty(()))
            found = renormalised_ops.renorm_forward(*state, True, 1e-4, 20.0, False, *numbers)
            renormalised_ops.renorm_backward(found[0], *state[:2], *found[3:], *numbers)
        else:
            step_ops.step_backward(step_ops.step_forward(x, v, threshold, *numbers)[0], x, v, threshold, *numbers)
    return [compiled(*launch) for launch in launches]


def variants(time_steps: tuple[int, ...] = (4, 8, 10, 32)) -> Iterator[tuple[str, dict]]:
    """Name and arguments of `resources` for every kernel there is; surrogates, resets and amplitudes left aside."""
    for name in ("average_pool", "max_pool", "step", "stabilised_step", "renormalised"):
        for dtype in DTYPES:
            yield f"{name} {dtype}", {"name": name, "dtype": dtype}
    for neuron in (*NEURONS, "psn", *SLIDING, *BLOCKS):
        for steps in time_steps:
            for dtype in ("bf16", "fp32"):
                for layout in ("contiguous", "channels_last"):
                    for norm in ("none", "bn", "tebn", "bn+residual", "tebn+residual"):
                        if neuron == "psn" and steps > PARALLEL_STEPS:
                            continue
                        if neuron not in NEURONS and norm.startswith("tebn"):  # which then runs by itself
                            continue
                        arguments = {"neuron": neuron, "time_steps": steps, "dtype": dtype, "layout": layout}
                        yield f"{neuron} T{steps} {dtype} {layout} {norm}", {**arguments, "norm": norm}


def resources(neuron: str, time_steps: int, dtype: str, layout: str, norm: str, surrogate: int = 0) -> list[Resources]:
    """What forward and backward of a layer take, in the order of their launches."""
    x = torch.empty(time_steps * 16, CHANNELS, 8, 8, dtype=DTYPES[dtype])  # as many positions as the tallest tile
    if layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    x = x.unflatten(0, (time_steps, 16))
    residual, normed = x if norm.endswith("residual") else None, norm != "none"
    folded, row = (torch.empty(4, CHANNELS), torch.empty(CHANNELS)) if normed else (None, None)
    if neuron == "psn" or neuron in SLIDING:
        matrix = torch.empty(SLIDING[neuron]) if neuron in SLIDING else torch.empty(time_steps, time_steps)
        arguments = (x, residual, folded, matrix, torch.empty(1 if neuron in SLIDING else time_steps))
        with recorded() as launches:
            parallel_ops.parallel_forward(*arguments, time_steps, [1.0] * 3, [surrogate, 0])
            parallel_ops.parallel_backward(x, *arguments, time_steps, True, [1.0] * 3, [surrogate, 0])
        return [compiled(*launch) for launch in launches]
    if neuron in BLOCKS:
        length = min(BLOCKS[neuron], time_steps)
        numbers = adaptive_ops.numbers_of(torch.ones(3, CHANNELS), length)
        arguments = (x, residual, folded, numbers, time_steps)
        with recorded() as launches:
            adaptive_ops.adaptive_forward(*arguments, [1.0] * 5, [surrogate, 1, 0, length])
            adaptive_ops.adaptive_backward(x, *arguments, True, [1.0] * 5, [surrogate, 1, 0, length])
        return [compiled(*launch) for launch in launches]
    dynamics, rows = NEURONS[neuron]
    width, rows = (CHANNELS, rows + time_steps) if neuron == "glif" else (1, rows)
    learnt = torch.empty(rows, width) if rows else None
    steps = torch.empty(time_steps) if norm.startswith("tebn") else None
    numbers = (time_steps, [0.5, 1.0, 0.0, 1.0, 1.0, 1.0])
    tensors = (x, residual, folded, steps, learnt)
    kinds = [dynamics, surrogate, 0, 0, 0]
    with recorded() as launches:
        if normed:
            norm_ops.norm_fold(x, row, row, row, row, True, 0.1, 1e-5)
        membrane_ops.membrane_forward(*tensors, *numbers, kinds)
        membrane_ops.membrane_backward(x, *tensors, numbers[0], True, numbers[1], kinds)
    return [compiled(*launch) for launch in launches]


if __name__ == "__main__":
    for name, arguments in variants():
        if any(set(words.split()) <= set(name.split()) for words in sys.argv[1:] or [""]):
            for found in (without_time if "name" in arguments else resources)(**arguments):
                print(f"{name}: {found.kernel} registers={found.registers} stack={found.stack}", flush=True)
