"""A package of the user's own adds options to the axes without a file in snnbench's folders."""

import re
import textwrap

import pytest

from snnbench.build import factory
from snnbench.config import plugins
from snnbench.config.catalogue import description, options, path_of
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.site import Site

NEURON = '''
    """Fires at every step."""
    from snnbench.neurons.lif import LIF


    class Eager(LIF):
        pass
'''
YAML = """\
# A neuron of my own package (me, 2026)
_target_: {package}.neurons.Eager
tau: 2.0
v_th: 1.0
reset: hard
v_reset: 0.0
detach_reset: false
decay_input: true
strict: false
amplitude: 1.0
"""


def package(place, monkeypatch, name, option="eager"):
    """An importable package with one neuron and its YAML."""
    folder = place / name
    (folder / "configs" / "neuron").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "neurons.py").write_text(textwrap.dedent(NEURON))
    (folder / "configs" / "neuron" / f"{option}.yaml").write_text(YAML.format(package=name))
    monkeypatch.syspath_prepend(str(place))


def test_a_plugin_s_yaml_is_an_option_like_any_other(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, "plugin_with_configs")
    assert "eager" not in options("neuron")
    monkeypatch.setenv("SNNBENCH_PLUGINS", "plugin_with_configs")
    assert "eager" in options("neuron")
    assert description("neuron", "eager").startswith("A neuron of my own package")
    composed = compose(["neuron=eager", "neuron.tau=3.0"])
    assert composed.choices["neuron"] == "eager"
    neuron = factory(composed.config["neuron"], surrogate=factory(composed.config["surrogate"])())(Site(4, 4))
    assert type(neuron).__module__ == "plugin_with_configs.neurons"


def test_an_installed_plugin_needs_no_variable(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, "plugin_installed")
    about = tmp_path / "plugin_installed-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-installed\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[snnbench.plugins]\nmine = plugin_installed\n")
    plugins._installed.cache_clear()
    try:
        assert compose(["neuron=eager"]).config["neuron"]["_target_"] == "plugin_installed.neurons.Eager"
    finally:
        plugins._installed.cache_clear()


def test_one_name_twice_is_refused(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, "plugin_of_a_taken_name", option="lif")
    monkeypatch.setenv("SNNBENCH_PLUGINS", "plugin_of_a_taken_name")
    with pytest.raises(ConfigError, match="neuron=lif is defined twice"):
        path_of("neuron", "lif")


@pytest.mark.parametrize(("line", "says"), [
    ("", "must say whether it holds images or events"),
    ("traits = ()", "must say whether it holds images or events"),
    ('traits = ("image",)', "must say whether it holds images or events"),
    ('traits = ("images", "events")', "must say whether it holds images or events"),
    ('traits = "images"', 'e.g. traits = ("images",), not traits = \'images\''),
    ("traits = KINDS", 'e.g. traits = ("images",), not traits = KINDS'),
    ("requires = WANTED", 'e.g. requires = {"images": "the reason"}, not requires = WANTED'),
    ('traits = ("images",)', None),
    ('traits = ["events"]', None),
])  # fmt: skip
def test_a_data_set_says_what_it_holds(tmp_path, monkeypatch, line, says):
    name = f"plugin_data_{sum(line.encode())}"
    package(tmp_path, monkeypatch, name)
    (tmp_path / name / "mine.py").write_text(
        f"from snnbench.data.base import BenchData\n\n\nclass Mine(BenchData):\n    {line or 'pass'}\n"
    )
    (tmp_path / name / "configs" / "data").mkdir()
    (tmp_path / name / "configs" / "data" / "mine.yaml").write_text(
        f"# Mine\n_target_: {name}.mine.Mine\nroot: .\nshape: [1, 8, 8]\nnum_classes: 2\n"
    )
    monkeypatch.setenv("SNNBENCH_PLUGINS", name)
    chosen = ["data=mine", "encoder=frames", "augment=events_none"] if "events" in line else ["data=mine"]
    if says is None:
        assert compose(chosen).choices["data"] == "mine"
        return
    with pytest.raises(ConfigError, match=re.escape(says)) as refused:
        compose(chosen)
    assert "Mine" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["nobody", "os.path", "nobody.mine", "../x", "a b", "1", "/tmp", ".x", "x\n"])
def test_what_is_no_package_is_one_sentence(name, monkeypatch):
    monkeypatch.setenv("SNNBENCH_PLUGINS", name)
    for reader in (lambda: compose([]), lambda: options("neuron")):
        with pytest.raises(
            ConfigError, match=rf"SNNBENCH_PLUGINS={re.escape(name.strip())}.*there is no package of this name"
        ):
            reader()
