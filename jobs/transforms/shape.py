"""The shape of the raw texts of all venues, as one Spark struct compiled from the exchanges' readings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange, Reading, Source

ROLES = ("trade_id", "first_id", "last_id", "price", "quantity", "time", "taker", "event_time", "order_type")
IDS = ("trade_id", "first_id", "last_id")
TIMES = ("time", "event_time")
MICROSECONDS_FROM = 10**14  # an epoch of 15 digits and more is in microseconds: in milliseconds that would be the year 5138


@dataclass(frozen=True)
class Parser:
    """A reading and whom it is for; `number` is its place in the projection."""

    number: int
    exchange: Exchange
    kind: str
    source: Source
    reading: Reading


def parsers(exchanges: Iterable[Exchange]) -> Sequence[Parser]:
    """Every reading of every exchange, numbered."""
    found = [(e, kind, source, reading) for e in exchanges for (kind, source), reading in e.readings.items()]
    return [Parser(number, *rest) for number, rest in enumerate(found)]


def raw_type(known: Sequence[Parser]) -> str:
    """The struct that holds every path of every reading; what is not named is skipped unread."""
    tree: dict[str, object] = {}
    for parser in known:
        if parser.reading.items == "":
            continue  # the text is an array itself: see `items`
        if parser.reading.items is not None:
            _plant(tree, parser.reading.items, f"ARRAY<{item_type(known)}>")
        for role, path in _paths(parser.reading).items():
            if parser.reading.items is None or role == "event_time":
                _plant(tree, path, _leaf(parser, role))
    return _ddl(tree)


def item_type(known: Sequence[Parser]) -> str:
    """The struct of an array's element, the same for all venues."""
    tree: dict[str, object] = {}
    for parser in known:
        if parser.reading.items is not None:
            for role, path in _paths(parser.reading).items():
                if role != "event_time":
                    _plant(tree, path, "STRING")
    return _ddl(tree) if tree else "STRUCT<none: STRING>"


def chosen(known: Sequence[Parser], role: str, number: Column, raw: str, item: str) -> Column:
    """What stands in a role, whatever the venue: one CASE over the parser's number. Ids are BIGINT, times BIGINT microseconds, the rest text."""
    cases: dict[tuple[str, bool], list[int]] = {}
    for parser in known:
        reading, path = parser.reading, getattr(parser.reading, role)
        if path is not None and not (role == "event_time" and reading.items == ""):
            top = reading.items is None or role == "event_time"
            iso = role in TIMES and reading.time_unit == "iso"
            cases.setdefault((f"{raw if top else item}.{path}", iso), []).append(parser.number)
    found: Column | None = None
    for (path, iso), numbers in cases.items():
        value = _micros(F.col(path), iso=iso) if role in TIMES else _whole(F.col(path)) if role in IDS else F.col(path)
        condition = number.isin(numbers) if len(numbers) > 1 else number == numbers[0]
        found = F.when(condition, value) if found is None else found.when(condition, value)
    return found if found is not None else F.lit(None).cast("BIGINT" if role in TIMES + IDS else "STRING")


def _micros(value: Column, *, iso: bool) -> Column:
    if iso:
        return F.unix_micros(value.try_cast("TIMESTAMP"))
    whole = _whole(value)
    return F.when(F.abs(whole) >= MICROSECONDS_FROM, whole).when(F.abs(whole) < MICROSECONDS_FROM, whole * 1000)


def _whole(value: Column) -> Column:
    return value.try_cast("BIGINT")


def _paths(reading: Reading) -> Mapping[str, str]:
    return {role: path for role in ROLES if (path := getattr(reading, role)) is not None}


def _leaf(parser: Parser, role: str) -> str:
    """A websocket sends ids and epochs as bare numbers; read as such they cost a fifth less than as text."""
    bare = parser.source == "ws" and (role in IDS or (role in TIMES and parser.reading.time_unit == "epoch"))
    return "BIGINT" if bare else "STRING"


def _plant(tree: dict[str, object], path: str, leaf: str) -> None:
    *branches, last = path.split(".")
    for branch in branches:
        grown = tree.setdefault(branch, {})
        if not isinstance(grown, dict):
            raise ValueError(f"{path}: {branch} is both a value and an object in the readings")
        tree = grown
    there = tree.setdefault(last, leaf)
    if there != leaf:
        if isinstance(there, dict) or "ARRAY" in (str(there)[:5], leaf[:5]):
            raise ValueError(f"{path}: is both {there} and {leaf} in the readings")
        tree[last] = "STRING"  # a number here, a text there: text holds both


def _ddl(tree: Mapping[str, object]) -> str:
    fields = ", ".join(f"`{name}`: {_ddl(kind) if isinstance(kind, dict) else kind}" for name, kind in tree.items())
    return f"STRUCT<{fields}>"
