"""list axes, options and parameters: `snnbench list`, `snnbench list neuron`, `snnbench list neuron=lif`

  snnbench list                     the axes, their meaning and their options
  snnbench list <axis>              each option of an axis and its one-line description
  snnbench list <axis>=<pattern>    the matching options, e.g. 'experiment=tet*' (the shell needs the quotes)
  snnbench list <axis>=<option>     each parameter of one component: default, type and range, meaning

Recipes (`experiment`) are grouped by section of the survey and listed with the accuracy of their kept records.
"""

from __future__ import annotations

import fnmatch
import shutil

from snnbench.axes import AXES, BUNDLES
from snnbench.cli.lines import wrapped
from snnbench.cli.recipes import recipe_lines
from snnbench.config.catalogue import description, options, path_of
from snnbench.config.compose import nearest
from snnbench.config.made_for import made_for
from snnbench.config.parameters import explain
from snnbench.errors import ConfigError

GROUPS = {axis: about.help for axis, about in AXES.items()} | BUNDLES
INDENT = 2


def main(arguments: list[str]) -> int:
    wanted = [_wanted(text) for text in arguments]  # check all arguments before printing the first
    width = shutil.get_terminal_size().columns
    lines = [line for group, names, is_one in wanted for line in _lines(group, names, is_one, width)]
    for line in lines if arguments else _overview(width):
        print(line)
    return 0


def _wanted(text: str) -> tuple[str, list[str], bool]:
    """The axis and the options that an argument asks for, and whether it names exactly one option.

    Raises:
        ConfigError: The axis does not exist, or no option matches.
    """
    group, has_pattern, pattern = text.partition("=")
    if group not in GROUPS:
        raise ConfigError(f"'{group}' is no axis: {nearest(group, list(GROUPS))}")
    names = options(group)
    if not has_pattern:
        return group, names, False
    if pattern in names:
        return group, [pattern], True
    fitting = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if not fitting:
        raise ConfigError(f"{group}={pattern} fits no option; {nearest(pattern, names)} (`snnbench list {group}`)")
    return group, fitting, False


def _overview(width: int) -> list[str]:
    lines = []
    for group, text in GROUPS.items():
        names = options(group)
        shown = ", ".join(names)
        if group == "experiment":
            shown = f"{len(names)} recipes; of " + ", ".join(sorted({name.split("/")[0] for name in names}))
        lines += [*wrapped(f"{group:<11} {text}", 0, width, hang=12), *wrapped(shown, 12, width)]
    return lines


def _lines(group: str, names: list[str], is_one: bool, width: int) -> list[str]:
    if group == "experiment":
        return [*recipe_lines(names, width), *(_file(group, names[0]) if is_one else [])]
    if is_one and group in AXES:
        return _parameters(group, names[0], width)
    if is_one:
        return [*_option(group, names[0], len(names[0]), width), *_file(group, names[0])]
    column = max(map(len, names), default=0)
    heading = wrapped(f"{group}: {GROUPS[group]}", 0, width, hang=2)
    return [*heading, *(line for name in names for line in _option(group, name, column, width))]


def _option(group: str, name: str, column: int, width: int) -> list[str]:
    """The lines with an option's name and its description."""
    first, *rest = wrapped(description(group, name), INDENT + column + 2, width) or [""]
    return [f"{'':{INDENT}}{name:<{column}}  {first.strip()}".rstrip(), *rest]


def _parameters(axis: str, option: str, width: int) -> list[str]:
    target, about, parameters = explain(axis, option)
    lines = [f"{axis}={option}", *wrapped(description(axis, option), INDENT, width), ""]
    lines += [f"{'':{INDENT}}{target}", *wrapped(about, INDENT, width), ""]
    if axis == "model" and (overrides := made_for(option)):
        lines += [*wrapped(f"made for {' '.join(overrides)}", INDENT, width), ""]
    column = max((len(parameter.name) for parameter in parameters), default=0)
    for parameter in parameters:
        head = f"{axis}.{parameter.name:<{column}} = {parameter.default}"
        lines += wrapped(f"{head}  ({parameter.type})" if parameter.type else head, INDENT, width, hang=4)
        lines += wrapped(parameter.meaning, INDENT + 4, width)
    return lines if parameters else [*lines, f"{'':{INDENT}}nothing to set"]


def _file(group: str, option: str) -> list[str]:
    """The settings of a method or recipe, as its file lists them."""
    lines = path_of(group, option).read_text(encoding="utf-8").splitlines()
    return ["", *(f"{'':{INDENT}}{line}".rstrip() for line in lines if "@package" not in line)]
