"""One call of the bench: device, effort and time limit. `attempt` runs each measurement and catches its errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from snnbench.bench.clock import Effort, fresh, measure
from snnbench.bench.engines.spikingjelly import implementation
from snnbench.bench.step import Prepared
from snnbench.bench.works import Size
from snnbench.bench_rows import OK, append
from snnbench.errors import ConfigError
from snnbench.train.provenance import cpu_name, git_state, now

PACKAGES = ("torch", "triton", "spikingjelly")


@dataclass
class Session:
    """A call of the bench.

    Args:
        device: The device on which it measures.
        out: The folder of the CSV files.
        size: The size of the works; "tiny" shrinks every work.
        effort: How long a step is timed.
        limit_s: The number of seconds after which no measurement starts.
        thorough: Whether more variants of the other frameworks are measured.
        run: The id of the call, which is written to every row. If empty, it is made from the time and the commit.
        say: A function that gets each line of progress.
        started: The time at which the call began, on the monotonic clock.
    """

    device: torch.device
    out: Path
    size: Size = "full"
    effort: Effort = field(default_factory=Effort)
    limit_s: float | None = None
    thorough: bool = False
    run: str = ""
    say: Callable[[str], None] = lambda text: print(text, flush=True)
    started: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        return self.limit_s is not None and time.monotonic() - self.started >= self.limit_s

    def attempt(self, prepare: Callable[[], Prepared], samples: int, effort: Effort | None = None) -> dict:
        """Prepare a step and time it. Returns the TIMING columns, in which an error becomes a status and a sentence."""
        fresh(self.device)
        return guarded(lambda: _timed(prepare, samples, self.device, effort or self.effort))

    def record(self, name: str, row: dict, title: str) -> None:
        """Write a row to its CSV file and report it with `say`."""
        append(self.out, name, self.stamp() | row)
        left = "" if self.limit_s is None else f"  [{time.monotonic() - self.started:.0f} of {self.limit_s:.0f} s]"
        self.say(f"{title}: {_line(row)}{left}")

    def stamp(self) -> dict:
        return {"date": now()} | self.place | _sensors(self.device)

    @cached_property
    def place(self) -> dict:
        """The columns that stay the same during a call of the bench."""
        commit, dirty = git_state()
        return {
            "run": self.run or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{(commit or 'unknown')[:7]}",
            "commit": commit and commit[:12],
            "dirty": None if dirty is None else int(dirty),
            "device": device_name(self.device),
            "size": self.size,
            "versions": versions(self.device),
        }


def choose_device(wanted: str) -> torch.device:
    """auto, cpu or cuda. On CUDA fp32 runs with TF32 and cuDNN searches its algorithms, for every engine alike.

    Raises:
        ConfigError: cuda without a CUDA device.
    """
    cuda = torch.cuda.is_available()
    if wanted == "cuda" and not cuda:
        raise ConfigError("device=cuda: no CUDA device is visible; use device=cpu or device=auto")
    if wanted == "cpu" or not cuda:
        return torch.device("cpu")
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    return torch.device("cuda", torch.cuda.current_device())


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def versions(device: torch.device) -> str:
    """'torch 2.11.0+cu130; triton 3.6.0; spikingjelly 2.0.0 (triton)', as installed; in brackets its LIF kernel."""
    found = []
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found.append(f"{package} {torch.__version__ if package == 'torch' else version(package)}")
    if found[-1].startswith("spikingjelly") and (kernel := implementation(device)):
        found[-1] += f" ({kernel})"
    return "; ".join(found)


def guarded(measurement: Callable[[], dict]) -> dict:
    """The columns of a measurement. An error becomes a status and a sentence."""
    try:
        return measurement()
    except Exception as error:  # an engine may fail in any way, and the other engines must still be measured
        status = "failed"
        if isinstance(error, torch.OutOfMemoryError):
            status = "out of memory"
        elif isinstance(error, ImportError):
            status = "not installed"
        elif isinstance(error, ConfigError):
            status = "refused"
        lines = str(error).strip().splitlines() or [""]
        return {"status": status, "sentence": f"{type(error).__name__}: {lines[0][:300]}"}


def _timed(prepare: Callable[[], Prepared], samples: int, device: torch.device, effort: Effort) -> dict:
    prepared = prepare()
    timing = measure(prepared.step, device, effort, peak_from_start=prepared.peak_from_start)
    return {
        "status": OK,
        "samples_per_s": samples / timing.ms_median * 1e3,
        "ms_median": timing.ms_median,
        "ms_p10": timing.ms_p10,
        "ms_p90": timing.ms_p90,
        "steps": timing.steps,
        "peak_gib": timing.peak_gib,
        "first_step_s": timing.first_s,
        "parameters": prepared.parameters,
    }


def _sensors(device: torch.device) -> dict:
    """Clock, power and temperature now, where torch can ask for them (it needs nvidia-ml-py)."""
    if device.type != "cuda":
        return {}
    found = {}
    readings = {
        "clock_mhz": lambda: torch.cuda.clock_rate(device),
        "power_w": lambda: torch.cuda.power_draw(device) / 1e3,
        "temperature_c": lambda: torch.cuda.temperature(device),
    }
    for name, read in readings.items():
        with suppress(Exception):
            found[name] = read()
    return found


def _line(row: dict) -> str:
    if row["status"] != OK:
        return f"{row['status']} ({row['sentence']})"
    peak = "" if row["peak_gib"] is None else f", {row['peak_gib']:.2f} GiB"
    if row["ms_p10"] is None:
        return f"{row['samples_per_s']:,.0f} samples/s, {row['ms_median']:.3f} ms x {row['steps']}{peak}"
    return (
        f"{row['samples_per_s']:,.0f} samples/s, {row['ms_median']:.3f} ms "
        f"[{row['ms_p10']:.3f}, {row['ms_p90']:.3f}] x {row['steps']}{peak}, first step {row['first_step_s']:.1f} s"
    )
