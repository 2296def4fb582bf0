"""Check what a configuration takes from environment variables.

Only `paths.*` may use them, and never a secret, because the record of a run stores the configuration and is shared.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from snnbench.errors import ConfigError

_OTHER_KEY = re.compile(r"\$\{\.*[a-zA-Z]\w*(?:\.\w+|\[\w+\])*\}")
_VARIABLE = re.compile(r"\$\{oc\.env:(\w+)(?:,[^${}\\]*)?\}")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|_PWD|CREDENTIAL|AUTH|COOKIE|PRIVATE", re.IGNORECASE)
_SHORTEST = 8  # a shorter value would also occur by chance in harmless texts


def check_interpolations(node: object, path: str = "") -> None:
    """Check values before they are resolved: `${other.key}` is allowed everywhere, `${oc.env:NAME}` in `paths.*`.

    Raises:
        ConfigError: A value uses another resolver, or a variable whose name suggests a secret.
    """
    if isinstance(node, dict):
        for key, value in node.items():
            check_interpolations(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for value in node:
            check_interpolations(value, path)
    elif isinstance(node, str) and "${" in node:
        rest = _OTHER_KEY.sub("", node)
        if path.startswith("paths."):
            for name in _VARIABLE.findall(rest):
                if _SECRET.search(name):
                    raise ConfigError(f"{path}={node}: {name} is a secret by its name, and a record shows its value")
            rest = _VARIABLE.sub("", rest)
        if "${" in rest:
            raise ConfigError(
                f"{path}={node}: a value may take another key's, as ${{seed}}, and paths.* an environment variable, "
                "as ${oc.env:NAME}; write the value itself"
            )


def check_no_secret(node: object, path: str = "") -> None:
    """Raises ConfigError if a text in `node` contains the value of a variable whose name suggests a secret."""
    secrets = [
        (name, value)
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST and _SECRET.search(name) and not os.path.exists(value)
    ]
    for where, text in _texts(node, path) if secrets else ():
        for name, value in secrets:
            if value in text:
                raise ConfigError(
                    f"{where} holds the value of the environment variable {name}, which is a secret: a record would "
                    "show it; leave it out"
                )


def _texts(node: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _texts(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value, path)
    elif isinstance(node, str):
        yield path, node
