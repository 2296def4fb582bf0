"""No number that is infinite, not a number or too large passes, in any key of any component, nor inside a list."""

import copy
import math

import pytest
from omegaconf import OmegaConf

from snnbench.axes import AXES
from snnbench.config.catalogue import options, path_of
from snnbench.config.check import check
from snnbench.config.compose import compose
from snnbench.errors import ConfigError

NUMBERS = [math.inf, -math.inf, math.nan, 1e39, 2**63, -(2**63), 10**400]


def leaves(node, path=()):
    """The place of every number below `node`."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if isinstance(value, int | float):
            yield (*path, key)
        yield from leaves(value, (*path, key))


def changed(config, path, value):
    config = copy.deepcopy(config)
    node = config
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return config


@pytest.fixture(scope="module")
def config():
    return compose(["teacher=run", "objective=kd_response"]).config


@pytest.mark.parametrize("axis", [*AXES, "rest"])
def test_every_number_is_checked(axis, config):
    if axis == "rest":
        bases = [{key: value for key, value in config.items() if key not in AXES}]
    else:
        nodes = (OmegaConf.to_container(OmegaConf.load(path_of(axis, name))) for name in options(axis))
        bases = [{axis: {key: value for key, value in node.items() if key != "defaults"}} for node in nodes]
    for base in bases:
        for path in leaves(base):
            name = ".".join(part for part in path if isinstance(part, str))
            for number in NUMBERS:
                with pytest.raises(ConfigError, match=rf"^{name}="):
                    check(changed(config | base, path, number), {})


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e999", "-1e999", ".inf", ".nan", "1e39", "9" * 30, "9" * 400])
@pytest.mark.parametrize("key", ["neuron.tau", "train.grad_clip"])
def test_the_shell_refuses_it(key, text):
    with pytest.raises(ConfigError, match=rf"{key}="):
        compose([f"{key}={text}"])


def test_the_largest_seed_is_taken():
    assert compose(["seed=4294967295"]).config["seed"] == 2**32 - 1
