"""compare speed and memory with other frameworks: `snnbench bench`, `snnbench bench work=csnn engine=ours,spikingjelly`

  snnbench bench [work=<names>] [engine=<names>] [kernel=<names>] [curve=<names>] [recipe=<names>] [out=<folder>]
                 [repeats=<n>] [limit_s=<seconds>] [size=full|tiny] [device=auto|cpu|cuda] [thorough=true]
                 [run=<id>] [render=true]

work      csnn, resnet19, sew_resnet18, spikformer, spikformer_8_512, qkformer_10_384, qkformer_4_384, vggsnn, lif_bf16,
          lif_fp32 (the table, default); kernels (rooflines), scaling (curves over T, batch, depth; OTTT), saturation
          (doubles the batch until the speed no longer rises), end_to_end (`snnbench train` with its data loader),
          survey_speed (the survey's speed study), survey_nets (every survey recipe: the speed rows of its tables),
          neurons (neurons without a kernel, compiled and in a Python loop, compared with LIF),
          neuron_layers (each family of kernels compared with the same neuron compiled); or all
engine    for the table: ours, spikingjelly, compile, eager, floor (default), reference
kernel    for work=kernels: lif_train, norm_psn_train, max_pool_train, ... (default: all)
curve     for work=scaling: T, batch, depth, ottt_T (default: all)
recipe    for work=survey_nets: survey/cifar10_lif, ... (default: all)
out       the folder for the CSV files, bench.md and the plots (default results/bench; with size=tiny runs/bench)
repeats   the least number of timed steps (default 50)
limit_s   after this many seconds no new measurement starts
size      tiny makes every network small, for a test on the CPU
thorough  true: measure more variants of the other frameworks (max-autotune)
run       the id that is written into each row (default: time and commit). Only rows with the same id are compared. If
          several processes share the works of one measurement, one GPU each, give all of them the same id
render    true: only rebuild bench.md and the plots from the CSV files
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from snnbench.bench.works import work_names
from snnbench.cli.arguments import key_values
from snnbench.config.compose import nearest
from snnbench.config.paths import results_dir
from snnbench.errors import ConfigError

ALLOWED = {
    "work": "names", "engine": "names", "kernel": "names", "curve": "names", "out": "folder", "repeats": "n",
    "recipe": "names", "run": "id", "limit_s": "seconds", "size": "full|tiny", "device": "auto|cpu|cuda",
    "thorough": "true|false", "render": "true|false",
}  # fmt: skip
OTHERS = (
    "kernels", "scaling", "saturation", "end_to_end", "survey_speed", "survey_nets", "neurons", "neuron_layers"
)  # fmt: skip


def main(arguments: list[str]) -> int:
    given = key_values(arguments, ALLOWED)
    size = _one_of(given, "size", ("full", "tiny"))
    out = Path(given.get("out") or (results_dir() / "bench" if size == "full" else "runs/bench"))
    if _one_of(given, "render", ("false", "true")) == "true":
        return _render(out)
    works = _works(given.get("work"))
    repeats = _number(given, "repeats", int, 50)
    limit_s = _number(given, "limit_s", float, None)
    device = _one_of(given, "device", ("auto", "cpu", "cuda"))
    thorough = _one_of(given, "thorough", ("false", "true")) == "true"

    from snnbench.bench import end_to_end, kernels, neurons, recipes, saturation, scaling, survey, table
    from snnbench.bench.clock import Effort
    from snnbench.bench.engines import DEFAULT, load_engine
    from snnbench.bench.session import Session, choose_device, device_name

    engines = given["engine"].split(",") if "engine" in given else list(DEFAULT)
    for name in engines:
        load_engine(name)
    curves = _chosen(given, "curve", scaling.curve_names(), "scaling")
    rows = _chosen(given, "kernel", kernels.kernel_names(), "kernels")
    chosen = _chosen(given, "recipe", recipes.recipes(), "survey_nets")
    effort = Effort(repeats) if size == "full" else Effort(repeats if "repeats" in given else 3, warmup=1, seconds=0)
    session = Session(choose_device(device), out, size, effort, limit_s, thorough, given.get("run", ""))
    session.say(f"bench on {device_name(session.device)}, {size} size, rows go to {out}")
    if in_table := [name for name in works if name not in OTHERS]:
        table.run_table(session, in_table, engines)
    runs = {
        "kernels": partial(kernels.run_kernels, names=rows),
        "scaling": partial(scaling.run_scaling, curves=curves),
        "saturation": saturation.run_saturation,
        "end_to_end": end_to_end.run_end_to_end,
        "survey_speed": survey.run_survey_speed,
        "survey_nets": partial(recipes.run_survey_nets, chosen=chosen),
        "neurons": neurons.run_neurons,
        "neuron_layers": neurons.run_neuron_layers,
    }
    for name in works:
        if name in runs:
            runs[name](session)
    if session.is_over:
        session.say(f"limit_s={limit_s:g} is over: what was left has not been measured")
    return _render(out)


def _render(out: Path) -> int:
    from snnbench.bench.pages import write_page
    from snnbench.bench.plots import write_plots

    if not any(out.glob("*.csv")):
        raise ConfigError(
            f"out={out} holds no CSV of the bench: run `snnbench bench` first or give the folder it wrote"
        )
    for path in [*write_page(out), *write_plots(out)]:
        print(path)
    return 0


def _works(text: str | None) -> list[str]:
    known = [*work_names(), *OTHERS]
    names = work_names() if text is None else known if text == "all" else text.split(",")
    for name in names:
        if name not in known:
            raise ConfigError(f"work={name} is nothing to measure: {nearest(name, [*known, 'all'])}")
    return names


def _chosen(given: dict[str, str], key: str, known: list[str], work: str) -> list[str]:
    names = given[key].split(",") if key in given else known
    for name in names:
        if name not in known:
            raise ConfigError(f"{key}={name} is no {key} of {work}: {nearest(name, known)}")
    return names


def _one_of(given: dict[str, str], key: str, values: tuple[str, ...]) -> str:
    value = given.get(key, values[0])
    if value not in values:
        raise ConfigError(f"{key}={value} must be one of {', '.join(values)}")
    return value


def _number(given: dict[str, str], key: str, kind: type, default):
    if key not in given:
        return default
    try:
        value = kind(given[key])
    except ValueError:
        value = 0
    if not value > 0:
        raise ConfigError(f"{key}={given[key]} must be a {'whole ' if kind is int else ''}number above 0")
    return value
