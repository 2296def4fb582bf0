"""What a component accepts: its own parameters, and through `**rest` those of its parent, read without an import."""

import ast
import itertools
import textwrap

import pytest

from snnbench.config.made_for import made_for
from snnbench.config.parameters import explain
from snnbench.config.signature import component

FAMILY = '''
    """A parent and its children."""
    from typing import Annotated


    class Parent:
        """What all have.

        Args:
            size: how large it is.
            speed: how fast it runs.
        """

        def __init__(self, place, size: Annotated[int, "> 0"], speed: float = 1.0, *, colour: str = "red"):
            self.seen = (place, size, speed, colour)
'''
names = map("signature_family_{}".format, itertools.count())


@pytest.fixture
def child(tmp_path, monkeypatch):
    """child(source): the component of a class `Child`, written below `Parent` into a plugin's only file, and the class
    itself."""

    def written(source):
        name = next(names)
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(FAMILY) + textwrap.dedent(source))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("SNNBENCH_PLUGINS", name)
        return component(f"{name}.Child"), lambda: __import__(name).Child

    return written


def types(found):
    return {name: ast.unparse(p.annotation) if p.annotation else None for name, p in found.parameters.items()}


def test_rest_inherits_names_types_ranges_and_what_must_be_given(child):
    found, built = child("""
        class Child(Parent):
            def __init__(self, place, depth: int, **rest):
                super().__init__(place, **rest)
    """)
    inherited = {"size": "Annotated[int, '> 0']", "speed": "float", "colour": "str"}
    assert types(found) == {"place": None, "depth": "int"} | inherited
    assert {name for name, p in found.parameters.items() if p.required} == {"place", "depth", "size"}
    assert built()("here", 2, size=3, colour="blue").seen == ("here", 3, 1.0, "blue")


def test_what_the_child_gives_its_parent_can_no_longer_be_set(child):
    found, built = child("""
        class Child(Parent):
            def __init__(self, speed: int = 5, **rest):
                super().__init__("there", colour="green", speed=speed, **rest)
    """)
    assert types(found) == {"speed": "int", "size": "Annotated[int, '> 0']"}  # and its own speed replaces the parent's
    assert built()(size=7, speed=2).seen == ("there", 7, 2, "green")


def test_rest_reaches_through_several_generations(child):
    found, _ = child("""
        class Middle(Parent):
            def __init__(self, depth: int = 1, **more):
                super().__init__(colour="grey", **more)


        class Silent(Middle):
            pass


        class Child(Silent):
            def __init__(self, width: int = 1, **rest):
                super().__init__(**rest)
    """)
    assert list(found.parameters) == ["width", "depth", "place", "size", "speed"]


@pytest.mark.parametrize(
    "body",
    ["def __init__(self, depth: int = 1): super().__init__(0, 1)", "def __init__(self, depth: int = 1, **lost): pass"],
)
def test_nothing_is_inherited_without_rest_that_is_passed_on(child, body):
    found, _ = child(f"""
        class Child(Parent):
            {body}
    """)
    assert list(found.parameters) == ["depth"]


@pytest.mark.parametrize(
    ("model", "overrides"),
    [
        ("qkformer_tiny", ["data=digits"]),  # the first pattern that fits
        ("qkformer_10_384", ["data=imagenet"]),
        ("csnn_tandem", ["data=cifar10"]),  # CSNN's
        ("resnet19", ["data=cifar10", "neuron=lif_tdbn", "norm=tdbn"]),  # not those of its parent
    ],
)
def test_a_model_says_what_it_is_made_for(model, overrides):
    assert made_for(model) == overrides


def test_an_inherited_parameter_is_explained_where_its_parent_explains_it():
    _, _, parameters = explain("neuron", "lif")
    told = {parameter.name: parameter for parameter in parameters}
    assert told["detach_reset"].meaning.startswith(
        "True sends no gradient through the spike that resets"
    )  # MembraneNeuron's
    assert told["amplitude"].type == "a number > 0"  # Neuron's
