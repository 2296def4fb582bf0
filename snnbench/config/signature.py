"""Read a component's parameters and traits from its source code, without importing it.

The constructor's signature is the schema of the component's YAML file: it gives the names, the types and, with
`Annotated[float, "> 1"]`, the ranges. A constructor that ends in `**rest` and calls `super().__init__(..., **rest)`
also accepts its parent's parameters, except those that it passes to the parent itself. The class attributes `traits`,
`rejects`, `requires` and `made_for` say what a component is and what it can be combined with. Reading the syntax tree
keeps `snnbench list` and every config check free of torch. It is also safe: a config that names another callable, such
as `os.system`, is refused because no allowed package defines it.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from snnbench.config.paths import PACKAGE
from snnbench.config.plugins import VARIABLE, plugin_packages
from snnbench.errors import ConfigError

_PUBLIC = re.compile(r"[^\W\d_]\w*(\.[^\W\d_]\w*)+")


@dataclass(frozen=True)
class Parameter:
    name: str
    annotation: ast.expr | None
    required: bool


@dataclass(frozen=True)
class Component:
    """What the source code says about one component.

    Args:
        target: The full name, package.module.Class.
        parameters: The parameters of the constructor, by name.
        traits: The traits of the class and of its base classes.
        rejects: The traits of other components that do not work with this one, each with the reason.
        requires: The traits that another component must have, each with the reason.
        made_for: For a model, the overrides of its paper's configuration, by pattern of option names.
        docstrings: The docstring of the class, then those of its base classes in allowed packages, nearest first.
        is_function: True if the component is a function, not a class.
    """

    target: str
    parameters: dict[str, Parameter]
    traits: frozenset[str] = frozenset()
    rejects: dict[str, str] = field(default_factory=dict)
    requires: dict[str, str] = field(default_factory=dict)
    made_for: dict[str, tuple[str, ...]] = field(default_factory=dict)
    docstrings: tuple[str, ...] = ()
    is_function: bool = False


def allowed_packages() -> tuple[str, ...]:
    """The top-level packages whose classes a config may name: snnbench and the plugins."""
    return ("snnbench", *plugin_packages())


def component(target: object) -> Component:
    """Read the component that `_target_` names.

    Raises:
        ConfigError: The target is outside the allowed packages, or its module defines no class or function of the name.
    """
    if not isinstance(target, str) or not _PUBLIC.fullmatch(target):
        raise ConfigError(f"_target_={target!r} must be package.module.Class, and none of the names begins with _")
    if target.split(".")[0] not in allowed_packages():
        raise ConfigError(
            f"_target_={target} is outside {', '.join(allowed_packages())}: a config may only name their classes; "
            f"add your package's name to the environment variable {VARIABLE} to allow it"
        )
    module, _, name = target.rpartition(".")
    return _component(module, name)


@cache
def _component(module: str, name: str) -> Component:
    target = f"{module}.{name}"
    path = _module_path(module)
    node = _definitions(path).get(name) if path else None
    if node is None:
        raise ConfigError(f"_target_={target} names nothing: no class or function {name} is defined in {module}")
    if isinstance(node, ast.FunctionDef):
        return Component(
            target, _arguments(node, skip=0), is_function=True, docstrings=(ast.get_docstring(node) or "",)
        )
    parents = [_component(*base) for base in _bases(node, module)]
    return Component(
        target,
        _parameters(node, next((p.parameters for p in parents if p.parameters), {})),
        frozenset(_literal(node, "traits", ())).union(*(p.traits for p in parents)),
        _merged("rejects", node, parents),
        _merged("requires", node, parents),
        _literal(node, "made_for", next((p.made_for for p in parents if p.made_for), {})),
        docstrings=(ast.get_docstring(node) or "", *(text for parent in parents for text in parent.docstrings)),
    )


def _module_path(module: str) -> Path | None:
    top, *rest = module.split(".")
    if top == "snnbench":
        root = PACKAGE
    else:
        spec = importlib.util.find_spec(top)  # for a top-level name this does not import the package
        if spec is None:
            return None
        root = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
    if root.is_file():
        return None if rest else root
    path = root.joinpath(*rest)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ConfigError(f"{path}{line} is no Python that can be read ({getattr(error, 'msg', error)})") from None


@cache
def _definitions(path: Path) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    return {node.name: node for node in _tree(path).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def _bases(node: ast.ClassDef, module: str) -> list[tuple[str, str]]:
    """The (module, class) of each base class in an allowed package. Others, such as nn.Module, have no config."""
    path = _module_path(module)
    imported = {
        alias.asname or alias.name: (statement.module, alias.name)
        for statement in _tree(path).body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }
    found = []
    for base in node.bases:
        base = base.value if isinstance(base, ast.Subscript) else base
        if not isinstance(base, ast.Name):
            continue
        where = (module, base.id) if base.id in _definitions(path) else imported.get(base.id)
        if where and where[0].split(".")[0] in allowed_packages():
            found.append(where)
    return found


def _parameters(node: ast.ClassDef, inherited: dict[str, Parameter]) -> dict[str, Parameter]:
    """The parameters that the class accepts, its own first. `inherited` are the parameters of its parent."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            own, given = _arguments(statement, skip=1), _given_to_parent(statement, list(inherited))
            return own | {name: p for name, p in inherited.items() if name not in given and name not in own}
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return {
            s.target.id: Parameter(s.target.id, s.annotation, s.value is None)
            for s in node.body
            if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
        }
    return inherited


def _given_to_parent(init: ast.FunctionDef, inherited: list[str]) -> set[str]:
    """The parent's parameters that a caller cannot set: `init` sets them itself, or it does not pass on `**rest`."""
    rest = init.args.kwarg
    for call in ast.walk(init) if rest else ():
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
            passed = [keyword.value for keyword in call.keywords if keyword.arg is None]
            if any(isinstance(value, ast.Name) and value.id == rest.arg for value in passed):
                return {keyword.arg for keyword in call.keywords if keyword.arg} | set(inherited[: len(call.args)])
    return set(inherited)


def _arguments(node: ast.FunctionDef, skip: int) -> dict[str, Parameter]:
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    without_default = len(positional) - len(spec.defaults)
    found = {a.arg: Parameter(a.arg, a.annotation, i < without_default) for i, a in enumerate(positional) if i >= skip}
    found |= {a.arg: Parameter(a.arg, a.annotation, d is None) for a, d in zip(spec.kwonlyargs, spec.kw_defaults)}
    return found


def _literal(node: ast.ClassDef, name: str, default: tuple | dict) -> tuple | dict:
    """The value that a class body assigns to `name`, read without running the code, or `default`."""
    for statement in node.body:
        targets = (
            statement.targets
            if isinstance(statement, ast.Assign)
            else ([statement.target] if isinstance(statement, ast.AnnAssign) and statement.value else [])
        )
        if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            try:
                value = ast.literal_eval(statement.value)
            except ValueError:
                value = None
            if not isinstance(value, dict if name != "traits" else tuple | list):
                example = '("images",)' if name == "traits" else '{"images": "the reason"}'
                raise ConfigError(
                    f"the class {node.name} must have its {name} written out, e.g. {name} = {example}, "
                    f"not {name} = {ast.unparse(statement.value)}"
                )
            return value
    return default


def _merged(name: str, node: ast.ClassDef, parents: list[Component]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for parent in parents:
        merged |= getattr(parent, name)
    return merged | _literal(node, name, {})
