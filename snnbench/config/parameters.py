"""Explain the parameters of a component: default, type, range and meaning. Does not import the component.

Defaults come from the YAML file, types and ranges from the constructor's annotations, and meanings from the section
`Args:` of the class's docstring. A meaning that refers to another class (see `Neuron`) is taken from the base classes.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from omegaconf import OmegaConf

from snnbench.axes import AXES
from snnbench.config.catalogue import path_of
from snnbench.config.signature import component
from snnbench.config.types import expected

_SECTION = re.compile(r"(Args|Raises|Returns|Attributes|Yields|Examples?):\s*$")
_ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)")
_REFERENCE = re.compile(r"see `\w+`[.;]?\s*")


@dataclass(frozen=True)
class Explained:
    """The explanation of a parameter. `type` and `meaning` are "" if the code does not state them."""

    name: str
    default: str
    type: str
    meaning: str


def explain(axis: str, option: str) -> tuple[str, str, list[Explained]]:
    """Return the class of an option, the general part of its docstring, and its parameters in the YAML's order.

    Parameters that only the program sets are left out.

    Raises:
        ConfigError: The YAML names a class that does not exist.
    """
    values = OmegaConf.to_container(OmegaConf.load(path_of(axis, option)), resolve=False)
    target = values["_target_"]
    found = component(target)
    entries = [arguments(text, found.parameters) for text in found.docstrings]
    names = [name for name in values if name in found.parameters]
    names += [name for name in found.parameters if name not in names and name not in AXES[axis].injected]
    return (
        target,
        _about(found.docstrings[0]),
        [
            Explained(
                name,
                _written(values[name]) if name in values else "the code's own",
                expected(found.parameters[name].annotation),
                meaning(name, entries),
            )
            for name in names
        ],
    )


def _about(docstring: str) -> str:
    """The part of the docstring before its first section."""
    lines = itertools.takewhile(lambda line: not _SECTION.match(line), docstring.splitlines())
    return " ".join(" ".join(lines).split())


def arguments(docstring: str, known: Collection[str]) -> dict[str, str]:
    """The meanings of the parameters `known`, from the section `Args:` and from sentences "name: ..." elsewhere."""
    entries: list[tuple[list[str], str]] = []
    told, in_section = [], False
    for line in docstring.splitlines():
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if _SECTION.match(line):
            in_section = line.startswith("Args")
        elif in_section and text and not indent:
            in_section = False
        elif in_section and (entry := _ENTRY.match(text)) and indent <= 4:
            entries.append((entry[1].split(", "), entry[2]))
        elif in_section and text and entries:
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {text}")
        if not in_section:
            told.append(text)
    found = {}
    for sentence in re.split(r"(?<=[.;])\s+", " ".join(told)):
        if (entry := _ENTRY.match(sentence)) and entry[1] in known:
            found[entry[1]] = entry[2]
    for names, text in entries:
        found |= _entry(names, text, known)
    return found


def _entry(names: list[str], text: str, known: Collection[str]) -> dict[str, str]:
    """Split an entry of `Args:` if another parameter starts on the same line ("... data. shape: [C, H, W]")."""
    for inner in re.finditer(r"(?<=[.;])\s+(\w+(?:, \w+)*): ", text):
        inner_names = inner[1].split(", ")
        if set(inner_names) <= set(known):
            return _entry(names, text[: inner.start()], known) | _entry(inner_names, text[inner.end() :], known)
    if len(names) > 1 and (reference := _REFERENCE.match(text)):
        text = reference[0]  # the rest concerns only one of the names, and it is unknown which
    return dict.fromkeys(names, text)


def meaning(name: str, entries: list[dict[str, str]]) -> str:
    """The meaning of a parameter in the nearest class. `entries` are those of the class, then of its base classes."""
    for place, known in enumerate(entries):
        if name in known:
            text = known[name]
            if not _REFERENCE.match(text):
                return text
            inherited = meaning(name, entries[place + 1 :])
            return "; ".join(filter(None, (inherited.rstrip("."), _REFERENCE.sub("", text, count=1))))
    return ""


def _written(value: object) -> str:
    """The value as it is written on the command line."""
    return value if isinstance(value, str) else json.dumps(value)
