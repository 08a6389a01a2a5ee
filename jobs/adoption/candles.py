"""Candles of Binance's REST, written as rows: with a line of names or without, in whatever time. Each becomes the answer again.

A candle is closed where the file has a later one. Whether the last one was, when it was fetched, the file does not say: it is left to
the next file, or to the collector. So the lines were received when the last candle of the file began, at the earliest.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ingest.envelope import Origin, head, line
from ingest.exchanges import EXCHANGES
from ingest.packed import UnreadableError
from jobs.adoption.files import Source, cells, lines
from jobs.adoption.named import pair_in
from jobs.adoption.numbers import WHOLE, is_number, micros
from jobs.adoption.values import Asked, Line, Reject

_COMMON = ("open_time", "open", "high", "low", "close", "volume", "close_time")
NAMES = (*_COMMON, "quote_asset_volume", "num_trades", "taker_base_vol", "taker_quote_vol", "ignore")
INVENTED = "order_book"  # a name of a thirteenth column that has no values, or none that the exchange told
PUBLISHED = (*_COMMON, "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore")
COLUMNS = 12
TEXTS = (1, 2, 3, 4, 5, 7, 9, 10, 11)  # places of what the answer has as texts
MADE = ("price_diff", "price_change")  # names of columns that are in no answer
_MINUTE = 60_000_000
_MINUTES = {1: "1m", 3: "3m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 120: "2h", 240: "4h", 360: "6h", 480: "8h", 720: "12h"}
_DAYS = {1: "1d", 3: "3d", 7: "1w", **dict.fromkeys((28, 29, 30, 31), "1M")}
WIDTHS = {
    1_000_000: "1s",
    **{_MINUTE * n: name for n, name in _MINUTES.items()},
    **{_MINUTE * 1440 * n: w for n, w in _DAYS.items()},
}


class _Candle(NamedTuple):
    line: int
    text: str
    values: Sequence[str]
    open_us: int
    close_us: int

    @property
    def width(self) -> str | None:
        unit = 1000 if self.close_us % 1000 == 0 else 1  # a candle ends a millisecond, or a microsecond, before the next one
        return WIDTHS.get(self.close_us + unit - self.open_us)


def is_names(values: Sequence[str]) -> bool:
    """Are these the names of its columns?"""
    return tuple(values[:COLUMNS]) in (NAMES, PUBLISHED) and list(values[COLUMNS:]) in ([], [INVENTED])


def is_row(values: Sequence[str]) -> bool:
    """Does a line without names before it hold a candle?"""
    return isinstance(_candle(0, "", values), _Candle)


def read(source: Source, asked: Asked) -> Iterator[Line | Reject]:
    """A line a row, in the shape of an answer that has one candle."""
    width, last = _seen(source)
    origin = _origin(source, asked, width)
    start, recv_ns = head(origin), last * 1000
    for one in _rows(source):
        if isinstance(one, Reject):
            yield one
        elif one.width != width:
            yield Reject(one.line, "width", one.text)
        elif one.open_us == last:
            yield Reject(one.line, "open", one.text)
        else:
            yield Line(origin, one.open_us, recv_ns, line(start, one.line, recv_ns, _answer(one), is_json=True))


def _seen(source: Source) -> tuple[str, int]:
    """How wide its first candle is, and when its last one began."""
    width, last = None, -1
    for one in _rows(source):
        if isinstance(one, _Candle):
            width = width or one.width
            last = max(last, one.open_us)
    if width is None:
        raise UnreadableError(f"{source.name}: has no candle as wide as one of {', '.join(dict.fromkeys(WIDTHS.values()))}")
    return width, last


def _rows(source: Source) -> Iterator[_Candle | Reject]:
    for number, text in lines(source.path):
        values = [value.strip() for value in cells(text)]
        if not is_names(values):
            found = _candle(number, text, values)
            yield Reject(number, found, text) if isinstance(found, str) else found


def _candle(number: int, text: str, values: Sequence[str]) -> "_Candle | str":
    """A candle, or why it is none. A thirteenth value is not the exchange's."""
    if len(values) not in (COLUMNS, COLUMNS + 1):
        return "columns"
    open_us, close_us = _time(values[0]), _time(values[6])
    if open_us is None or close_us is None or close_us <= open_us:
        return "ts"
    if not all(is_number(values[place]) for place in TEXTS[:-1]) or not WHOLE.fullmatch(values[8]):
        return "number"
    return _Candle(number, text, values[:COLUMNS], open_us, close_us)


def _time(text: str) -> int | None:
    """Microseconds of milliseconds, of microseconds, or of a text, which is UTC unless it says another zone."""
    if WHOLE.fullmatch(text):
        return {13: int(text) * 1000, 16: int(text)}.get(len(text))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return micros(found.replace(tzinfo=UTC) if found.tzinfo is None else found)


def _answer(one: _Candle) -> bytes:
    """As REST has it: times and the number of trades are numbers, all else is text."""
    values = list(one.values)
    for place, at in ((0, one.open_us), (6, one.close_us)):
        if not WHOLE.fullmatch(values[place]):
            values[place] = str(at)
    told = [json.dumps(value) if place in TEXTS else value for place, value in enumerate(values)]
    return f"[[{','.join(told)}]]".encode()


def _origin(source: Source, asked: Asked, width: str) -> Origin:
    """Names are those of a system that asked for spot; without them nothing tells the market."""
    if asked.venue not in (None, "binance"):
        raise UnreadableError(f"{source.name}: has candles of Binance, and --venue says {asked.venue}")
    first = next(lines(source.path))[1]
    told = tuple(cells(first)[:COLUMNS]) == NAMES
    market = asked.market or ("spot" if told else None)
    if market is None:
        raise UnreadableError(
            f"{source.name}: its candles do not tell of which market they are; --market spot or --market usdm does"
        )
    if ("binance", market) not in EXCHANGES:
        raise UnreadableError(f"{source.name}: --market is {market}; spot or usdm would be right")
    pair = asked.pair or pair_in([source.name], EXCHANGES["binance", market])
    if pair is None:
        raise UnreadableError(
            f"{source.name}: its candles do not tell of which pair they are; --pair does, as in --pair BTC-USDT"
        )
    return Origin("binance", market, "klines", "kline", pair, f"{source.name}?interval={width}", "adopted", source.conn)
