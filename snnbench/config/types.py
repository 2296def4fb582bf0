"""Compare values with annotations. Annotations are syntax trees (signature.py); values come from YAML or the shell."""

from __future__ import annotations

import ast
import operator
import re

_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
_COMPARE = re.compile(rf"^(>=|<=|>|<)\s*({_NUMBER})$")
_INTERVAL = re.compile(rf"^in\s*([\[(])\s*({_NUMBER})\s*,\s*({_NUMBER})\s*([\])])$")
_OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_PLAIN = {"str": str, "bool": bool}


def misfit(value: object, annotation: ast.expr | None) -> str | None:
    """None if `value` fits, else what is expected instead ("a number > 1", "one of hard, soft")."""
    if annotation is None:
        return None
    return None if _fits(value, annotation) else _expected(annotation)


def expected(annotation: ast.expr | None) -> str:
    """What a value must be ("a number > 1", "one of hard, soft"); "" where nothing is said of it."""
    return "" if annotation is None else _expected(annotation)


def in_range(value: float, text: str) -> bool:
    """Whether a number satisfies a range such as "> 1" or "in [0, 1)"."""
    if match := _COMPARE.match(text):
        return _OPERATORS[match[1]](value, float(match[2]))
    if match := _INTERVAL.match(text):
        low = operator.ge if match[1] == "[" else operator.gt
        high = operator.le if match[4] == "]" else operator.lt
        return low(value, float(match[2])) and high(value, float(match[3]))
    raise ValueError(f"unreadable range {text!r} in an annotation")


def _fits(value: object, node: ast.expr) -> bool:
    match _form(node):
        case ("none",):
            return value is None
        case ("plain", "int"):
            return isinstance(value, int) and not isinstance(value, bool)
        case ("plain", "float"):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ("plain", name) if name in _PLAIN:
            return isinstance(value, _PLAIN[name])
        case ("union", left, right):
            return _fits(value, left) or _fits(value, right)
        case ("literal", options):
            return any(value == option and type(value) is type(option) for option in options)
        case ("annotated", inner, text):
            return _fits(value, inner) and (isinstance(value, str | None) or in_range(value, text))
        case ("list", inner):
            return isinstance(value, list) and all(_fits(item, inner) for item in value)
        case ("tuple", items):
            return isinstance(value, list) and len(value) == len(items) and all(map(_fits, value, items))
    return True  # an annotation that YAML values cannot be checked against (an injected object)


def _expected(node: ast.expr) -> str:
    match _form(node):
        case ("none",):
            return "null"
        case ("plain", name):
            return {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}.get(
                name, name
            )
        case ("union", left, right):
            return f"{_expected(left)} or {_expected(right)}"
        case ("literal", options):
            return "one of " + ", ".join(map(str, options))
        case ("annotated", inner, text):
            return f"{_expected(inner)} {text}"
        case ("list", inner):
            return f"a list, each item {_expected(inner)}"
        case ("tuple", items):
            kinds = [_expected(item) for item in items]
            each = f"each {kinds[0]}" if len(set(kinds)) == 1 else ", ".join(kinds)
            return f"a list of {len(kinds)}, {each}"
    return ast.unparse(node)


def _form(node: ast.expr) -> tuple:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):  # a quoted annotation
            return _form(ast.parse(node.value, mode="eval").body)
        return ("none",) if node.value is None else ("other",)
    if isinstance(node, ast.Name):
        return ("plain", node.id) if node.id in ("int", "float", "bool", "str") else ("other",)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return ("union", node.left, node.right)
    if isinstance(node, ast.Subscript):
        head = ast.unparse(node.value).split(".")[-1]
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if head == "Literal":
            return ("literal", [ast.literal_eval(item) for item in items])
        if head == "Annotated":
            return ("annotated", items[0], ast.literal_eval(items[1]))
        if head == "tuple" and len(items) > 1 and ast.unparse(items[-1]) != "...":
            return ("tuple", items)
        if head in ("list", "tuple", "Sequence"):
            return ("list", items[0])
    return ("other",)
