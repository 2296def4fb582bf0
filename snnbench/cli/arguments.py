"""`key=value` arguments of the commands that do not compose a configuration."""

from __future__ import annotations

from snnbench.errors import ConfigError


def key_values(arguments: list[str], allowed: dict[str, str]) -> dict[str, str]:
    """Parse `key=value` texts; `allowed` maps each key to what its value is.

    Raises:
        ConfigError: an unknown key, or a text without "=".
    """
    found = {}
    for text in arguments:
        key, separator, value = text.partition("=")
        if not separator or key not in allowed or not value:
            wanted = " ".join(f"{name}=<{what}>" for name, what in allowed.items())
            raise ConfigError(f"'{text}' is not understood: this command takes {wanted}")
        found[key] = value
    return found
