"""Rooflines: compare the bandwidth of each fused kernel with the copy bandwidth of the device.

A memory-bound kernel needs at least bytes moved / bandwidth. `configs/bench.yaml` declares the bytes of each kernel:
`passes` times the size of the tensor, plus `bytes` for tensors of another size. The bandwidth is that of `copy_` on a
tensor of this size.
On CUDA both paths replay a CUDA graph, as in a captured training step, without Python between the kernels.
"""

from __future__ import annotations

from dataclasses import asdict
from math import prod

from snnbench.bench.engines.floor import copy_step
from snnbench.bench.engines.ours import PATHS
from snnbench.bench.kernel_steps import prepare
from snnbench.bench.session import Session
from snnbench.bench.step import DTYPES, Prepared, Variant
from snnbench.bench.works import later_wins, section
from snnbench.bench_rows import OK
from snnbench.config.compose import compose

LAYOUTS = ("contiguous", "channels_last")


def kernel_names() -> list[str]:
    return list(section("kernels", "full")["rows"])


def run_kernels(session: Session, names: list[str] | None = None) -> None:
    """The kernel rows of these names (all if None) by dtype and layout, ours and the reference path; returns early
    when the time is over."""
    node = section("kernels", session.size)
    shape, rows = tuple(node["shape"]), {name: node["rows"][name] for name in names or node["rows"]}
    configs = {
        name: compose(later_wins(node["overrides"] + row.get("overrides", []))).config for name, row in rows.items()
    }
    for precision in node["dtypes"]:
        copy = _copy_gb_per_s(session, shape, precision)
        for kernel, row in rows.items():
            for layout in row.get("layouts", LAYOUTS):
                for engine, path in PATHS.items():
                    if session.is_over:
                        return
                    variant = Variant(precision, layout, "captured" if session.device.type == "cuda" else "eager")
                    timing = session.attempt(
                        lambda: prepare(configs[kernel], row, shape, variant, session.device, path),  # noqa: B023
                        shape[1],
                    )
                    element_bytes = row["passes"] * DTYPES[precision].itemsize + row.get("bytes", 0)
                    timing |= {
                        "kernel": kernel,
                        "engine": engine,
                        **asdict(variant),
                        "shape": "x".join(map(str, shape)),
                    }
                    timing |= {"bytes_per_element": element_bytes, "copy_gb_per_s": copy}
                    if timing["status"] == OK:
                        rate = element_bytes * prod(shape) / timing["ms_median"] / 1e6
                        timing |= {"gb_per_s": rate, "share_of_copy": copy and rate / copy}
                    session.record("kernels", timing, f"kernel {kernel} {engine} {variant}")


def _copy_gb_per_s(session: Session, shape: tuple[int, ...], precision: str) -> float | None:
    """The bytes that `copy_` reads and writes per second. They are recorded as a kernel of two passes."""
    dtype = DTYPES[precision]
    timing = session.attempt(lambda: Prepared(copy_step(shape, dtype, session.device, 2)), shape[1])
    rate = 2 * dtype.itemsize * prod(shape) / timing["ms_median"] / 1e6 if timing["status"] == OK else None
    timing |= {"kernel": "copy", "engine": "torch", "precision": precision, "layout": "contiguous", "mode": ""}
    timing |= {"shape": "x".join(map(str, shape)), "bytes_per_element": 2 * dtype.itemsize}
    timing |= {"copy_gb_per_s": rate, "gb_per_s": rate, "share_of_copy": rate and 1.0}
    session.record("kernels", timing, f"kernel copy {precision}")
    return rate
