"""Minute rows of a system that counted trades from files as they arrived.

Two of its faults are put right. It took `m`, which says that the buyer was the maker, for a purchase: what it calls `b` the takers
sold. And it named a minute by its machine's clock when the file arrived: a label of a zone with summer time, turned into UTC here. The
hour that comes twice in autumn is told apart by the order of the rows, where there are two runs of it, and else not believed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingest.exchanges import find_exchange
from ingest.packed import UnreadableError
from jobs.adoption.files import Source, cells, lines
from jobs.adoption.numbers import fitting, is_number, micros
from jobs.adoption.values import Asked, Reject, Row
from jobs.tables.imported_minutes import IMPORTED_MINUTES

NAMES = (
    *("timestamp", "total_count_b", "total_count_s", "total_btc_b", "total_btc_s"),
    *("total_usd_b", "total_usd_s", "avg_b", "avg_s"),
)
_SIDES = {"buy": "s", "sell": "b"}  # ours: theirs
HIGHEST = Decimal(10) ** 10  # of prices, as of our own
_NOTHING = ("", "nan", "null", "none", r"\n")  # how a quotient by nought is written
_LABEL = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d.*")


class _Told(NamedTuple):
    line: int
    text: str
    label: datetime
    values: Mapping[str, int | Decimal | None]


def is_names(values: Sequence[str]) -> bool:
    """Are these the names of its columns, in whatever order?"""
    return sorted(values) == sorted(NAMES)


def is_row(values: Sequence[str]) -> bool:
    """Does a line without names before it hold a minute?"""
    return len(values) == len(NAMES) and _LABEL.fullmatch(values[0]) is not None


def read(source: Source, asked: Asked) -> Iterator[Row | Reject]:
    """A row a minute."""
    venue, market, pair = _series(source, asked)
    try:
        zone = ZoneInfo(asked.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UnreadableError(
            f"--zone {asked.zone}: no zone that this machine knows; America/New_York or UTC would be right"
        ) from error
    read = list(_rows(source))
    told = [one for one in read if isinstance(one, _Told)]
    yield from (one for one in read if isinstance(one, Reject))
    again = _second_runs(told, zone)
    for one in told:
        at = _utc(one, zone, again)
        if isinstance(at, str):
            yield Reject(one.line, at, one.text)
        else:
            yield Row(IMPORTED_MINUTES, venue, market, pair, micros(at), one.values, one.line, one.text)


def _series(source: Source, asked: Asked) -> tuple[str, str, str]:
    if asked.venue is None or asked.market is None or asked.pair is None:
        raise UnreadableError(
            f"{source.name}: its minutes do not tell of what they are; --venue binance --market spot --pair BTC-USDT does"
        )
    try:
        find_exchange(asked.venue, asked.market)
    except LookupError as error:
        raise UnreadableError(f"{source.name}: {error}") from error
    return asked.venue, asked.market, asked.pair


def _rows(source: Source) -> Iterator[_Told | Reject]:
    names: Sequence[str] = NAMES
    for number, text in lines(source.path):
        values = [value.strip() for value in cells(text)]
        if is_names(values):
            names = values
        elif len(values) != len(NAMES):
            yield Reject(number, "columns", text)
        else:
            yield _told(number, text, dict(zip(names, values, strict=True)))


def _told(number: int, text: str, row: Mapping[str, str]) -> _Told | Reject:
    label = _label(row["timestamp"])
    if label is None:
        return Reject(number, "ts", text)
    values: dict[str, int | Decimal | None] = {}
    for ours, theirs in _SIDES.items():
        count = _count(row[f"total_count_{theirs}"])
        volume = fitting(row[f"total_btc_{theirs}"], IMPORTED_MINUTES, f"{ours}_volume")
        amount = fitting(row[f"total_usd_{theirs}"], IMPORTED_MINUTES, f"{ours}_quote_volume")
        average = row[f"avg_{theirs}"]
        price = None if average.lower() in _NOTHING else fitting(average, IMPORTED_MINUTES, f"avg_{ours}_price")
        is_price = average.lower() in _NOTHING if price is None else 0 <= price < HIGHEST
        if count is None or volume is None or amount is None or not is_price or volume < 0 or amount < 0:
            return Reject(number, "number", text)
        values |= {
            f"{ours}_trades": count,
            f"{ours}_volume": volume,
            f"{ours}_quote_volume": amount,
            f"avg_{ours}_price": price if count else None,
        }
    return _Told(number, text, label, values)


def _label(text: str) -> datetime | None:
    """The start of a minute; without a zone, unless it says one."""
    if not _LABEL.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.second == found.microsecond == 0 else None


def _count(text: str) -> int | None:
    """A number of trades, also where it was written as a float."""
    if not is_number(text):
        return None
    found = Decimal(text)
    return int(found) if 0 <= found < Decimal(10) ** 18 and found == found.to_integral_value() else None


def _second_runs(told: Sequence[_Told], zone: ZoneInfo) -> Mapping[datetime, int | None]:
    """Of each day with an hour that comes twice: the line from which on it is the second; None: the order does not tell."""
    hours: dict[datetime, list[_Told]] = {}
    for one in told:
        if _comes_twice(one.label, zone):
            hours.setdefault(_day(one.label), []).append(one)
    found: dict[datetime, int | None] = {}
    for day, rows in hours.items():
        steps = [place for place in range(1, len(rows)) if rows[place].label <= rows[place - 1].label]
        # rows in the order of their labels have equal ones in the place of the one step back
        is_told = len(steps) == 1 and rows[steps[0]].label < rows[steps[0] - 1].label
        found[day] = rows[steps[0]].line if is_told else None
    return found


def _utc(one: _Told, zone: ZoneInfo, again: Mapping[datetime, int | None]) -> datetime | str:
    """When it was; or why nobody knows."""
    if one.label.tzinfo is not None:
        return one.label.astimezone(UTC)
    fold = 0
    if _comes_twice(one.label, zone):
        second = again[_day(one.label)]
        if second is None:
            return "hour"
        fold = int(one.line >= second)
    found = one.label.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    # in spring an hour of the clock is left out
    return found if found.astimezone(zone).replace(tzinfo=None) == one.label else "ts"


def _comes_twice(label: datetime, zone: ZoneInfo) -> bool:
    if label.tzinfo is not None:
        return False
    first, second = (label.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first is not None and second is not None and first > second


def _day(label: datetime) -> datetime:
    return label.replace(hour=0, minute=0)
