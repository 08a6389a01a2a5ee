"""What Binance's markets share: symbols, stream names, the control protocol of combined streams, REST and dump fields."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

from ingest.exchanges.exchange import (
    CandleReading,
    Candles,
    Depth,
    Dump,
    Dumps,
    Feed,
    History,
    InstrumentReading,
    Instruments,
    Page,
    Period,
    Reading,
    Request,
    Seen,
    Shape,
    Source,
    Time,
    fields,
)
from ingest.settings import PAIR

PARAMS_PER_MESSAGE = 200  # streams in one SUBSCRIBE; the length of a message is not documented, 1024 names would be 20 kB
STREAMS = 4096  # whose channel is remembered; a venue that makes up more costs no more memory
PAGE = 1000  # trades or candles in a response at most
WIDTHS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
_PUBLISHED = {"1M": "1mo"}  # how files spell a width, where it is not as REST does
_BY_MONTH = ("3d", "1w", "1M")  # candles wider than a day have no files of days
# how files of USD-M name their columns
AGGREGATE_NAMES = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", "is_buyer_maker")
TRADE_NAMES = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
_CANDLES = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time"),
    *("quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
_DEPTHS = (5, 10, 20)
_PARTIAL = re.compile(r"depth(5|10|20)(@\d+ms)?")
_DIFF = re.compile(r"depth(@\d+ms)?")
_CHANNELS = {"aggTrade": "agg_trade", "trade": "trade"}  # the name of a stream after the @, which is also the event's type
_IDS = {"agg_trade": "a", "trade": "t"}


def pair_of(symbol: str, quotes: Sequence[str]) -> str:
    """BTCUSDT -> BTC-USDT. The venue writes no dash, so the quote asset must be a known one; the longest that fits wins."""
    if not symbol.isascii():
        raise ValueError(f"symbol {symbol!r}: not ASCII, so it has no pair BASE-QUOTE of A-Z and 0-9")
    if symbol.endswith("_PERP"):
        raise ValueError(
            f"symbol {symbol!r}: a COIN-M perpetual; its quantities are contracts, not coins, so it is not collected"
        )
    if "_" in symbol:
        raise ValueError(f"symbol {symbol!r}: a dated future; only perpetual and spot symbols such as BTCUSDT have a pair")
    for quote in sorted(quotes, key=len, reverse=True):
        pair = f"{symbol.removesuffix(quote)}-{quote}"
        if symbol.endswith(quote) and PAIR.fullmatch(pair):
            return pair
    raise ValueError(f"symbol {symbol!r}: ends with no known quote asset; one of {', '.join(quotes)}")


def symbol_of(pair: str, quotes: Sequence[str]) -> str:
    """BTC-USDT -> BTCUSDT, where that symbol means this pair and no other."""
    if not PAIR.fullmatch(pair):
        raise ValueError(f"pair {pair!r}: BASE-QUOTE of A-Z and 0-9, such as BTC-USDT")
    symbol = pair.replace("-", "")
    means = pair_of(symbol, quotes)
    if means != pair:
        raise ValueError(f"pair {pair!r}: its symbol {symbol} is read as {means}")
    return symbol


def stream_name(channel: str) -> Callable[[str], str]:
    """Pair -> btcusdt@<channel>. Whether the pair has a symbol is the exchange's `symbol` to say."""
    return lambda pair: f"{pair.replace('-', '').lower()}@{channel}"


def subscriptions(streams: Sequence[str]) -> Sequence[str]:
    """One SUBSCRIBE for many streams: messages to the venue are counted, names in them are not."""
    starts = range(0, len(streams), PARAMS_PER_MESSAGE)
    parts = [list(streams[start : start + PARAMS_PER_MESSAGE]) for start in starts]
    messages = [{"method": "SUBSCRIBE", "params": part, "id": number} for number, part in enumerate(parts, start=1)]
    return [json.dumps(message, separators=(",", ":")) for message in messages]


