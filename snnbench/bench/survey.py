"""The survey's speed study with our neurons (Fang et al., Chinese Journal of Computers 2025, folder `speed`).

`survey_speed`: one layer of N = 2 * 2^power neurons, fp32, T steps; training is forward and backward of the sum, test
is forward alone. Compared with a LIF walked step by step whose charge and reset are JIT-scripted (its baseline) and
with SpikingJelly's fused LIF. The speed rows of its tables are `survey_nets` (recipes.py).

Launch latency dominates the time of such small layers. On CUDA our layer replays a CUDA graph, as in the trainer.
SpikingJelly's layer runs eagerly and as a CUDA graph, and the faster counts. The baseline runs eagerly. A neuron that
cannot run becomes a row that says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor, nn

from snnbench.bench.clock import Effort
from snnbench.bench.engines import ours, spikingjelly
from snnbench.bench.engines.eager import PlainATan
from snnbench.bench.session import Session
from snnbench.bench.step import Prepared, captured_call
from snnbench.bench.works import section
from snnbench.bench_rows import BASELINE
from snnbench.config.compose import compose

PHASES = ("train", "test")


def run_survey_speed(session: Session) -> None:
    """One layer alone, by power, T, neuron and phase; returns early when the time is over."""
    node = section("survey_speed", session.size)
    effort = Effort(node["repeats"], warmup=3, seconds=0)
    for power in node["powers"]:
        for time_steps in node["time_steps"]:
            for engine, neuron, build in _layers(node, 2 * 2**power, time_steps):
                for phase, mode in product(PHASES, _modes(engine, session.device)):
                    if session.is_over:
                        return
                    shape = (time_steps, 1, 2 * 2**power)
                    captured = mode == "captured"
                    row = session.attempt(
                        lambda: _layer(build, shape, phase, session.device, captured),  # noqa: B023
                        1,
                        effort,
                    )
                    row |= {"neuron": neuron, "engine": engine, "precision": "fp32", "layout": "contiguous"}
                    row |= {"mode": mode}
                    row |= {"time_steps": time_steps, "power": power, "phase": phase}
                    session.record(
                        "survey_speed", row, f"survey speed N=2^{power + 1} T={time_steps} {engine} {neuron} {phase}"
                    )


def _modes(engine: str, device: torch.device) -> tuple[str, ...]:
    if device.type != "cuda" or engine == BASELINE:
        return ("eager",)
    return ("captured",) if engine == "ours" else ("captured", "eager")


def _layers(node: dict, channels: int, time_steps: int) -> Iterator[tuple[str, str, Callable[[], nn.Module]]]:
    """(engine, neuron, build) of the baseline, SpikingJelly and all of ours, each also with its `variants`."""
    overrides = node["overrides"]
    plain = compose([*overrides, "neuron=lif"]).config
    yield BASELINE, "lif", lambda: JitLIF(plain["neuron"]["tau"], plain["surrogate"]["alpha"])
    yield (
        "spikingjelly",
        "lif",
        lambda: spikingjelly.FromRest(spikingjelly.lif_node(plain["neuron"], plain["surrogate"])),
    )
    for name in node["neurons"]:
        for change in [None, *node.get("variants", {}).get(name, [])]:
            asked = [*overrides, f"neuron={name}", f"T={time_steps}", *([change] if change else [])]
            label = f"{name} {change.removeprefix('neuron.')}" if change else name
            yield "ours", label, lambda asked=asked: ours.neuron_of(compose(asked).config, channels, time_steps)


def _layer(
    build: Callable[[], nn.Module], shape: tuple[int, ...], phase: str, device: torch.device, captured: bool
) -> Prepared:
    layer = build().to(device).train(phase == "train")
    x = torch.rand(shape, device=device, requires_grad=phase == "train")
    wanted = [x, *layer.parameters()]

    def train() -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(layer(x).sum(), wanted, allow_unused=True)  # T may be too short for some

    def test() -> Tensor:
        with torch.no_grad():
            return layer(x)

    step = train if phase == "train" else test
    return Prepared(captured_call(step) if captured else step, peak_from_start=captured)


def _charge(x: Tensor, v: Tensor, tau: float) -> Tensor:
    return v + (x - v) / tau


def _reset(h: Tensor, s: Tensor) -> Tensor:
    return (1.0 - s) * h


class JitLIF(nn.Module):
    """LIF walked step by step, charge and reset scripted (`torch.jit.script`), threshold 1, reset detached."""

    def __init__(self, tau: float, alpha: float):
        super().__init__()
        self.tau, self.alpha = tau, alpha
        with warnings.catch_warnings():  # torch.jit is deprecated, and it is the survey's baseline
            warnings.simplefilter("ignore")
            self.charge, self.reset = torch.jit.script(_charge), torch.jit.script(_reset)

    def forward(self, x_seq: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(x_seq[0]), []
        for x in x_seq:
            h = self.charge(x, v, self.tau)
            s = PlainATan.apply(h - 1.0, self.alpha)
            v = self.reset(h, s.detach())
            spikes.append(s)
        return torch.stack(spikes)
