"""A parsed YAML tree as frozen values, by their types. A refusal names the key, the value and what would be right."""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class SettingsError(Exception):
    """The configuration is not right; says which key, what stands there and what would be right."""


class Size(int):
    """Bytes, written as 64MB."""


def read(kind: Any, tree: Any, where: str) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912 - one case a type of value
    """Make a value of type `kind` of what stands at the key `where`."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(kind) if option is not type(None)]
        return None if tree is None else read(options[0], tree, where)
    if origin is Sequence:
        if not isinstance(tree, list):
            refuse(where, tree, "a list")
        (item,) = typing.get_args(kind)
        return tuple(read(item, value, f"{where}[{number}]") for number, value in enumerate(tree))
    if origin is Mapping:
        if not isinstance(tree, Mapping):
            refuse(where, tree, "keys and values")
        _, item = typing.get_args(kind)
        return {str(key): read(item, value, f"{where}.{key}") for key, value in tree.items()}
    if dataclasses.is_dataclass(kind):
        return _section(kind, tree, where)
    if kind is bool:
        return tree if isinstance(tree, bool) else refuse(where, tree, "true or false")
    if kind is Size:
        return _size(tree, where)
    if kind is int:
        return tree if isinstance(tree, int) and not isinstance(tree, bool) else refuse(where, tree, "a whole number")
    if kind is float:
        is_number = isinstance(tree, (int, float)) and not isinstance(tree, bool)
        return float(tree) if is_number else refuse(where, tree, "a number")
    if kind is timedelta:
        return _duration(tree, where)
    if kind is datetime:
        return _time(tree, where)
    if kind in (str, Path):
        return kind(tree) if isinstance(tree, str) and tree else refuse(where, tree, "a text")
    raise TypeError(kind)


def _section(kind: Any, tree: Any, where: str) -> Any:  # noqa: ANN401 - whatever YAML gave
    fields = {item.metadata.get("key", item.name): item for item in dataclasses.fields(kind)}
    if not isinstance(tree, Mapping):
        refuse(where or "the file", tree, f"keys: {', '.join(fields)}")
    prefix = f"{where}." if where else ""
    for key in tree:
        if key not in fields:
            refuse(f"{prefix}{key}", tree[key], f"no such key here; one of {', '.join(fields)}")
    for key, item in fields.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and key not in tree:
            refuse(f"{prefix}{key}", None, "this key is required")
    hints = typing.get_type_hints(kind)
    return kind(**{fields[key].name: read(hints[fields[key].name], value, f"{prefix}{key}") for key, value in tree.items()})


def _duration(tree: Any, where: str) -> timedelta:  # noqa: ANN401 - whatever YAML gave
    found = re.fullmatch(r"(\d+)(ms|s|m|h|d)", tree) if isinstance(tree, str) else None
    if not found:
        refuse(where, tree, "a duration such as 500ms, 30s, 10m, 2h or 7d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _size(tree: Any, where: str) -> Size:  # noqa: ANN401 - whatever YAML gave
    found = re.fullmatch(r"(\d+)(B|kB|MB|GB|TB)", tree) if isinstance(tree, str) else None
    if not found:
        refuse(where, tree, "a size such as 64MB or 20GB")
    return Size(int(found[1]) * _SIZES[found[2]])


def _time(tree: Any, where: str) -> datetime:  # noqa: ANN401 - whatever YAML gave
    try:
        found = tree if isinstance(tree, datetime) else datetime.fromisoformat(tree)
    except (TypeError, ValueError):
        found = None
    if found is None or (found.tzinfo is None and not isinstance(tree, datetime)):
        refuse(where, tree, "a time with its zone, such as 2026-05-01T00:00:00Z")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)  # YAML gives UTC without saying so


def refuse(where: str, value: Any, right: str) -> typing.NoReturn:  # noqa: ANN401 - whatever YAML gave
    """Say which key, what stands there and what would be right."""
    shown = "" if value is None else f" is {value!r}"
    message = f"{where}{shown}: {right}"
    raise SettingsError(message)
