"""A YAML file that is none, or none that Hydra takes, is one sentence, as a recipe, a method or a component."""

import shutil

import pytest

from snnbench.config.compose import compose
from snnbench.config.paths import configs_dir
from snnbench.errors import ConfigError

BODIES = {
    "a number": "3",
    "a syntax error": "a: [",
    "no list": "defaults: 3",
    "a list of numbers": "defaults: [1]",
    "a mapping": "defaults: {a: b}",
    "a choice that is a number": "defaults:\n  - override /neuron: 3",
    "itself": "defaults:\n  - mine",
    "a cycle": "x: &a [*a]",
    "a cycle of keys": "T: ${seed}\nseed: ${T}",
    "code": "neuron: !!python/object/apply:os.system [x]",
    "the same key twice": "T: 4\nT: 5",
    "a control character": "\x00",
    "half an interpolation": "T: '${'",
    "bytes": "neuron: {tau: !!binary aGk=}",
    "a list as a key": "? [a]\n: 3",
    "another class": "neuron: {_target_: 3}",
    "another file's place": "defaults:\n  - /neuron@model: if",
}


@pytest.mark.parametrize("overrides", [["experiment=mine"], ["method=mine", "experiment=demo/tet"], ["neuron=mine"]])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_damaged_file_is_one_sentence(body, overrides, tmp_path, monkeypatch):
    folder = shutil.copytree(configs_dir(), tmp_path / "configs")  # each its own: what was composed is kept by folder
    for name in ("compose", "plugins"):
        monkeypatch.setattr(f"snnbench.config.{name}.configs_dir", lambda: folder)
    group = overrides[0].partition("=")[0]
    path = folder / group / "mine.yaml"
    path.write_text(body if group == "neuron" else f"# @package _global_\n{body}")
    with pytest.raises(ConfigError) as caught:
        compose(overrides)
    assert len(str(caught.value).splitlines()) == 1
