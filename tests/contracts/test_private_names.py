"""A name that begins with an underscore belongs to its file: nobody else imports it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported_private_names(source: str) -> list[str]:
    return [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("snnbench", "scripts", "tests")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]


@pytest.mark.parametrize("room", ["snnbench", "scripts", "tests"])
def test_no_file_imports_a_private_name_of_another(room):
    found = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / room).rglob("*.py"))
        if (names := imported_private_names(path.read_text()))
    }
    assert found == {}


def test_an_import_of_a_private_name_is_found():
    assert imported_private_names("from snnbench.models.parts import Unit, _bias") == ["snnbench.models.parts._bias"]