def aside(widths: Sequence[str]) -> Mapping[str, Feed]:
    """Order books, best prices and candles. Depth 20 of a book and candles of a minute, unless another one is asked for."""
    books = {
        str(depth): Feed("book", "books", stream_name(f"depth{depth}@100ms"), dense=False, ordered=False) for depth in _DEPTHS
    }
    klines = {width: Feed("kline", "klines", stream_name(f"kline_{width}"), dense=False, ordered=False) for width in widths}
    return {
        "book_top": Feed("book_top", "diffs", stream_name("bookTicker"), dense=False, ordered=False),
        "book": replace(books["20"], variants=books),
        "book_diff": Feed("book_diff", "diffs", stream_name("depth@100ms"), dense=True),
        "kline": replace(klines["1m"], variants=klines),
    }


def shapes(always: Mapping[str, str], sometimes: Mapping[str, str]) -> Mapping[str, Shape]:
    """The fields of combined frames, by kind; those of candles are the same everywhere."""
    found = {kind: (_COMBINED, fields("data", names, sometimes.get(kind, ""))) for kind, names in always.items()}
    return {**found, "kline": (_COMBINED, fields("data", "e E s k"), fields("data.k", "t T s i f L o c h l v n x q V Q B"))}


_COMBINED = fields("", "stream data")


_LIST = CandleReading(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, items=True)
KLINES: Mapping[Source, CandleReading] = {
    "ws": CandleReading(
        open_time="data.k.t",
        open="data.k.o",
        high="data.k.h",
        low="data.k.l",
        close="data.k.c",
        volume="data.k.v",
        close_time="data.k.T",
        quote_volume="data.k.q",
        trades="data.k.n",
        taker_buy_volume="data.k.V",
        taker_buy_quote_volume="data.k.Q",
        first_id="data.k.f",
        last_id="data.k.L",
        width="data.k.i",
        is_closed="data.k.x",
    ),
    "rest": _LIST,
    "adopted": _LIST,
}


class Channel(NamedTuple):
    """A feed of trades, as its frames tell it."""

    name: str  # in the names of its streams, and its frames' `e`
    kind: str
    number: str  # the field that holds a frame's id
    counts_trades: bool


def recognise_among(feeds: Mapping[str, Feed]) -> Callable[[Any], Seen]:
    """The `recognise` of a market with these feeds of trades."""
    channels = {
        name: Channel(name, kind, _IDS[kind], feeds[kind].counts_trades) for name, kind in _CHANNELS.items() if kind in feeds
    }
    known: dict[str, Channel] = {}  # by stream
    new = tuple.__new__  # the class's own constructor takes three times as long

    def recognise(frame: Any) -> Seen:  # noqa: ANN401 - any JSON value
        """What nearly every frame is, each field looked up once; everything else with care."""
        try:
            stream, data = frame["stream"], frame["data"]
            channel, kind, name, counts_trades = known[stream]
            number, at = data[name], data["E"]
            if data["e"] == channel and type(number) is type(at) is int:
                if not counts_trades:
                    return new(Seen, (kind, stream, number, number, at, None, None, None, False, None))
                first, last = data["f"], data["l"]
                if type(first) is type(last) is int:
                    return new(Seen, (kind, stream, number, number, at, None, first, last, False, None))
        except (KeyError, TypeError):
            pass
        return _recognise(channels, known, frame)

    return recognise


def _recognise(channels: Mapping[str, Channel], known: dict[str, Channel], frame: Any) -> Seen:  # noqa: ANN401 - any JSON value
    """With care; `known` learns what channel a stream is of."""
    if not isinstance(frame, dict):
        return Seen("unknown")
    stream, data = frame.get("stream"), frame.get("data")
    if not isinstance(stream, str) or not isinstance(data, dict):
        return _control(frame)
    name = stream.partition("@")[2]
    channel = channels.get(name)
    if channel is None or data.get("e") != name:
        return _aside(stream, name, data) or _control(data)
    if len(known) < STREAMS:
        known[stream] = channel
    number = _whole(data.get(channel.number))
    inside = (_whole(data.get("f")), _whole(data.get("l"))) if channel.counts_trades else (None, None)
    return Seen(channel.kind, stream, number, number, _whole(data.get("E")), None, *inside)


