"""`key=value` arguments of the commands that do not compose a configuration."""

from __future__ import annotations

from snnbench.errors import ConfigError
from snnbench.plain import CONTROL


def key_values(arguments: list[str], allowed: dict[str, str]) -> dict[str, str]:
    """Parse `key=value` texts; `allowed` maps each key to what its value is.

    Raises:
        ConfigError: an unknown key, a text without "=", or a value that no file can be named after.
    """
    found = {}
    for text in arguments:
        key, separator, value = text.partition("=")
        if not separator or key not in allowed or not value:
            wanted = " ".join(f"{name}=<{what}>" for name, what in allowed.items())
            raise ConfigError(f"'{text}' is not understood: this command takes {wanted}")
        if CONTROL.search(value):
            raise ConfigError(f"{key}={value!r} has control characters: leave them out")
        found[key] = value
    return found
