"""Binance spot. Evidence: docs/exchanges.md."""

from functools import partial

from ingest.exchanges.binance import (
    AGGREGATE_NAMES,
    KLINES,
    LISTING,
    TRADE_NAMES,
    WIDTHS,
    aside,
    book,
    candles,
    dump,
    dumps,
    history,
    instruments,
    pair_of,
    readings,
    recognise_among,
    shapes,
    stream_name,
    subscriptions,
    symbol_of,
    time,
)
from ingest.exchanges.exchange import BookReading, Depth, Exchange, Feed, Limits, Rest, Top

# AEUR, BIDR and IDR are left out: ADAEUR and BNBIDR would have two readings each
QUOTES = (
    *(
        "USDT",
        "USDC",
        "FDUSD",
        "TUSD",
        "BUSD",
        "USDP",
        "USDS",
        "USD1",
        "DAI",
        "PAX",
        "UST",
        "VAI",
        "EURI",
        "IDRT",
        "BVND",
        "BKRW",
    ),
    *("BTC", "ETH", "BNB", "SOL", "XRP", "TRX", "DOGE", "DOT"),
    *("EUR", "GBP", "AUD", "BRL", "TRY", "ARS", "COP", "CZK", "JPY", "MXN", "NGN", "PLN", "RON", "RUB", "UAH", "ZAR"),
)
_FEEDS = {
    "agg_trade": Feed("agg_trade", "trades", stream_name("aggTrade"), dense=True, counts_trades=True),
    "trade": Feed("trade", "trades", stream_name("trade"), dense=True),
}
_ALWAYS = {
    "agg_trade": "e E s a p q f l T m M",
    "trade": "e E s t p q T m M",
    "book_top": "u s b B a A",
    "book": "lastUpdateId bids asks",
    "book_diff": "e E s U u b a",
}
_SOMETIMES = {"trade": "b a"}  # the ids of the orders, until June 2024

_SYMBOL = partial(symbol_of, quotes=QUOTES)
_DUMPS = {  # none has been seen with a row of names; those of USD-M began to have one without a word
    "agg_trade": dump(
        "/data/spot",
        "aggTrades",
        _SYMBOL,
        fields=("a", "p", "q", "f", "l", "T", "m", "M"),
        time="T",
        header=(*AGGREGATE_NAMES, "is_best_match"),
    ),
    "trade": dump(
        "/data/spot",
        "trades",
        _SYMBOL,
        fields=("id", "price", "qty", "quoteQty", "time", "isBuyerMaker", "isBestMatch"),
        time="time",
        header=(*TRADE_NAMES, "is_best_match"),
    ),
}
_HOSTS = ("api", "api-gcp", "api1", "api2", "api3", "api4")

BINANCE_SPOT = Exchange(
    venue="binance",
    market="spot",
    hosts=("wss://stream.binance.com:9443", "wss://stream.binance.com:443", "wss://data-stream.binance.vision"),
    feeds=_FEEDS,
    aside=aside(("1s", *WIDTHS)),
    limits=Limits(
        streams_per_connection=1024,
        messages_per_second=5,
        connections_per_5_minutes=300,
        connection_hours=24,
        ping_seconds=20,
    ),
    time_unit="ms",  # dumps since 2025 have microseconds, the streams do not
    symbol=_SYMBOL,
    pair=partial(pair_of, quotes=QUOTES),
    address=lambda host, streams: f"{host}/stream",  # noqa: ARG005 - streams are asked for by message, so that each is acknowledged
    subscriptions=subscriptions,
    recognise=recognise_among(_FEEDS),
    best=Top("data.b", "data.a", None),
    klines=KLINES,
    books={
        "ws": BookReading(Top("data.bids", "data.asks"), sequence="data.lastUpdateId"),
        **dict.fromkeys(("rest", "adopted"), BookReading(Top("bids", "asks"), sequence="lastUpdateId")),
    },
    listing=LISTING,
    shapes=shapes(_ALWAYS, _SOMETIMES),
    rest=Rest(
        hosts=tuple(f"https://{name}.binance.com" for name in _HOSTS),  # data-api.binance.vision has no historicalTrades
        budget=6000,
        seconds=60,
        histories={
            "agg_trade": history("/api/v3/aggTrades", _SYMBOL, weight=4, number="a", time="T"),
            "trade": history("/api/v3/historicalTrades", _SYMBOL, weight=25, number="id", time="time"),
        },
        book=book("/api/v3/depth", _SYMBOL, {100: 5, 500: 25, 1000: 50, 5000: 250}, exact=False),
        resync=Depth(depth=1000),
        instruments=instruments("/api/v3/exchangeInfo", weight=20),
        candles=candles("/api/v3/klines", _SYMBOL, ("1s", *WIDTHS), weight=2),
        time=time("/api/v3/time"),
        used_header="x-mbx-used-weight-1m",
    ),
    dumps=dumps("/data/spot", _SYMBOL, _DUMPS, widths=("1s", *WIDTHS)),
    readings=readings(dict.fromkeys(("agg_trade", "trade"), ("ws", "rest", "dump", "adopted"))),
)
