"""list what there is to choose from: `snnbench list`, `snnbench list neuron`, `snnbench list experiment`

Without an axis: the axes, their meaning and their options. With one: each option and its one-line description.
"""

from __future__ import annotations

from snnbench.config.axes import AXES, BUNDLES
from snnbench.config.catalogue import description, options
from snnbench.config.compose import nearest
from snnbench.config.errors import ConfigError


def main(arguments: list[str]) -> int:
    groups = {axis: about.help for axis, about in AXES.items()} | BUNDLES
    for group in arguments:
        if group not in groups:
            raise ConfigError(f"'{group}' is no axis: {nearest(group, list(groups))}")
    if not arguments:
        for group, text in groups.items():
            print(f"{group:<11} {text}\n{'':<11} {', '.join(options(group))}")
        return 0
    for group in arguments:
        names = options(group)
        width = max(map(len, names), default=0)
        print(f"{group}: {groups[group]}")
        for name in names:
            print(f"  {name:<{width}}  {description(group, name)}")
    return 0
