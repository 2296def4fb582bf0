"""Read speed and memory of the survey's recipes, measured on one device, from `results/bench/survey_nets.csv`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from snnbench.bench_rows import OK, load, number, of_one_run

OURS, PEER = "ours", "spikingjelly"
MIB = 1024


@dataclass
class Speeds:
    """What `snnbench bench work=survey_nets` measured on the device that it used last.

    `found` maps (recipe, engine, quantity) to a value. The quantities are those of the survey: train_speed and
    test_speed (samples/s) and gpu_memory (the peak of a training step, MiB). `recipes` maps each recipe to the id of
    the published row that it reproduces, or to "".
    """

    device: str = ""
    commits: list[str] = field(default_factory=list)
    found: dict[tuple[str, str, str], float] = field(default_factory=dict)
    recipes: dict[str, str] = field(default_factory=dict)

    def of(self, recipe: str | None, quantity: str, engine: str = OURS) -> float | None:
        return self.found.get((recipe or "", engine, quantity))

    def note(self) -> str:
        """One sentence that says where the speeds come from."""
        if not self.found:
            return "Speed and memory: not measured yet (`snnbench bench work=survey_nets` fills results/bench)."
        commits = f"commit{'s' if len(self.commits) > 1 else ''} {', '.join(self.commits)}"
        return (
            f"Speed and memory: `snnbench bench work=survey_nets` on one {self.device} ({commits}), the recipe's own "
            "batch, rule and objective on random data, the fastest variant; memory is PyTorch's peak in a training "
            "step. The survey's are from its authors' GPU, whole epochs with data loading. SpikingJelly: 2.0's own "
            "neuron and layers in the same network, where it has that neuron."
        )


def load_speeds(folder: Path) -> Speeds:
    """The fastest full-size variant of each recipe and engine, all from one bench run. Empty without the file.

    Raises:
        ConfigError: The file was written by a different version of the bench.
    """
    rows = [row for row in load(folder, "survey_nets") if row["size"] == "full"]
    rows = [row for row in of_one_run(rows, ("device", "recipe")) if row["status"] == OK]
    if not rows:
        return Speeds()
    speeds = Speeds(device=rows[-1]["device"])
    last: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        if row["device"] == speeds.device:
            way = (row["precision"], row["layout"], row["mode"])
            last[(row["recipe"], row["engine"], row["phase"], *way)] = row
    fastest: dict[tuple[str, str, str], dict[str, str]] = {}
    for (recipe, engine, phase, *_), row in last.items():
        best = fastest.get((recipe, engine, phase))
        if best is None or number(row, "samples_per_s") > number(best, "samples_per_s"):
            fastest[recipe, engine, phase] = row
    for (recipe, engine, phase), row in fastest.items():
        speeds.recipes[recipe] = row["reproduces"]
        speeds.found[recipe, engine, f"{phase}_speed"] = number(row, "samples_per_s")
        peak = number(row, "peak_gib")
        if phase == "train" and peak is not None:
            speeds.found[recipe, engine, "gpu_memory"] = peak * MIB
    speeds.commits = list(dict.fromkeys(_commit(row) for row in fastest.values()))
    return speeds


def _commit(row: dict[str, str]) -> str:
    return (row["commit"][:7] or "unknown") + (" with changes" if row["dirty"] == "1" else "")
