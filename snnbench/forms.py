"""Check the form of names, hashes and seeds. They become file paths and must not lead out of the intended folder."""

from __future__ import annotations

import re

from snnbench.plain import LARGEST

_HASH = re.compile(r"[0-9a-zA-Z]{1,64}")
_PART = re.compile(r"\w[\w .,+=@()\[\]-]*")
_LONGEST = 200  # bytes of a folder's name; file systems allow 255, and file names also need room for endings

A_NAME = (
    "words divided by /, of letters, digits, spaces and .,+=@()[]_-, that begin with a letter, a digit or _, "
    f"do not end with a space or a point, and have {_LONGEST} bytes at most"
)


def is_name(text: object) -> bool:
    """A path below some folder: "demo", "tet/cifar10_resnet19"; never "../x", "/x", "a//b" or "" """
    return isinstance(text, str) and all(_is_part(part) for part in text.split("/"))


def is_word(text: object) -> bool:
    """Whether the text is a name without `/`."""
    return isinstance(text, str) and _is_part(text)


def is_hash(text: object) -> bool:
    return isinstance(text, str) and _HASH.fullmatch(text) is not None


def is_seed(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= LARGEST


def _is_part(text: str) -> bool:
    return (
        _PART.fullmatch(text) is not None
        and not text.endswith((" ", "."))
        and len(text.encode("utf-8", "surrogatepass")) <= _LONGEST
    )
