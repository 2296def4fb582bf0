"""prepare a data set: `snnbench data prepare cifar10` says where to download it, verifies and unpacks your archives

  snnbench data prepare <name> [root=<folder>] [archives=<folder>]

The command downloads nothing.
root      the folder for the unpacked data (default: data, or $SNNBENCH_DATA)
archives  the folder with your downloaded files (default: root)
Exit codes: 0 the data set is ready, 1 some files must still be downloaded.
"""

from __future__ import annotations

from snnbench.cli.arguments import key_values
from snnbench.config.catalogue import options
from snnbench.config.compose import nearest
from snnbench.data.source import default_root
from snnbench.errors import ConfigError


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[0] != "prepare":
        raise ConfigError(f"write `snnbench data prepare <name>` with one of {', '.join(options('data'))}")
    name = arguments[1]
    if name not in options("data"):
        raise ConfigError(f"'{name}' is no data set: {nearest(name, options('data'))} (`snnbench list data` shows all)")
    given = key_values(arguments[2:], {"root": "folder", "archives": "folder"})
    from snnbench.cli.prepare import prepare

    return 0 if prepare(name, given.get("root", default_root()), given.get("archives")) else 1
