"""Parse the overrides after `snnbench train` with Hydra's grammar, and refuse invalid ones with one sentence."""

from __future__ import annotations

import math
import re
import shlex

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, RangeSweep
from hydra.errors import HydraException

from snnbench.axes import AXES, BUNDLES
from snnbench.config.catalogue import options
from snnbench.config.nearest import nearest
from snnbench.errors import ConfigError
from snnbench.plain import CONTROL

GROUPS = (*AXES, *BUNDLES)
RENAMED = {("rule", "osr"): "sltt"}  # (axis, former name) -> name
MOST_JOBS = 10_000
LONGEST = 2000


def parse(overrides: list[str]) -> list[Override]:
    """Parse the overrides. Raises ConfigError if a text is no override (`key=value`) or would have no effect."""
    parser = OverridesParser.create()
    parsed = []
    for text in overrides:
        if len(text) > LONGEST:
            raise ConfigError(f"'{_cut(text)}' has {len(text)} characters: an override has {LONGEST} at most")
        if CONTROL.search(text):
            raise ConfigError(f"{text!r} has control characters: leave them out")
        if "=" not in text and not text.startswith("~"):
            raise ConfigError(f"'{text}' is not an override: write key=value, e.g. neuron=plif or train.epochs=20")
        parsed += _read(parser, text)
        _check_key(parsed[-1])
    return parsed


def check_choice(override: Override) -> None:
    """Raises ConfigError if the value for an axis or bundle is not the name of one of its YAML files."""
    key, value = override.key_or_group, override.value()
    if key not in GROUPS:
        return
    if key in AXES and not AXES[key].optional and (value is None or override.is_delete()):
        raise ConfigError(f"'{override.input_line}': every axis needs a component; `snnbench list {key}` shows them")
    if override.is_delete():
        return
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{override.input_line}: {key} takes one name; `snnbench list {key}` shows all")
    if value not in options(key) and (now := RENAMED.get((key, value))):
        raise ConfigError(f"{key}={value} is called {key}={now} now: write {key}={now}")
    if value is not None and value not in options(key):
        raise ConfigError(
            f"{key}={value} does not exist; {nearest(value, options(key))} (`snnbench list {key}` shows all)"
        )


def values_of(override: Override) -> list[str]:
    """The values that one override of a grid lists, each as text for the override of a single job.

    Raises:
        ConfigError: The override lists no values.
    """
    if isinstance(override.value(), Glob):
        found = override.value().filter(options(override.key_or_group)) if override.key_or_group in GROUPS else []
        if not found:
            raise ConfigError(f"'{override.input_line}' fits nothing; glob(...) is for names, e.g. neuron=glob(lif_*)")
        return found
    if isinstance(override.value(), RangeSweep):
        _check_range(override)
    found = list(override.sweep_string_iterator())
    if not found:
        raise ConfigError(f"'{override.input_line}' lists no values: write them with commas, e.g. neuron.tau=2,4")
    return found


def _check_range(override: Override) -> None:
    found, text = override.value(), override.input_line
    ends = (found.start, found.stop, found.step)
    if not all(math.isfinite(end) for end in ends) or found.step == 0:
        raise ConfigError(f"'{text}' lists no values: write range(start,stop,step) with finite numbers and a step")
    if abs(found.stop - found.start) > MOST_JOBS * abs(found.step):
        raise ConfigError(f"'{text}' lists more than {MOST_JOBS} values: make it shorter")


def first_line(error: Exception) -> str:
    """The first line of the message that is not just "Error parsing override"."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Error parsing override")] or lines
    return lines[0] if lines else type(error).__name__


def _read(parser: OverridesParser, text: str) -> list[Override]:
    try:
        return parser.parse_overrides([text])
    except HydraException as error:
        reason = first_line(error)
    except (ValueError, RecursionError) as error:  # such as a number of thousands of digits, or deeply nested brackets
        reason = first_line(error)
    quoted = _as_text(parser, text)
    remedy = f"if the value is a text, write {shlex.quote(quoted)}" if quoted else "write key=value, e.g. neuron.tau=3"
    raise ConfigError(f"'{_cut(text)}' cannot be read ({_cut(reason)}); {remedy}")


def _as_text(parser: OverridesParser, text: str) -> str | None:
    """The override with its value in quotes, or None if Hydra does not read the same value back."""
    key, _, value = text.partition("=")
    if value[:1] == value[-1:] and value[:1] in ("'", '"') and len(value) > 1:
        value = value[1:-1]
    escaped = re.sub(r'(\\*)"', r"\1\1\"", value)
    escaped += "\\" * (len(value) - len(value.rstrip("\\")))  # a backslash before the closing quote
    quoted = f'{key}="{escaped}"'
    try:
        (found,) = parser.parse_overrides([quoted])
        return quoted if len(quoted) < 200 and found.value() == value else None
    except (HydraException, ValueError):
        return None


def _check_key(override: Override) -> None:
    text, key = override.input_line, override.key_or_group
    if not isinstance(key, str) or not key:
        raise ConfigError(f"'{text}' has no key: write key=value, e.g. neuron=plif or train.epochs=20")
    if override.value() == {}:
        raise ConfigError(f"'{text}' changes nothing: name the key that it should change, e.g. {key}.<key>=<value>")
    if re.split(r"[./@]", key)[0] == "hydra":
        raise ConfigError(f"'{text}': Hydra's own settings do nothing here; where runs lie is paths.runs and name")
    group, _, option = key.partition("/")
    if option:
        name = f"{option}/{override.value()}"
        raise ConfigError(f"'{text}': a choice is written as its axis and one name, e.g. {group}={name}")
    if override.package is not None:
        raise ConfigError(f"'{text}': a choice stands at its own place only; write {group}=<name> without @")
    if key in GROUPS and (override.is_add() or override.is_force_add()):
        raise ConfigError(f"'{text}': a choice is written without +, as {key}=<name>")
    if override.is_interval_sweep():
        raise ConfigError(
            f"'{text}': an interval lists no values; write them with commas ({key}=1,2) or as {key}=range(1,3)"
        )


def _cut(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}..."