def _aside(stream: str, channel: str, data: dict[str, Any]) -> Seen | None:
    """What is no trade."""
    event, at = data.get("e"), _whole(data.get("E"))
    if channel == "bookTicker" and event in (None, "bookTicker"):  # spot tells neither an event nor a time
        number = _whole(data.get("u"))
        return Seen("book_top", stream, number, number, at)
    if _PARTIAL.fullmatch(channel) and (event == "depthUpdate" or "lastUpdateId" in data):
        return Seen("book", stream, event_ms=at)
    if _DIFF.fullmatch(channel) and event == "depthUpdate":
        before, last = _whole(data.get("pu")), _whole(data.get("u"))  # on USD-M the ids of a stream skip, and `pu` joins them
        return Seen("book_diff", stream, _whole(data.get("U")) if before is None else before + 1, last, at)
    if channel.startswith("kline_") and event == "kline":
        return Seen("kline", stream, event_ms=at)
    return None


def _control(frame: dict[str, Any]) -> Seen:
    """What the venue says about the connection: an acknowledgement, a refusal (either spelling), the coming end."""
    if frame.get("e") == "serverShutdown":
        return Seen("control", event_ms=_whole(frame.get("E")), is_end=True)
    refusal = frame.get("error", frame)
    if isinstance(refusal, dict) and "code" in refusal and "msg" in refusal:
        return Seen("control", error=f"{refusal['code']} {refusal['msg']}")
    if "result" in frame and "id" in frame:
        return Seen("control")
    return Seen("unknown")


