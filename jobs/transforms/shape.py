"""The shape of the raw texts of all venues, as one Spark struct compiled from the exchanges' readings."""

from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange, Reading
from jobs.transforms.parsers import Parser

Trading = Parser[Reading]
IDS = ("trade_id", "first_id", "last_id")
TIMES = ("time", "event_time")
ROLES = (*IDS, "price", "quantity", *TIMES, "taker", "order_type")
MICROSECONDS_FROM = 10**14  # an epoch of 15 digits and more is in microseconds: in milliseconds that would be the year 5138
LAST = 253_402_300_799_999_999  # the last microsecond of the year 9999


def parsers(exchanges: Iterable[Exchange]) -> Sequence[Trading]:
    """Every reading of every exchange."""
    return [Parser(e, kind, source, reading) for e in exchanges for (kind, source), reading in e.readings.items()]


def raw_type(known: Sequence[Trading]) -> str:
    """The struct that holds every path of every reading; what is not named is skipped unread."""
    tree: dict[str, object] = {}
    for parser in known:
        if parser.reading.items == "":
            continue  # the text is an array itself
        if parser.reading.items is not None:
            plant(tree, parser.reading.items, f"ARRAY<{item_type(known)}>")
        for role, path in _paths(parser.reading).items():
            if parser.reading.items is None or role == "event_time":
                plant(tree, path, _leaf(parser, role))
    return ddl(tree)


def item_type(known: Sequence[Trading]) -> str:
    """The struct of an array's element, the same for all venues."""
    tree: dict[str, object] = {}
    for parser in known:
        if parser.reading.items is not None:
            for role, path in _paths(parser.reading).items():
                if role != "event_time":
                    plant(tree, path, "STRING")
    return ddl(tree) if tree else "STRUCT<none: STRING>"


def in_text(known: Sequence[Trading], role: str, number: Column) -> Column:
    """What stands in a role at the top of the text: one CASE over the parser's place among the known."""
    paths = [
        path if parser.reading.items is None or (role == "event_time" and parser.reading.items) else None
        for parser in known
        for path in [getattr(parser.reading, role)]
    ]
    return _chosen(known, role, number, "raw", paths)


def in_element(known: Sequence[Trading], role: str, number: Column) -> Column:
    """What stands in a role in an array's element, `one`; event times stand at the top of the text."""
    if role == "event_time":
        return F.col(role)
    paths = [getattr(parser.reading, role) if parser.reading.items is not None else None for parser in known]
    return _chosen(known, role, number, "one", paths)


def _chosen(known: Sequence[Trading], role: str, number: Column, above: str, paths: Sequence[str | None]) -> Column:
    """Ids are BIGINT, times BIGINT microseconds, the rest text."""
    cases: dict[tuple[str, bool], list[int]] = {}
    for place, (parser, path) in enumerate(zip(known, paths, strict=True)):
        if path is not None:
            cases.setdefault((f"{above}.{path}", role in TIMES and parser.reading.time_unit == "iso"), []).append(place)
    found: Column | None = None
    for (path, iso), places in cases.items():
        value = (
            micros(F.col(path), iso=iso) if role in TIMES else _whole(F.col(path)) if role in IDS else F.col(path).cast("STRING")
        )
        mine = number.isin(places) if len(places) > 1 else number == places[0]
        found = F.when(mine, value) if found is None else found.when(mine, value)
    return found if found is not None else F.lit(None).cast("BIGINT" if role in TIMES + IDS else "STRING")


def micros(value: Column, *, iso: bool) -> Column:
    """Microseconds since 1970 of a time as a venue writes it; one outside 1970 to 9999 is none."""
    if iso:
        read = F.unix_micros(value.try_cast("TIMESTAMP"))
        return F.when(read.between(0, LAST), read)
    whole = _whole(value)
    return F.when(whole.between(MICROSECONDS_FROM, LAST), whole).when(whole.between(0, MICROSECONDS_FROM - 1), whole * 1000)


def _whole(value: Column) -> Column:
    return value.try_cast("BIGINT")


def _paths(reading: Reading) -> Mapping[str, str]:
    return {role: path for role in ROLES if (path := getattr(reading, role)) is not None}


def _leaf(parser: Trading, role: str) -> str:
    """A websocket sends ids and epochs as bare numbers, a flag as a bare word; read as such they cost a fifth less than as text."""
    if parser.source != "ws":
        return "STRING"
    if role == "taker" and {parser.reading.buy, parser.reading.sell} == {"true", "false"}:
        return "BOOLEAN"
    return "BIGINT" if role in IDS or (role in TIMES and parser.reading.time_unit == "epoch") else "STRING"


def plant(tree: dict[str, object], path: str, leaf: str) -> None:
    """Put a dotted path into a tree of structs."""
    *branches, last = path.split(".")
    for branch in branches:
        grown = tree.setdefault(branch, {})
        if not isinstance(grown, dict):
            raise TypeError(f"{path}: {branch} is both a value and an object in the readings")
        tree = grown
    there = tree.setdefault(last, leaf)
    if there != leaf:
        if isinstance(there, dict) or "ARRAY" in (str(there)[:5], leaf[:5]):
            raise TypeError(f"{path}: is both {there} and {leaf} in the readings")
        tree[last] = "STRING"  # a number here, a text there: text holds both


def ddl(tree: Mapping[str, object]) -> str:
    """The tree as Spark writes types."""
    fields = ", ".join(f"`{name}`: {ddl(kind) if isinstance(kind, dict) else kind}" for name, kind in tree.items())
    return f"STRUCT<{fields}>"
