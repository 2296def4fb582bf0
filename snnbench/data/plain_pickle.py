"""Read a pickle of plain data: dicts, lists, tuples, texts, bytes, numbers and numeric numpy arrays. Runs no code.

A pickle names functions to call. Here each of the few names that plain data need stands for a class of this module,
so nothing of numpy or of Python is called with what the file says; every other name is refused.
"""

from __future__ import annotations

import io
import pickle
import re

import numpy as np


def load_plain(raw: bytes) -> object:
    """The data in `raw`. Texts of Python 2 are read as latin-1, like `pickle.loads(raw, encoding="latin1")`.

    Raises:
        pickle.UnpicklingError: naming what is no plain data, or damaged.
    """
    try:
        return _plain(_Unpickler(io.BytesIO(raw), encoding="latin1").load())
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged or hostile stream can make the unpickler raise nearly anything
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from None


class _Type:
    """Stands for numpy.dtype: a numeric type."""

    __slots__ = ("code",)

    def __init__(self, code: str, *_flags):
        code = code.decode() if isinstance(code, bytes) else code
        if not re.fullmatch(r"[<>=|]?[biuf]\d+", code):
            raise pickle.UnpicklingError(f"arrays of type {code!r}, which is no number")
        self.code = code.lstrip("<>=|")

    def __setstate__(self, state: tuple) -> None:
        order = state[1].decode() if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"arrays in the byte order {order!r}")
        self.code = order + self.code.lstrip("<>=|")


class _Array:
    """Stands for numpy.ndarray and for what makes one; `value` is a fresh array."""

    __slots__ = ("value",)

    def __init__(self, *_empty):
        self.value = np.empty(0)

    def __setstate__(self, state: tuple) -> None:
        _version, shape, kind, by_columns, raw = state
        self.fill(raw, kind, shape, "F" if by_columns else "C")

    def fill(self, raw: bytes | str, kind: _Type, shape: tuple, order: str) -> _Array:
        if not isinstance(kind, _Type) or order not in ("C", "F"):
            raise pickle.UnpicklingError("an array without a type")
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        self.value = np.frombuffer(bytearray(raw), np.dtype(kind.code)).reshape(shape, order=order)
        return self


def _from_buffer(raw, kind, shape, order) -> _Array:
    return _Array().fill(raw, kind, shape, order)


def _scalar(kind: _Type, raw: bytes | str) -> int | float | bool:
    return _Array().fill(raw, kind, (), "C").value.item()


def _latin_bytes(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in the old protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"a text in the encoding {encoding!r}")
    return text.encode("latin1")


NAMES = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _latin_bytes,
}
for _package in ("numpy.core", "numpy._core"):  # before and since numpy 2
    NAMES[f"{_package}.multiarray", "_reconstruct"] = _Array
    NAMES[f"{_package}.multiarray", "scalar"] = _scalar
    NAMES[f"{_package}.numeric", "_frombuffer"] = _from_buffer


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"the name {module}.{name}, which is no plain data")
        return NAMES[module, name]


def _plain(value: object) -> object:
    """`value` with the arrays in place of what stands for them."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {_text(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if value is None or isinstance(value, str | bytes | bytearray | bool | int | float | complex):
        return value
    raise pickle.UnpicklingError(f"a {type(value).__name__}, which is no plain data")


def _text(key: object) -> object:
    return key.decode("latin1") if isinstance(key, bytes) else key
