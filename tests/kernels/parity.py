"""One layer through the fused kernels and through plain PyTorch, and the pairwise matrix of layers to put through."""

from __future__ import annotations

import copy
import itertools
import random
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from snnbench import kernels
from snnbench.neurons.alif import ALIF
from snnbench.neurons.block_alif import BlockALIF
from snnbench.neurons.clif import CLIF
from snnbench.neurons.glif import GLIF
from snnbench.neurons.integrate_fire import IF
from snnbench.neurons.lif import LIF
from snnbench.neurons.masked_psn import MaskedPSN
from snnbench.neurons.plif import PLIF
from snnbench.neurons.psn import PSN
from snnbench.neurons.sliding_psn import SlidingPSN
from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.tdbn import TdBN
from snnbench.norms.tebn import TEBN
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.surrogates.dspike import Dspike
from snnbench.surrogates.exp_abs import ExpAbs
from snnbench.surrogates.fast_sigmoid import FastSigmoid
from snnbench.surrogates.gaussian import Gaussian
from snnbench.surrogates.rectangle import Rectangle
from snnbench.surrogates.sigmoid import Sigmoid
from snnbench.surrogates.triangle import Triangle

SURROGATES = {
    "atan": ATan, "sigmoid": Sigmoid, "triangle": Triangle, "rectangle": Rectangle, "fast_sigmoid": FastSigmoid,
    "gaussian": Gaussian, "exp_abs": ExpAbs, "dspike": Dspike,
}  # fmt: skip


def without_reset(neuron):
    """CLIF and GLIF reset in one way of their own, the PSN family never."""
    return lambda *a, reset, detach_reset, v_reset, **k: neuron(*a, **k)


