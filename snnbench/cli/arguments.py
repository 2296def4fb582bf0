"""Parse the `key=value` arguments of commands that do not compose a configuration."""

from __future__ import annotations

from snnbench.errors import ConfigError
from snnbench.plain import CONTROL


def key_values(arguments: list[str], allowed: dict[str, str]) -> dict[str, str]:
    """Parse `key=value` texts. `allowed` maps each valid key to a description of its value.

    Raises:
        ConfigError: A key is unknown, a text has no "=", or a value has characters that no file name may have.
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
