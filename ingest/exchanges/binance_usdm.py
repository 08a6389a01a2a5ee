"""Binance USD-M futures. Evidence: docs/exchanges.md."""

from collections.abc import Sequence
from datetime import timedelta
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

QUOTES = ("USDT", "USDC", "BUSD", "BTC")
# First and last ids of an aggregate skip the fills of the insurance fund, so they do not count the trades
_FEEDS = {"agg_trade": Feed("agg_trade", "trades", stream_name("aggTrade"), dense=True)}
_RECORDED = {"trade": Feed("trade", "trades", stream_name("trade"), dense=True)}
_ALWAYS = {
    "agg_trade": "e E s a p q f l T m",
    "trade": "e E s t p q T X m",
    "book_top": "e u E T s b B a A",
    "book": "e E T s U u pu b a",
    "book_diff": "e E T s U u pu b a",
}
_SOMETIMES = {"agg_trade": "nq st", "book_top": "st", "book": "ps st", "book_diff": "ps st"}  # they came in 2025 and 2026

_SYMBOL = partial(symbol_of, quotes=QUOTES)


def _address(host: str, streams: Sequence[str]) -> str:
    """By the wrong route the venue connects and acknowledges, and then never sends anything."""
    is_public = streams and streams[0].partition("@")[2].startswith(("depth", "bookTicker"))
    return f"{host}/{'public' if is_public else 'market'}/stream"


_DUMPS = {  # files before August 2022 have no row of names, and are never made anew
    "agg_trade": dump(
        "/data/futures/um",
        "aggTrades",
        _SYMBOL,
        fields=("a", "p", "q", "f", "l", "T", "m"),
        time="T",
        header=AGGREGATE_NAMES,
    ),
    "trade": dump(
        "/data/futures/um",
        "trades",
        _SYMBOL,
        fields=("id", "price", "qty", "quoteQty", "time", "isBuyerMaker"),
        time="time",
        header=TRADE_NAMES,
    ),
}

BINANCE_USDM = Exchange(
    venue="binance",
    market="usdm",
    hosts=("wss://fstream.binance.com",),
    feeds=_FEEDS,
    aside=aside(WIDTHS),
    recorded=_RECORDED,
    limits=Limits(
        streams_per_connection=200,  # 1024 was the documented number before the routes were split
        messages_per_second=10,
        connections_per_5_minutes=300,
        connection_hours=24,
        ping_seconds=180,
    ),
    time_unit="ms",
    symbol=_SYMBOL,
    pair=partial(pair_of, quotes=QUOTES),
    address=_address,
    subscriptions=subscriptions,
    recognise=recognise_among({**_FEEDS, **_RECORDED}),
    best=Top("data.b", "data.a", None),
    klines=KLINES,
    books={
        "ws": BookReading(Top("data.b", "data.a"), sequence="data.u", time="data.T"),
        **dict.fromkeys(("rest", "adopted"), BookReading(Top("bids", "asks"), sequence="lastUpdateId", time="T")),
    },
    listing=LISTING,
    shapes=shapes(_ALWAYS, _SOMETIMES),
    rest=Rest(
        hosts=("https://fapi.binance.com",),
        budget=2400,
        seconds=60,
        histories={
            "agg_trade": history("/fapi/v1/aggTrades", _SYMBOL, weight=20, number="a", time="T", reach=timedelta(hours=48)),
        },
        book=book("/fapi/v1/depth", _SYMBOL, {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}, exact=True),
        resync=Depth(depth=1000),
        instruments=instruments("/fapi/v1/exchangeInfo", weight=1),
        candles=candles("/fapi/v1/klines", _SYMBOL, WIDTHS, weight=5),
        time=time("/fapi/v1/time"),
        used_header="x-mbx-used-weight-1m",
    ),
    dumps=dumps("/data/futures/um", _SYMBOL, _DUMPS, widths=WIDTHS),
    readings=readings({"agg_trade": ("ws", "rest", "dump", "adopted"), "trade": ("ws", "rest", "dump")}, order_type="data.X"),
)