def adaptive(neuron, latency: int):
    """They have one reset, to zero."""
    return lambda *a, reset, v_reset, **k: neuron(*a, latency=latency, **k)


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
TWO_STATES = {
    "clif": without_reset(CLIF),
    "clif_overwritten_tau3": without_reset(lambda *a, **k: CLIF(*a, tau=3.0, overwrite_m=True, **k)),
    "glif": without_reset(GLIF),
    "glif_shared": without_reset(lambda *a, **k: GLIF(*a, channel_wise=False, **k)),
}
PARALLEL = {
    "psn": without_reset(PSN),
    "masked_psn": without_reset(lambda *a, **k: MaskedPSN(*a, k=2, **k)),
    "sliding_psn": without_reset(lambda *a, **k: SlidingPSN(*a, k=3, **k)),
    "sliding_psn_conv": without_reset(lambda *a, **k: SlidingPSN(*a, k=3, backend="conv", **k)),
    "sliding_psn_order8": without_reset(lambda *a, **k: SlidingPSN(*a, k=8, **k)),
}
ADAPTIVE = {
    "alif": adaptive(ALIF, 1),
    "alif_latency3": adaptive(ALIF, 3),
    **{f"block_alif_latency{latency}": adaptive(BlockALIF, latency) for latency in (0, 1, 2, 3, 7, 15)},
}
EIGHTHS = ("if", "lif", "lif_undecayed", "plif")
NORMS = {"bn": BatchNorm, "bn_eval": BatchNorm, "tdbn": TdBN, "tebn": TEBN, "tebn_eval": TEBN}
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
    "dtype": [torch.float32, torch.bfloat16, torch.float16],
    "layout": list(SHAPES),
    "static": [False, True],
    "norm": ["none", "bn", "bn_eval", "tdbn", "tebn"],
    "residual": [False, True],
}
RESETS = ("reset", "detach_reset", "v_reset")
TWO_STATES_DIMENSIONS = {name: values for name, values in DIMENSIONS.items() if name not in RESETS} | {
    "neuron": list(TWO_STATES),
    "time_steps": [1, 4, 8, 9],
}
ADAPTIVE_DIMENSIONS = TWO_STATES_DIMENSIONS | {
    "neuron": list(ADAPTIVE),
    "detach_reset": [True, False],
    "time_steps": [1, 3, 4, 8, 9, 17],
    "norm": ["none", "bn", "bn_eval", "tdbn"],
}
PARALLEL_DIMENSIONS = TWO_STATES_DIMENSIONS | {
    "neuron": list(PARALLEL),
    "time_steps": [2, 3, 4, 5, 8],
    "norm": ["none", "bn", "bn_eval", "tdbn"],
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


def pairwise_cases(dimensions: dict[str, list], seed: int = 0, tries: int = 40) -> list[Case]:
    """Cases in which any two values of two dimensions meet at least once (greedy; about the square of the longest)."""
    pick, cases = random.Random(seed), []
    names = list(dimensions)
    missing = {
        ((a, u), (b, v)) for a, b in itertools.combinations(names, 2) for u in dimensions[a] for v in dimensions[b]
    }

    def met(chosen: dict) -> set:
        return set(itertools.combinations(chosen.items(), 2)) & missing

    while missing:
        seed_pair = dict(min(missing, key=str))  # so that every round makes progress
        drawn = [{name: pick.choice(dimensions[name]) for name in names} | seed_pair for _ in range(tries)]
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
    make = (NEURONS | TWO_STATES | PARALLEL | ADAPTIVE)[case.neuron]
    layer = nn.ModuleDict({"neuron": make(site, SURROGATES[case.surrogate](), **arguments)})
    for numbers in layer["neuron"].parameters():
        if case.neuron in TWO_STATES:
            nn.init.normal_(numbers)
        if case.neuron in PARALLEL:
            nn.init.uniform_(numbers, -0.5, 1.0) if numbers.dim() > 1 else nn.init.uniform_(numbers, 0.2, 0.8)
    if case.neuron in ADAPTIVE:
        nn.init.uniform_(layer["neuron"].beta, 0.5, 0.99)
        nn.init.uniform_(layer["neuron"].p, 0.5, 0.99)
        nn.init.uniform_(layer["neuron"].b, 0.05, 0.9)
    if case.norm != "none":
        norm = layer["norm"] = NORMS[case.norm](site)
        nn.init.uniform_(norm.weight, 1.0, 3.0)
        nn.init.normal_(norm.bias, 0.5, 0.5)
        nn.init.normal_(norm.running_mean, 0.5, 0.5)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
        if isinstance(norm, TEBN):
            nn.init.uniform_(norm.p, 0.5, 1.5)
        norm.train(not case.norm.endswith("eval"))
    return layer


def currents(case: Case, seed: int, steps: int, device: str = "cpu") -> Tensor:
    """Random currents `[steps, N, C, *]` in the case's layout, eighths where there is no norm to round them anyway."""
    shape = case.shape or SHAPES[case.layout]
    x = torch.randn(steps * shape[0], *shape[1:], generator=torch.Generator().manual_seed(seed)) * 2 + 0.5
    if case.norm == "none" and case.neuron in EIGHTHS:
        x = (x * 8).round() / 8
    if case.layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    return x.to(device, case.dtype).unflatten(0, (steps, shape[0]))


def operands(case: Case, device: str) -> tuple:
    """Form of the case's neuron, and x, residual and folded norm as its operators take them."""
    layer, x = build(case).to(device), currents(case, 0, 1 if case.static else case.time_steps, device)
    residual = currents(case, 1, case.time_steps, device) if case.residual else None
    folded = torch.rand(4, case.channels, device=device) + 0.5 if case.norm != "none" else None
    return layer["neuron"].kernel_form(), x, residual, folded


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
    """Whether these spikes came from the kernels: the function that made them is defined there."""
    function = getattr(type(spikes.grad_fn), "_forward_cls", type(None))
    return function.__module__.startswith("snnbench.kernels.")


def both_paths(layer: nn.ModuleDict, x_seq: Tensor, g=None, residual: Tensor | None = None) -> list[list[Tensor]]:
    """Spikes and all gradients (input, residual, parameters) of the fused path and of the reference."""
    found = []
    for mode in ("fused", "reference"):
        leaves = [t.detach().clone().requires_grad_() for t in (x_seq, residual) if t is not None]
        layer.zero_grad()
        with kernels.use(mode):
            spikes = layer["neuron"](leaves[0], getattr(layer, "norm", None), *leaves[1:])
        assert is_fused(spikes) == (mode == "fused")
        spikes.backward(2 * spikes.detach() if g is None else g)
        found.append([spikes.detach(), *(leaf.grad for leaf in (*leaves, *layer.parameters()))])
    return found


def is_clear(layer: nn.ModuleDict, case: Case, x: Tensor, residual: Tensor | None) -> bool:
    """Whether no potential lies so near the threshold, or a surrogate's edge, that rounding decides what happens."""
    layer, gaps = copy.deepcopy(layer), []

    def note(surrogate: nn.Module, arguments: tuple) -> None:
        (above,) = arguments
        half_widths = {Rectangle: lambda: surrogate.width / 2, Dspike: lambda: surrogate.half_width}
        width = half_widths.get(type(surrogate))
        edges = [above] if width is None else [above, above.abs() - width()]
        gaps.extend(edge.abs().min().item() for edge in edges)

    layer["neuron"].surrogate.register_forward_pre_hook(note)
    with torch.no_grad(), kernels.use("reference"):
        layer["neuron"](x.expand(case.time_steps, *x.shape[1:]), getattr(layer, "norm", None), residual)
    return min(gaps) > 1e-5


def compare(case: Case, device: str = "cpu") -> Outcome:
    """Assert that both paths agree; gives the fused one's outcome.

    The reference gets an fp32 copy of half inputs: kernels keep the normed current and its sum with the residual in
    fp32, where PyTorch rounds each of them to the input's dtype. CLIF's sigmoids and a norm's folded scale round unlike
    PyTorch's, and so do sums over time in another order: all but membrane neurons get the first currents of which no
    potential comes within 1e-5 of the threshold.
    """
    layer = build(case).to(device)
    for seed in range(0, 20, 2):
        x = currents(case, seed, 1 if case.static else case.time_steps, device)
        residual = currents(case, seed + 1, case.time_steps, device) / 2 if case.residual else None
        upcast = x.float(), None if residual is None else residual.float()
        if case.neuron in NEURONS or is_clear(layer, case, *upcast):
            break
    else:
        raise AssertionError("every seed brings a potential to the threshold")
    g = torch.randn(case.time_steps, *x.shape[1:], generator=torch.Generator().manual_seed(2)).to(device, case.dtype)
    fused = run("fused", layer, case, x, residual, g)
    reference = run("reference", layer, case, *upcast, g.float())

    assert fused.spikes.dtype == case.dtype
    assert torch.equal(fused.spikes, reference.spikes.to(case.dtype))
    assert 0 < fused.spikes.count_nonzero() < fused.spikes.numel(), "such a test says little"
    assert fused.gradients.keys() == reference.gradients.keys()
    for name, expected in reference.gradients.items():
        found = fused.gradients[name]
        if expected is None:  # p and b of a single block
            assert not found.any(), name
            continue
        assert found.shape == expected.shape, name
        half = {torch.bfloat16: 2**-7, torch.float16: 2**-10}
        digits = half.get(found.dtype, 2e-5 if case.norm == "none" else 2e-4)
        # a number that the layer shares is one sum with much cancelling; it rounds as the neuron's other sums do
        kin = [g for other, g in reference.gradients.items() if other.startswith("neuron")] if not found.dim() else []
        atol = digits * max(g.abs().max().item() for g in [expected, *kin])
        torch.testing.assert_close(found.float(), expected, rtol=digits, atol=atol, msg=lambda m, n=name: f"{n}: {m}")
    for name, expected in reference.buffers.items():
        torch.testing.assert_close(
            fused.buffers[name], expected, rtol=1e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}"
        )
    return fused