def _whole(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    return value if type(value) is int else None  # isinstance would let true and false through


def history(  # noqa: PLR0913 - what differs between two endpoints, by keyword
    path: str, symbol: Callable[[str], str], *, weight: int, number: str, time: str, reach: timedelta | None = None
) -> History:
    """Pages upwards from an id, the newest ones without one. `number` and `time` are the fields of a trade's id and time."""

    def ask(pair: str, low: int, high: int) -> str:
        return f"{path}?symbol={symbol(pair)}&fromId={low}&limit={min(PAGE, high - low + 1)}"

    def read(body: Any, low: int, _high: int) -> Page:  # noqa: ANN401 - any JSON value
        if not isinstance(body, list):
            raise TypeError(f"no list of trades: {body!r:.200}")
        ids = [item[number] for item in body]
        # a page that ends early proves nothing above: REST may be a moment behind the stream
        return Page(ids, low, max(ids, default=low - 1), max((item[time] for item in body), default=None))

    return History(ask, read, lambda pair: f"{path}?symbol={symbol(pair)}&limit={PAGE}", weight, reach)


def book(path: str, symbol: Callable[[str], str], weights: Mapping[int, int], *, exact: bool) -> Callable[[str, Depth], Request]:
    """Order books. `weights`: the greatest depth of each price; `exact`: only these depths can be had."""

    def ask(pair: str, asked: Depth) -> Request:
        if asked.level is not None or asked.aggregate is not None:
            raise ValueError(f"{asked.level or asked.aggregate!r}: Binance knows depth alone, 1 to {max(weights)}")
        depth = asked.depth or min(weights)
        if not 0 < depth <= max(weights) or (exact and depth not in weights):
            one_of = f"one of {', '.join(map(str, weights))}" if exact else f"1 to {max(weights)}"
            raise ValueError(f"depth {depth}: {one_of}")
        return Request(f"{path}?symbol={symbol(pair)}&limit={depth}", weights[min(size for size in weights if size >= depth)])

    return ask


def candles(path: str, symbol: Callable[[str], str], widths: Sequence[str], weight: int) -> Candles:
    """Klines."""

    def ask(pair: str, width: str, since: int | None) -> Request:
        start = "" if since is None else f"&startTime={since}"
        return Request(f"{path}?symbol={symbol(pair)}&interval={width}{start}&limit={PAGE}", weight)

    def last(body: Any) -> int | None:  # noqa: ANN401 - any JSON value
        if not isinstance(body, list):
            raise TypeError(f"no list of candles: {body!r:.200}")
        return max((item[0] for item in body), default=None)

    return Candles(widths, ask, last, PAGE)


def instruments(path: str, weight: int) -> Instruments:
    """The symbols that are traded now; on USD-M the perpetual ones."""

    def symbols(body: Any) -> Sequence[str]:  # noqa: ANN401 - any JSON value
        return [
            item["symbol"]
            for item in body["symbols"]
            if item["status"] == "TRADING" and item.get("contractType", "PERPETUAL") == "PERPETUAL"
        ]

    return Instruments(Request(path, weight), symbols)


LISTING = InstrumentReading(
    items="symbols",
    symbol="symbol",
    status="status",
    base="baseAsset",
    quote="quoteAsset",
    contract="contractType",
    tick_size=(("PRICE_FILTER", "tickSize"),),
    lot_size=(("LOT_SIZE", "stepSize"),),
    min_notional=(("NOTIONAL", "minNotional"), ("MIN_NOTIONAL", "minNotional"), ("MIN_NOTIONAL", "notional")),
    listed_at="onboardDate",
)


def time(path: str) -> Time:
    """Milliseconds."""

    def read(body: Any) -> int:  # noqa: ANN401 - any JSON value
        found = _whole(body["serverTime"])
        if found is None:
            raise TypeError(f"no time: {body!r:.200}")
        return found * 1000

    return Time(Request(path, 1), read)


def dump(  # noqa: PLR0913 - what differs between two kinds of files, by keyword
    folder: str,
    name: str,
    symbol: Callable[[str], str],
    *,
    fields: Sequence[str],
    time: str,
    header: Sequence[str] = (),
    width: str | None = None,
) -> Dump:
    """Files below `folder`; `name` is what the venue calls the kind."""
    spelled = _PUBLISHED.get(width, width) if width else None
    below, what = (f"{spelled}/", spelled) if spelled else ("", name)

    def symbols(period: Period) -> str:
        return f"{folder}/{period}/{name}/"

    def daily(pair: str, day: date) -> str:
        return f"{symbols('daily')}{symbol(pair)}/{below}{symbol(pair)}-{what}-{day:%Y-%m-%d}.zip"

    def monthly(pair: str, day: date) -> str:
        return f"{symbols('monthly')}{symbol(pair)}/{below}{symbol(pair)}-{what}-{day:%Y-%m}.zip"

    return Dump(name, symbols, daily, monthly, fields, time, header, has_days=width not in _BY_MONTH)


def dumps(folder: str, symbol: Callable[[str], str], kinds: Mapping[str, Dump], *, widths: Sequence[str]) -> Dumps:
    """All markets publish at one address, and candles in the same columns."""
    candles = {
        width: dump(folder, "klines", symbol, fields=_CANDLES, time="open_time", header=_CANDLES, width=width) for width in widths
    }
    return Dumps(
        ("https://data.binance.vision",), ("https://s3-ap-northeast-1.amazonaws.com/data.binance.vision",), kinds, candles
    )


def readings(sources: Mapping[str, Sequence[Source]], order_type: str | None = None) -> dict[tuple[str, Source], Reading]:
    """How trades and aggregates stand in combined frames (ws), response bodies (rest), rows of dumps (dump), and bare events (adopted)."""
    known: dict[tuple[str, Source], Reading] = {}
    for source in ("rest", "dump"):
        known["agg_trade", source] = Reading(
            trade_id="a",
            first_id="f",  # the first and the last of the trades in it
            last_id="l",
            price="p",
            quantity="q",
            time="T",
            taker="m",  # the buyer is the maker: true means that the taker sold
            buy="false",
            sell="true",
            items="" if source == "rest" else None,
        )
        known["trade", source] = Reading(
            trade_id="id",
            price="price",
            quantity="qty",
            time="time",
            taker="isBuyerMaker",
            buy="false",
            sell="true",
            items="" if source == "rest" else None,
        )
    events: Mapping[Source, str] = {"ws": "data.", "adopted": ""}
    for source, below in events.items():
        known["agg_trade", source] = Reading(
            trade_id=f"{below}a",
            first_id=f"{below}f",
            last_id=f"{below}l",
            price=f"{below}p",
            quantity=f"{below}q",
            time=f"{below}T",  # when it was traded
            event_time=f"{below}E",  # when the venue sent it
            taker=f"{below}m",
            buy="false",
            sell="true",
        )
        known["trade", source] = Reading(
            trade_id=f"{below}t",
            price=f"{below}p",
            quantity=f"{below}q",
            time=f"{below}T",
            event_time=f"{below}E",
            taker=f"{below}m",
            buy="false",
            sell="true",
            order_type=order_type if source == "ws" else None,
        )
    return {(kind, source): known[kind, source] for kind, found in sources.items() for source in found}
