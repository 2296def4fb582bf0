"""One layer through the fused kernels and through plain PyTorch, and the pairwise matrix of layers to put through."""

from __future__ import annotations

import copy
import itertools
import random
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from snnbench import kernels
from snnbench.models.parts import Site
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.neurons.plif import PLIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.tdbn import TdBN
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.fast_sigmoid import FastSigmoid
from snnbench.surrogates.rectangle import Rectangle
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.surrogates.triangle import Triangle

SURROGATES = {
    "atan": ATan, "sigmoid": Sigmoid, "triangle": Triangle, "rectangle": Rectangle, "fast_sigmoid": FastSigmoid,
}  # fmt: skip
# tau 2 with currents in eighths makes h hit the threshold exactly; tau 3 rounds
NEURONS = {
    "if": lambda *a, **k: IF(*a, **k),
    "lif": lambda *a, **k: LIF(*a, tau=2.0, decay_input=True, **k),
    "lif_tau3": lambda *a, **k: LIF(*a, tau=3.0, decay_input=True, **k),
    "lif_undecayed": lambda *a, **k: LIF(*a, tau=2.0, decay_input=False, **k),
    "lif_undecayed_tau3": lambda *a, **k: LIF(*a, tau=3.0, decay_input=False, **k),
    "plif": lambda *a, **k: PLIF(*a, init_tau=2.0, **k),
    "plif_undecayed_tau3": lambda *a, **k: PLIF(*a, init_tau=3.0, decay_input=False, **k),
}
# C = 5 and 3: no power of two; 18, 12 and 7 positions: no multiple of a tile
SHAPES = {"contiguous": (2, 5, 3, 3), "channels_last": (2, 5, 3, 3), "tokens": (2, 3, 6), "flat": (7, 5)}
DIMENSIONS = {
    "reset": ["hard", "soft"],
    "neuron": list(NEURONS),
    "surrogate": list(SURROGATES),
    "detach_reset": [True, False],
    "strict": [True, False],
    "v_reset": [0.0, -0.3],
    "amplitude": [1.0, 2.74],
    "time_steps": [1, 3, 4, 8, 9, 17, 64],
    "dtype": [torch.float32, torch.bfloat16],
    "layout": list(SHAPES),
    "static": [False, True],
    "norm": ["none", "bn", "bn_eval", "tdbn"],
    "residual": [False, True],
}


@dataclass(frozen=True)
class Case:
    """A layer and its input; `shape` is `[N, C, *]`, None for that of the layout."""

    reset: str = "hard"
    neuron: str = "lif"
    surrogate: str = "atan"
    detach_reset: bool = True
    strict: bool = False
    v_reset: float = 0.0
    amplitude: float = 1.0
    time_steps: int = 4
    dtype: torch.dtype = torch.float32
    layout: str = "contiguous"
    static: bool = False
    norm: str = "none"
    residual: bool = False
    shape: tuple[int, ...] | None = None

    def __str__(self) -> str:
        changed = {k: v for k, v in asdict(self).items() if v != getattr(Case, k)}
        named = ("neuron", "surrogate", "reset", "layout", "norm")
        parts = [str(v) if k in named else k if v is True else f"{k}={v}" for k, v in changed.items()]
        return "-".join(parts).replace("torch.", "") or "default"

    @property
    def channels(self) -> int:
        return (self.shape or SHAPES[self.layout])[1]


def pairwise_cases(seed: int = 0, tries: int = 40) -> list[Case]:
    """Cases in which any two values of two dimensions meet at least once (greedy; about the square of the longest)."""
    pick, cases = random.Random(seed), []
    names = list(DIMENSIONS)
    missing = {
        ((a, u), (b, v)) for a, b in itertools.combinations(names, 2) for u in DIMENSIONS[a] for v in DIMENSIONS[b]
    }

    def met(chosen: dict) -> set:
        return set(itertools.combinations(chosen.items(), 2)) & missing

    while missing:
        seed_pair = dict(min(missing, key=str))  # so that every round makes progress
        drawn = [{name: pick.choice(DIMENSIONS[name]) for name in names} | seed_pair for _ in range(tries)]
        best = max(drawn, key=lambda chosen: len(met(chosen)))
        missing -= met(best)
        cases.append(Case(**best))
    return cases


