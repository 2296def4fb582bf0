"""Check that a configuration, from the command line, a YAML file or any run.json, holds only plain values.

Only the key `_target_` at the top of a component names code, and `config.check` accepts only known components there.
"""

from __future__ import annotations

import re

from snnbench.axes import AXES
from snnbench.errors import ConfigError

LARGEST = 2**32 - 1  # the largest seed; no machine can hold a larger size, count or number of steps
LARGEST_FLOAT = 3e38  # the largest number of single precision
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
TARGETS = frozenset(f"{axis}._target_" for axis in AXES)


def check_plain(node: object, path: str = "", targets: frozenset[str] = TARGETS) -> None:
    """Walk through `node`, the value of the key `path`.

    Raises:
        ConfigError: A key begins with an underscore (and `targets` does not allow it), a number is infinite, NaN or too
            large, a text has control characters, or the type of a value is no YAML type.
    """
    if isinstance(node, dict):
        for key, value in node.items():
            where = f"{path}.{key}" if path else str(key)
            if not isinstance(key, str):
                raise ConfigError(f"{where}: the key {key!r} must be a text")
            if key.startswith("_") and where not in targets:
                raise ConfigError(
                    f"{where}: a key that begins with an underscore is refused (only a component has a _target_, "
                    "at its top); leave it out"
                )
            check_plain(value, where, targets)
    elif isinstance(node, list | tuple):
        for value in node:
            check_plain(value, path, targets)
    elif isinstance(node, str):
        if CONTROL.search(node):
            raise ConfigError(f"{path}={node!r} has control characters: leave them out")
    elif isinstance(node, float):
        if not abs(node) <= LARGEST_FLOAT:
            raise ConfigError(f"{path}={node} must be a finite number, between -{LARGEST_FLOAT} and {LARGEST_FLOAT}")
    elif isinstance(node, int):
        if abs(node) > LARGEST:
            raise ConfigError(f"{path}={_short(node)} is too large: whole numbers end at {LARGEST}")
    elif node is not None:
        raise ConfigError(f"{path}={node!r} must be a number, a text, true, false, null or a list of these")


def _short(number: int) -> str:
    if abs(number) >= 10**40:  # Python refuses to write numbers of thousands of digits
        return "(a number of more than 40 digits)"
    return str(number)
