"""Best prices of Bitso's books, asked for every few seconds: `timestamp,pair,bid,ask,spread`.

The spread is computed anew of the exact prices: the file has a float. One that is another by more than a float's noise is no spread of
these prices, and the row is not believed.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

from ingest.exchanges import find_exchange
from ingest.exchanges.exchange import Exchange
from ingest.packed import UnreadableError
from jobs.adoption.files import Source, cells, lines
from jobs.adoption.numbers import EXACT, WHOLE, fitting, is_number
from jobs.adoption.values import Asked, Reject, Row
from jobs.tables.imported_spreads import IMPORTED_SPREADS

NAMES = ("timestamp", "pair", "bid", "ask", "spread")
NOISE = Decimal("0.000001")  # percent
_SECONDS = 10  # digits: since 2001, until 2286


def is_names(values: Sequence[str]) -> bool:
    """Are these the names of its columns?"""
    return tuple(values) == NAMES


def read(source: Source, asked: Asked) -> Iterator[Row | Reject]:
    """A row a snapshot."""
    exchange = _exchange(source, asked)
    for number, text in lines(source.path):
        values = [value.strip() for value in cells(text)]
        if is_names(values):
            continue
        found = _spread(values)
        pair = None if isinstance(found, str) else _pair(values[1], exchange)
        if isinstance(found, str) or pair is None:
            yield Reject(number, found if isinstance(found, str) else "pair", text)
            continue
        if asked.pair not in (None, pair):
            raise UnreadableError(f"{source.name}: has spreads of {pair}, and --pair says {asked.pair}")
        at = int(values[0]) * 1_000_000
        yield Row(IMPORTED_SPREADS, exchange.venue, exchange.market, pair, at, found, number, text)


def _exchange(source: Source, asked: Asked) -> Exchange:
    """Bitso's, unless a person says another."""
    try:
        return find_exchange(asked.venue or "bitso", asked.market or "spot")
    except LookupError as error:
        raise UnreadableError(f"{source.name}: {error}") from error


def _pair(symbol: str, exchange: Exchange) -> str | None:
    try:
        return exchange.pair(symbol)
    except ValueError:
        return None


def _spread(values: Sequence[str]) -> Mapping[str, Decimal] | str:
    """The prices and their spread, or why there are none."""
    if len(values) != len(NAMES):
        return "columns"
    if not WHOLE.fullmatch(values[0]) or len(values[0]) != _SECONDS:
        return "ts"
    bid, ask = (fitting(values[place], IMPORTED_SPREADS, name) for place, name in ((2, "bid"), (3, "ask")))
    if bid is None or ask is None or bid <= 0 or ask <= 0:
        return "price"
    exact = EXACT.divide((ask - bid) * 100, ask)
    is_told = is_number(values[4]) and abs(Decimal(values[4]) - exact) <= NOISE
    spread = exact.quantize(Decimal("0.000001"), ROUND_HALF_UP, EXACT)
    return {"bid": bid, "ask": ask, "spread_pct": spread} if is_told and abs(spread) < Decimal(10) ** 6 else "spread"
