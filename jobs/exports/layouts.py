"""What a layout is: a value. Which tables it has, what a file of it holds and is called."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pyspark.sql import DataFrame

from jobs.tables.bars import BARS
from jobs.tables.klines import KLINES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.order_books import ORDER_BOOKS
from jobs.tables.table import Table
from jobs.tables.trades import TRADES
from jobs.transforms.exports import CANDLE, candles, spreads, whole
from jobs.transforms.spans import Span, Spans, joined, minute_of, month, time_of

Unit = Literal["day", "month", "pair"]  # of what a file has all rows
DAY = 24 * 60
EVER: Span = (0, minute_of(datetime(9999, 1, 1, tzinfo=UTC)))
_WHOLE = re.compile(r"pair=([A-Z0-9]+-[A-Z0-9]+)/year=\d+/month=\d+/(\d{4})-(\d\d)(?:-(\d\d))?")
_SPREADS = re.compile(r"\w+/\w+/([a-z0-9]+)_([a-z0-9]+)/\d{4}-\d\d/\w+_order_book_(\d+)\.csv")


@dataclass(frozen=True)
class Form:
    """What one table, or what two that stand for one, is in a layout."""

    name: str  # of the table that it is of
    times: Mapping[str, str]  # tables -> the column by which a row is of a day
    unit: Unit
    rows: Callable[[Mapping[str, DataFrame]], DataFrame]  # with `file`, and what they are sorted by
    columns: Sequence[str]  # in a file
    order: Sequence[str]  # within a file: of every row a place of its own

    def looked_at(self, spans: Spans) -> Spans:
        """Whole files of what changed."""
        return {pair: joined(_widened(span, self.unit) for span in found) for pair, found in spans.items()}


@dataclass(frozen=True)
class Layout:
    """Files for one kind of reader."""

    name: str
    forms: Mapping[str, Form]
    is_append_only: bool  # is a name never used twice, as its reader loads each once?
    what_of: Callable[[str], tuple[str, Span] | None]  # a file's path -> pair, minutes; None: not told by it


def _widened(span: Span, unit: Unit) -> Span:
    if unit == "pair":
        return EVER
    if unit == "day":
        return span[0] // DAY * DAY, span[1] // DAY * DAY + DAY - 1
    first, last = (time_of(minute) for minute in span)
    return month(first.year, first.month)[0], month(last.year, last.month)[1]


def _form(table: Table, time: str, unit: Unit) -> Form:
    order = [time, *(name for name in table.key if name != time)]
    return Form(table.name, {table.name: time}, unit, lambda rows: whole(rows[table.name], table, time, unit), table.names, order)


def _whole_of(path: str) -> tuple[str, Span] | None:
    told = _WHOLE.fullmatch(path)
    if told is None:
        return None
    pair, year, number, day = told.groups()
    if day is None:
        return pair, month(int(year), int(number))
    start = minute_of(datetime(int(year), int(number), int(day), tzinfo=UTC))
    return pair, (start, start + DAY - 1)


def _spreads_of(path: str) -> tuple[str, Span] | None:
    told = _SPREADS.fullmatch(path)
    if told is None:
        return None
    start = int(told[3]) // 60
    return f"{told[1]}-{told[2]}".upper(), (start, start + DAY - 1)


# what has a row a trade: a file a day; what has a row a minute or less often: a month
_TABLES = {
    form.name: form
    for form in (
        _form(TRADES, "ts", "day"),
        _form(MINUTE_AGGREGATES, "minute", "month"),
        _form(KLINES, "open_time", "month"),
        _form(BARS, "start", "month"),
    )
}
_SPREAD = Form(
    ORDER_BOOKS.name,
    {ORDER_BOOKS.name: "recv_ts"},
    "day",
    lambda rows: spreads(rows[ORDER_BOOKS.name]),
    ("timestamp", "pair", "bid", "ask", "spread"),
    ("at",),
)
_CANDLE = Form(
    KLINES.name,
    {KLINES.name: "open_time", BARS.name: "start"},
    "pair",
    candles,
    (*CANDLE, "ignore"),
    ("at", "num_trades", "volume"),
)
LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("redshift", _TABLES, True, _whole_of),
        Layout("snowflake", _TABLES, True, _whole_of),
        Layout("s0", {_SPREAD.name: _SPREAD}, False, _spreads_of),
        Layout("s4", {_CANDLE.name: _CANDLE}, False, lambda _: None),
    )
}
