"""A parsed YAML tree as frozen values, by their types. A refusal names the key, the value and what would be right."""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|secretsmanager:[A-Za-z0-9/_+=.@:-]+")


class SettingsError(Exception):
    """The configuration is not right; says which key, what stands there and what would be right."""

    def __init__(self, message: str, without_value: str = "") -> None:
        super().__init__(message)
        self.without_value = without_value or message  # where what stands there may be a secret


class Size(int):
    """Bytes, written as 64MB."""


class Reference(str):
    """Where a secret is: env:NAME or secretsmanager:ID. Never the secret."""

    __slots__ = ()


def read(kind: Any, tree: Any, where: str) -> Any:  # noqa: ANN401 - whatever YAML gave
    """Make a value of type `kind` of what stands at the key `where`."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _one_of([option for option in typing.get_args(kind) if option is not type(None)], tree, where)
    if origin is typing.Literal:
        return tree  # the section was chosen by it
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
    return _READERS[kind](tree, where)


def _one_of(options: Sequence[Any], tree: Any, where: str) -> Any:  # noqa: ANN401 - whatever YAML gave
    if len(options) > 1:
        return _section_by_kind(options, tree, where)
    return None if tree is None else read(options[0], tree, where)


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


def _section_by_kind(options: Sequence[Any], tree: Any, where: str) -> Any:  # noqa: ANN401 - whatever YAML gave
    """The section that its key `kind` names. Of what else stands there nothing is shown: it may be a secret in a wrong place."""
    kinds = {typing.get_args(typing.get_type_hints(option)["kind"])[0]: option for option in options}
    right = f"one of {', '.join(kinds)}"
    if not isinstance(tree, Mapping):
        refuse(where, None, f"keys and values, with the key kind, {right}")
    if "kind" not in tree:
        refuse(f"{where}.kind", None, f"this key is required: {right}")
    if not isinstance(tree["kind"], str) or tree["kind"] not in kinds:
        refuse(f"{where}.kind", tree["kind"], f"no such kind; {right}")
    try:
        return _section(kinds[tree["kind"]], tree, where)
    except SettingsError as error:
        raise SettingsError(error.without_value) from None


def _decimal(tree: Any, where: str) -> Decimal:  # noqa: ANN401 - whatever YAML gave
    if not isinstance(tree, int | float) or isinstance(tree, bool) or (isinstance(tree, float) and not math.isfinite(tree)):
        refuse(where, tree, "a number")
    return Decimal(str(tree))  # the shortest text that is this float is what the person wrote


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


def _flag(tree: Any, where: str) -> bool:  # noqa: ANN401 - whatever YAML gave
    return tree if isinstance(tree, bool) else refuse(where, tree, "true or false")


def _whole(tree: Any, where: str) -> int:  # noqa: ANN401 - whatever YAML gave
    return tree if isinstance(tree, int) and not isinstance(tree, bool) else refuse(where, tree, "a whole number")


def _number(tree: Any, where: str) -> float:  # noqa: ANN401 - whatever YAML gave
    is_number = isinstance(tree, (int, float)) and not isinstance(tree, bool)
    return float(tree) if is_number else refuse(where, tree, "a number")


def _text(tree: Any, where: str) -> str:  # noqa: ANN401 - whatever YAML gave
    right = "a text, in quotes" if isinstance(tree, int | float) else "a text"
    return tree if isinstance(tree, str) and tree else refuse(where, tree, right)


def _reference(tree: Any, where: str) -> Reference:  # noqa: ANN401 - whatever YAML gave
    if not isinstance(tree, str) or not _REFERENCE.fullmatch(tree):
        refuse(where, None, "env:NAME or secretsmanager:ID, never the secret itself")
    return Reference(tree)


def refuse(where: str, value: Any, right: str) -> typing.NoReturn:  # noqa: ANN401 - whatever YAML gave
    """Say which key, what stands there and what would be right."""
    shown = "" if value is None else f" is {value!r}"
    message = f"{where}{shown}: {right}"
    raise SettingsError(message, f"{where}: {right}")


_READERS: Mapping[Any, Callable[[Any, str], Any]] = {
    bool: _flag,
    int: _whole,
    float: _number,
    str: _text,
    Path: lambda tree, where: Path(_text(tree, where)),
    Size: _size,
    Decimal: _decimal,
    Reference: _reference,
    timedelta: _duration,
    datetime: _time,
}
