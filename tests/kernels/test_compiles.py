"""The kernels compile for Hopper, without spilling what they keep of a chunk; needs no GPU, only Triton's own ptxas."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# words of the variants' names: every dynamics, with each way to run the norm's backward, T in one chunk and in two
VARIANTS = [
    ("average_pool", "bf16"),
    ("max_pool", "bf16"),
    ("step", "bf16"),
    ("stabilised_step", "fp32"),
    ("renormalised", "bf16"),
    ("lif", "T4", "bf16", "channels_last", "bn"),
    ("plif", "T8", "fp32", "contiguous", "tebn+residual"),
    ("clif", "T8", "bf16", "channels_last", "bn"),
    ("clif_overwritten", "T10", "fp32", "contiguous", "none"),
    ("glif", "T8", "bf16", "channels_last", "tebn"),
    ("glif", "T10", "fp32", "contiguous", "none"),
    ("psn", "T4", "bf16", "channels_last", "bn"),
    ("psn", "T8", "fp32", "contiguous", "bn+residual"),
    ("sliding_psn", "T32", "bf16", "channels_last", "bn"),
    ("sliding_psn_order8", "T32", "fp32", "contiguous", "bn+residual"),
    ("alif", "T4", "bf16", "channels_last", "bn"),
    ("alif", "T10", "fp32", "contiguous", "none"),
    ("block_alif", "T4", "bf16", "channels_last", "bn"),
    ("block_alif", "T32", "bf16", "channels_last", "bn+residual"),
    ("block_alif_latency7", "T10", "fp32", "contiguous", "none"),
]
SPILLED = 64  # bytes a thread: a few registers, where a step kept too many would be some hundreds


def has_ptxas() -> bool:
    if find_spec("triton") is None:
        return False
    import triton

    knobs = getattr(getattr(triton, "knobs", None), "nvidia", None)
    return knobs is not None and all(Path(tool.path).exists() for tool in (knobs.ptxas, knobs.cuobjdump))


@pytest.mark.skipif(not has_ptxas(), reason="Triton or its ptxas is missing")
def test_kernels_compile_for_hopper_and_do_not_spill(tmp_path):
    """In a process of its own: here the interpreter has taken the kernels' place."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"PYTHONPATH": str(ROOT), "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, str(Path(__file__).with_name("compiling.py")), *map(" ".join, VARIANTS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.findall(r"^(.*): (\w+) registers=(\d+) stack=(\d+)$", done.stdout, re.MULTILINE)
    assert {name for name, *_ in found} == {" ".join(words) for words in VARIANTS}
    kernels = {kernel for _, kernel, *_ in found}
    assert kernels >= {"forward_kernel", "backward_kernel", "affine_kernel", "sums_kernel", "fold_kernel"}
    spilling = [line for line in done.stdout.splitlines() if int(line.split("stack=")[1]) > SPILLED]
    assert not spilling
