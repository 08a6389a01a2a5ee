"""Ticks of a websocket, written as rows: the values of an event of Binance in their order, with quotes or without.

A row becomes the event again, its values as they stand: `{"e":"trade","E":…}`. It was received when the venue sent it, as far as the
file tells: that is a moment before the collector had it, the same at each run, and never an hour below the trade's own time.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.envelope import Origin, head, line
from ingest.exchanges import EXCHANGES
from ingest.packed import UnreadableError
from jobs.adoption.files import Source, cells, lines
from jobs.adoption.numbers import WHOLE, is_number
from jobs.adoption.values import Asked, Line, Reject

KINDS = {"trade": "trade", "aggTrade": "agg_trade"}
_NAMES: Mapping[str, tuple[str, tuple[str, str]]] = {
    "trade": ("t", ("b", "a")),
    "aggTrade": ("a", ("f", "l")),
}  # of the id; of two more
COLUMNS = 10
_WORDS = ("true", "false")
_MILLISECONDS = 13  # digits: since 2001, until 2286


def is_row(values: Sequence[str]) -> bool:
    """Does a line hold a tick?"""
    return len(values) == COLUMNS and values[0] in KINDS and WHOLE.fullmatch(values[1]) is not None


def read(source: Source, asked: Asked) -> Iterator[Line | Reject]:
    """A line a row."""
    series = _Series(source, asked)
    for number, text in lines(source.path):
        values = [value.strip() for value in cells(text)]
        event = _event(values)
        if event is None:
            yield Reject(number, _why(values), text)
            continue
        try:
            origin, start = series.of(values[0], values[2])
        except LookupError:
            yield Reject(number, "pair", text)
            continue
        recv_ns = int(values[1]) * 1_000_000
        yield Line(origin, int(values[8]) * 1000, recv_ns, line(start, number, recv_ns, event, is_json=True), int(values[3]))


@dataclass
class _Series:
    """What each kind and symbol of a file is, looked up once."""

    source: Source
    asked: Asked
    known: dict[tuple[str, str], tuple[Origin, bytes] | None] = field(default_factory=dict)

    def of(self, event: str, symbol: str) -> tuple[Origin, bytes]:
        """LookupError: the symbol has no pair. UnreadableError: the file is not what a person says it is."""
        if (event, symbol) not in self.known:
            self.known[event, symbol] = self._found(event, symbol)
        found = self.known[event, symbol]
        if found is None:
            raise LookupError(symbol)
        return found

    def _found(self, event: str, symbol: str) -> tuple[Origin, bytes] | None:
        market = self._market(event)
        try:
            pair = EXCHANGES["binance", market].pair(symbol)
        except ValueError:
            return None
        if self.asked.pair not in (None, pair):
            raise UnreadableError(f"{self.source.name}: has ticks of {pair}, and --pair says {self.asked.pair}")
        origin = Origin("binance", market, "trades", KINDS[event], pair, self.source.name, "adopted", self.source.conn)
        return origin, head(origin)

    def _market(self, event: str) -> str:
        """Rows of trades have the ids of both orders, which spot alone has told; those of aggregates look alike everywhere."""
        asked, name = self.asked, self.source.name
        if asked.venue not in (None, "binance"):
            raise UnreadableError(f"{name}: has events of Binance, and --venue says {asked.venue}")
        if event == "trade":
            if asked.market not in (None, "spot"):
                raise UnreadableError(
                    f"{name}: its trades have the ids of both orders, as binance spot alone told them, and --market says {asked.market}"
                )
            return "spot"
        if asked.market is None:
            raise UnreadableError(
                f"{name}: its aggregates do not tell of which market they are; --market spot or --market usdm does"
            )
        if ("binance", asked.market) not in EXCHANGES:
            raise UnreadableError(f"{name}: --market is {asked.market}; spot or usdm would be right")
        return asked.market


def _event(values: Sequence[str]) -> bytes | None:
    """The event, as the socket had it; None: the row is none."""
    if _why(values) != "":
        return None
    event, sent, symbol, id_, price, quantity, one, other, traded, maker = (
        values  # numbers are numbers by now, and need no escape
    )
    name, (first, second) = _NAMES[event]
    return (
        f'{{"e":"{event}","E":{sent},"s":{json.dumps(symbol)},"{name}":{id_},"p":"{price}","q":"{quantity}",'
        f'"{first}":{one},"{second}":{other},"T":{traded},"m":{maker.lower()}}}'
    ).encode()


def _why(values: Sequence[str]) -> str:
    """The reason why a row is no event; empty: it is one. What the numbers are worth is for whoever reads the events."""
    if len(values) != COLUMNS or values[0] not in KINDS:
        return "columns"
    wholes = [WHOLE.fullmatch(values[place]) is not None for place in (3, 6, 7)]
    checks = (
        ("ts", all(WHOLE.fullmatch(values[place]) and len(values[place]) == _MILLISECONDS for place in (1, 8))),
        ("trade_id", wholes[0]),
        ("price", is_number(values[4])),
        ("quantity", is_number(values[5])),
        ("aggregate" if values[0] == "aggTrade" else "columns", all(wholes)),
        ("taker_side", values[9].lower() in _WORDS),
    )
    return next((reason for reason, is_right in checks if not is_right), "")