def build(case: Case) -> nn.ModuleDict:
    """`neuron` and, unless none, `norm` with random parameters and statistics."""
    torch.manual_seed(1)
    site = Site(case.channels, case.time_steps, v_th=1.0, branches=2)
    names = ("reset", "detach_reset", "strict", "v_reset", "amplitude")
    arguments = {name: getattr(case, name) for name in names}
    layer = nn.ModuleDict({"neuron": NEURONS[case.neuron](site, SURROGATES[case.surrogate](), **arguments)})
    if case.norm != "none":
        norm = layer["norm"] = TdBN(site) if case.norm == "tdbn" else BatchNorm(site)
        nn.init.uniform_(norm.weight, 1.0, 3.0)
        nn.init.normal_(norm.bias, 0.5, 0.5)
        nn.init.normal_(norm.running_mean, 0.5, 0.5)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
        norm.train(case.norm != "bn_eval")
    return layer


def currents(case: Case, seed: int, steps: int, device: str = "cpu") -> Tensor:
    """Random currents `[steps, N, C, *]` in the case's layout, eighths where there is no norm to round them anyway."""
    shape = case.shape or SHAPES[case.layout]
    x = torch.randn(steps * shape[0], *shape[1:], generator=torch.Generator().manual_seed(seed)) * 2 + 0.5
    if case.norm == "none" and "tau3" not in case.neuron:
        x = (x * 8).round() / 8
    if case.layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    return x.to(device, case.dtype).unflatten(0, (steps, shape[0]))


@dataclass
class Outcome:
    """What one path gave: spikes, gradients by name, buffers by name."""

    spikes: Tensor
    gradients: dict[str, Tensor]
    buffers: dict[str, Tensor]


def run(mode: str, layer: nn.ModuleDict, case: Case, x: Tensor, residual: Tensor | None, g: Tensor) -> Outcome:
    """Forward and backward of a copy of `layer`; x is `[T or 1, N, C, *]`."""
    layer, x = copy.deepcopy(layer), x.detach().clone().requires_grad_()
    leaves = {"x": x} | dict(layer.named_parameters())
    if residual is not None:
        leaves["residual"] = residual = residual.detach().clone().requires_grad_()
    x_seq = x.expand(case.time_steps, *x.shape[1:])
    with kernels.use(mode):
        spikes = layer["neuron"](x_seq, getattr(layer, "norm", None), residual)
    assert is_fused(spikes) == (mode == "fused")
    spikes.backward(g)
    return Outcome(spikes.detach(), {name: leaf.grad for name, leaf in leaves.items()}, dict(layer.named_buffers()))


def is_fused(spikes: Tensor) -> bool:
    """Whether these spikes came from the kernels."""
    return type(spikes.grad_fn).__name__ == "_SequenceBackward"


def compare(case: Case, device: str = "cpu") -> Outcome:
    """Assert that both paths agree; gives the fused one's outcome.

    The reference gets an fp32 copy of half inputs: kernels keep the normed current and its sum with the residual in
    fp32, where PyTorch rounds each of them to the input's dtype.
    """
    layer, x = build(case).to(device), currents(case, 0, 1 if case.static else case.time_steps, device)
    residual = currents(case, 1, case.time_steps, device) / 2 if case.residual else None
    g = torch.randn(case.time_steps, *x.shape[1:], generator=torch.Generator().manual_seed(2)).to(device, case.dtype)
    fused = run("fused", layer, case, x, residual, g)
    reference = run("reference", layer, case, x.float(), None if residual is None else residual.float(), g.float())

    assert fused.spikes.dtype == case.dtype
    assert torch.equal(fused.spikes, reference.spikes.to(case.dtype))
    assert 0 < fused.spikes.count_nonzero() < fused.spikes.numel(), "such a test says little"
    assert fused.gradients.keys() == reference.gradients.keys()
    for name, expected in reference.gradients.items():
        found = fused.gradients[name]
        assert found.shape == expected.shape, name
        digits = 2**-7 if found.dtype == torch.bfloat16 else 2e-5 if case.norm == "none" else 2e-4
        atol = digits * expected.abs().max().item()
        torch.testing.assert_close(found.float(), expected, rtol=digits, atol=atol, msg=lambda m, n=name: f"{n}: {m}")
    for name, expected in reference.buffers.items():
        torch.testing.assert_close(
            fused.buffers[name], expected, rtol=1e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}"
        )
    return fused
