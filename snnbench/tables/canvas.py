"""What the pictures of runs share: their panels, their formats, how they are written. Needs matplotlib (extra `bench`).

The same lines give the same bytes; nothing needs a display.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from snnbench.errors import ConfigError
from snnbench.writing import whole

FORMATS = ("png", "svg", "pdf")
ACROSS = 2  # panels in a row
SETTINGS = {
    "font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#eeeeee",
    "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 6, "svg.hashsalt": "snnbench",
    "svg.fonttype": "none", "pdf.fonttype": 42,
    "axes.formatter.useoffset": False,  # ticks of a flat curve read 2.3026, not 1e-7+2.3026
}  # fmt: skip
STAMPS = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
FLAT = 1e-3  # a curve that varies less, relative to its height, is shown as flat


def save(figure: Callable, out: Path) -> Path:
    """Write what `figure()` draws to `out`, in the format of its ending, whole or not at all.

    Raises:
        ConfigError: another format, or no matplotlib.
    """
    kind = out.suffix[1:]
    if kind not in FORMATS:
        raise ConfigError(f"out={out} must end in {', '.join(f'.{known}' for known in FORMATS)}")
    try:
        import matplotlib
    except ImportError:
        raise ConfigError("plot needs the package matplotlib: pip install 'snnbench[bench]'") from None
    matplotlib.use("Agg")
    with matplotlib.rc_context(SETTINGS):
        drawn = figure()  # before anything is written: it may refuse a record
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole(out) as file:
            drawn.savefig(file, format=kind, dpi=150, metadata=STAMPS[kind])
    return out


def panels(count: int, title: str) -> tuple:
    """A figure and its axes, `count` of them."""
    from matplotlib.figure import Figure

    down = math.ceil(count / ACROSS)
    figure = Figure(figsize=(5.2 * ACROSS, 0.4 + 2.7 * down), layout="constrained")
    figure.suptitle(literal(title), fontsize=9)
    axes = list(figure.subplots(down, ACROSS, squeeze=False).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def finish(axes: list) -> None:
    """Epochs along x in whole numbers, and flat curves on a scale on which they look flat."""
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        first, last = axis.dataLim.intervalx
        if first == last:
            axis.set_xlim(first - 1, last + 1)
        low, high = axis.dataLim.intervaly
        height = max(abs(low), abs(high))
        if math.isfinite(height) and high - low < FLAT * height:
            axis.set_ylim((low + high) / 2 - 0.05 * height, (low + high) / 2 + 0.05 * height)


def literal(text: str) -> str:
    """The text for matplotlib, which reads what stands between two `$` as a formula."""
    return text.replace("$", r"\$")
