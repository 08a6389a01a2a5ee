"""The simulated market as each venue would send it: texts in the documented shapes, with the trades that they mean."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

from ingest.simulator.listings import Listing, Series, Style, writer
from ingest.simulator.ticks import MINUTE, Tick


class Trade(NamedTuple):
    """What the venue says of a trade, in its own precision."""

    trade_id: int
    first_id: int | None
    last_id: int | None
    price: str
    quantity: str
    taker_side: str
    ts: int  # microseconds
    event_ts: int | None


class Frame(NamedTuple):
    """A text that the venue sends at a moment of market time (microseconds) to whoever subscribed to its series."""

    at: int
    series: Series
    text: bytes
    trades: tuple[Trade, ...]


DELAYS = {"spot": 2, "usdm": 100}  # milliseconds at whose multiples Binance's markets send
BOOKS = 7  # of Bitso, which share the ids: one in so many is this book's
Wire = Callable[[Listing, Series, list[Tick]], Iterator[Frame]]


def _spot_aggregates(listing: Listing, series: Series, ticks: list[Tick]) -> Iterator[Frame]:
    return _aggregates(listing, series, ticks, delay=DELAYS["spot"], style="eight", tail=',"M":true}}')


def _usdm_aggregates(listing: Listing, series: Series, ticks: list[Tick]) -> Iterator[Frame]:
    return _aggregates(listing, series, ticks, delay=DELAYS["usdm"], style="plain", tail=',"st":1}}')


def _aggregates(  # noqa: PLR0913 - what differs between two markets, by keyword
    listing: Listing, series: Series, ticks: list[Tick], *, delay: int, style: Style, tail: str
) -> Iterator[Frame]:
    price_text, quantity_text = _writers(listing, style)
    head = f'{{"stream":"{series.stream}","data":{{"e":"aggTrade","E":'
    symbol = listing.pair.replace("-", "")
    for tick in ticks:
        ms = tick.at // 1000
        sent = sent_ms(tick, delay)
        first, last = tick.first_fill, tick.first_fill + tick.fills - 1
        price, quantity = price_text(tick.price), quantity_text(tick.quantity)
        whole = f'"nq":"{quantity}",' if style == "plain" else ""  # what is left without the fills of retail price improvement
        text = (
            f'{head}{sent},"s":"{symbol}","a":{tick.number},"p":"{price}","q":"{quantity}",{whole}'
            f'"f":{first},"l":{last},"T":{ms},"m":{"false" if tick.is_buy else "true"}{tail}'
        )
        trade = Trade(tick.number, first, last, price, quantity, _side(tick), ms * 1000, sent * 1000)
        yield Frame(sent * 1000, series, text.encode(), (trade,))


def _spot_trades(listing: Listing, series: Series, ticks: list[Tick]) -> Iterator[Frame]:
    return _trades(listing, series, ticks, delay=DELAYS["spot"], style="eight", tail=',"M":true}}')


def _usdm_trades(listing: Listing, series: Series, ticks: list[Tick]) -> Iterator[Frame]:
    return _trades(listing, series, ticks, delay=DELAYS["usdm"], style="plain", tail=',"X":"MARKET"}}')


def _trades(  # noqa: PLR0913 - what differs between two markets, by keyword
    listing: Listing, series: Series, ticks: list[Tick], *, delay: int, style: Style, tail: str
) -> Iterator[Frame]:
    price_text, quantity_text = _writers(listing, style)
    head = f'{{"stream":"{series.stream}","data":{{"e":"trade","E":'
    symbol = listing.pair.replace("-", "")
    for tick in ticks:
        ms, sent, price = tick.at // 1000, sent_ms(tick, delay), price_text(tick.price)
        maker = "false" if tick.is_buy else "true"
        for trade_id, part in fills(tick):
            quantity = quantity_text(part)
            text = f'{head}{sent},"s":"{symbol}","t":{trade_id},"p":"{price}","q":"{quantity}","T":{ms},"m":{maker}{tail}'
            trade = Trade(trade_id, None, None, price, quantity, _side(tick), ms * 1000, sent * 1000)
            yield Frame(sent * 1000, series, text.encode(), (trade,))


def _matches(listing: Listing, series: Series, ticks: list[Tick]) -> Iterator[Frame]:
    price_text, quantity_text = _writers(listing, "trimmed")
    for tick in ticks:
        time, price = iso(tick.at), price_text(tick.price)
        maker_side = "sell" if tick.is_buy else "buy"
        for trade_id, part in fills(tick):
            quantity = quantity_text(part)
            text = (
                f'{{"type":"match","trade_id":{trade_id},"maker_order_id":"{_order(2 * trade_id)}","taker_order_id":'
                f'"{_order(2 * tick.number + 1)}","side":"{maker_side}","size":"{quantity}","price":"{price}",'
                f'"product_id":"{listing.pair}","sequence":{sequence(trade_id)},"time":"{time}"}}'
            )
            yield Frame(
                tick.at, series, text.encode(), (Trade(trade_id, None, None, price, quantity, _side(tick), tick.at, None),)
            )


def _bitso_trades(listing: Listing, series: Series, ticks: list[Tick]) -> Iterator[Frame]:
    price_text, quantity_text = _writers(listing, "trimmed")
    value_text = writer(listing.price_places + listing.quantity_places, "trimmed")
    book = series.stream.removeprefix("trades:")
    for order in _orders(ticks):
        sent = sent_ms(order[0], 40)
        items, trades = [], []
        for tick in order:
            ms, price = tick.at // 1000, price_text(tick.price)
            for fill, part in fills(tick):
                number, quantity = BOOKS * fill + (fill * 2_654_435_761 >> 16) % BOOKS, quantity_text(part)
                items.append(
                    f'{{"i":{number},"a":"{quantity}","r":"{price}","v":"{value_text(part * tick.price)}","mo":"m{fill:015x}",'
                    f'"to":"t{tick.number:015x}","t":{0 if tick.is_buy else 1},"x":{ms}}}'
                )
                trades.append(Trade(number, None, None, price, quantity, _side(tick), ms * 1000, sent * 1000))
        text = f'{{"type":"trades","book":"{book}","payload":[{",".join(items)}],"sent":{sent}}}'
        yield Frame(sent * 1000, series, text.encode(), tuple(trades))


WIRES: Mapping[tuple[str, str, str], Wire] = {
    ("binance", "spot", "agg_trade"): _spot_aggregates,
    ("binance", "spot", "trade"): _spot_trades,
    ("binance", "usdm", "agg_trade"): _usdm_aggregates,
    ("coinbase", "spot", "trade"): _matches,
    ("bitso", "spot", "trade"): _bitso_trades,
}
TOLD: Mapping[tuple[str, str, str], Wire] = {**WIRES, ("binance", "usdm", "trade"): _usdm_trades}  # that one by REST alone


def heartbeat(product: str, trade_id: int, at: int) -> str:
    """What Coinbase says each second of a product whose last trade this is."""
    head = f'{{"type":"heartbeat","sequence":{sequence(trade_id) + 1},"last_trade_id":{trade_id},'
    return f'{head}"product_id":"{product}","time":"{iso(at)}"}}'


def sequence(trade_id: int) -> int:
    """Coinbase numbers all messages of a product; most of them are not trades."""
    return 13 * trade_id


def _writers(listing: Listing, style: Style) -> tuple[Callable[[int], str], Callable[[int], str]]:
    return writer(listing.price_places, style), writer(listing.quantity_places, style)


def sent_ms(tick: Tick, delay: int) -> int:
    """When the venue sends it, in ms: never out of order, never in a later minute than the trade."""
    ms = tick.at // 1000
    return min((ms // delay + 1) * delay, (tick.at // MINUTE + 1) * MINUTE // 1000 - 1)


def fills(tick: Tick) -> Iterator[tuple[int, int]]:
    """Id and quantity of each fill; the first ones take what does not divide."""
    share, rest = divmod(tick.quantity, tick.fills)
    for place in range(tick.fills):
        yield tick.first_fill + place, share + (place < rest)


def _orders(ticks: Iterable[Tick]) -> Iterator[list[Tick]]:
    number = 0

    def order(tick: Tick) -> int:
        nonlocal number
        number += not tick.goes_on
        return number

    return (list(group) for _, group in groupby(ticks, order))


def _side(tick: Tick) -> str:
    return "buy" if tick.is_buy else "sell"


def _order(number: int) -> str:
    return f"{number & 0xFFFFFFFF:08x}-0000-4000-8000-{number:012x}"


def iso(at: int) -> str:
    """Microseconds since 1970 as Coinbase writes them."""
    seconds, micros = divmod(at, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
