"""Binance spot over REST, below /binance/spot."""

from dataclasses import replace

from ingest.simulator.rest.ask import Ask, Endpoint, Reply, times, told
from ingest.simulator.rest.binance import (
    aggregate_rows,
    aggregates,
    filters,
    limit,
    limits,
    moments,
    pair,
    ping,
    refuse,
    server_time,
    symbols_asked,
    trade_rows,
    trades,
    weight,
    whole,
)
from ingest.simulator.rest.binance_books import depth, klines

WEIGHT_A_MINUTE = 6000
_LIMITS = (("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_A_MINUTE), ("RAW_REQUESTS", "MINUTE", 5, 61_000))


def _agg_trades(ask: Ask) -> Reply:
    if whole(ask, "fromId") is not None and any(moments(ask)):
        refuse(-1128, "Combination of optional parameters invalid.")
    return told(aggregate_rows(aggregates(ask, limit(ask, cuts=True)), is_spot=True))


def _historical_trades(ask: Ask) -> Reply:
    return told(trade_rows(trades(ask, limit(ask, cuts=True)), is_spot=True))


def _recent_trades(ask: Ask) -> Reply:
    """It knows no `fromId`, and does not look at one."""
    query = {name: text for name, text in ask.query.items() if name != "fromId"}
    asked = replace(ask, query=query)
    return told(trade_rows(trades(asked, limit(ask, cuts=True)), is_spot=True))


def _exchange_info(ask: Ask) -> Reply:
    rows = []
    for symbol in symbols_asked(ask):
        base, quote = ask.symbols[symbol].split("-")
        row = {
            "symbol": symbol,
            "status": "TRADING",
            "baseAsset": base,
            "baseAssetPrecision": 8,
            "quoteAsset": quote,
            "quoteAssetPrecision": 8,
            "isSpotTradingAllowed": True,
            "filters": filters(
                ask.listings.get(ask.symbols[symbol]),
                {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
            ),
        }
        rows.append(row)
    body = {"timezone": "UTC", "serverTime": ask.now // 1000, "rateLimits": limits(_LIMITS, ask.factor), "exchangeFilters": []}
    return told({**body, "symbols": rows})


def _klines(ask: Ask) -> Reply:
    return told(klines(ask, limit(ask, cuts=True)))


def _depth(ask: Ask) -> Reply:
    count = limit(ask, 100, 5000, cuts=True)
    return told(depth(ask, pair(ask), count))


def _depth_weight(ask: Ask) -> int:
    return weight(ask, 100, ((100, 5), (500, 25), (1000, 50)), 250)


ENDPOINTS = (
    Endpoint("/api/v3/ping", ping),
    Endpoint("/api/v3/time", server_time),
    Endpoint("/api/v3/exchangeInfo", _exchange_info, times(20)),
    Endpoint("/api/v3/aggTrades", _agg_trades, times(4)),
    Endpoint("/api/v3/historicalTrades", _historical_trades, times(25)),
    Endpoint("/api/v3/trades", _recent_trades, times(25)),
    Endpoint("/api/v3/klines", _klines, times(2)),
    Endpoint("/api/v3/depth", _depth, _depth_weight),
)
