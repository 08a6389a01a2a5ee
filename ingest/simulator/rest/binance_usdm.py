"""Binance USD-M futures over REST, below /binance/usdm. Old trades are not told here: that is what the dumps are for."""

from dataclasses import replace

from ingest.simulator.rest.ask import Ask, Endpoint, Reply, times, told
from ingest.simulator.rest.binance import (
    DEFAULT,
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

WEIGHT_A_MINUTE = 2400
_LIMITS = (("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_A_MINUTE),)
_MOST_KLINES = 1500
_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
_HOUR = 3_600_000_000
_AGGREGATES_KEPT, _TRADES_KEPT = 48 * _HOUR, 30 * 24 * _HOUR
ONBOARDED = 1_704_067_200_000  # 2024-01-01, in milliseconds


def _agg_trades(ask: Ask) -> Reply:
    start, end = moments(ask)
    if whole(ask, "fromId") is not None and (start, end) != (None, None):
        refuse(-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.", 408)
    if start is not None and end is not None and end // 1000 - start // 1000 >= _HOUR // 1000:
        refuse(-1127, "More than 1 hours between startTime and endTime.")
    return told(aggregate_rows(aggregates(ask, limit(ask, cuts=False), ask.now - _AGGREGATES_KEPT), is_spot=False))


def _historical_trades(ask: Ask) -> Reply:
    if not ask.headers.get("x-mbx-apikey"):
        refuse(-2014, "API-key format invalid.", 401)
    return told(trade_rows(trades(ask, limit(ask, cuts=False), ask.now - _TRADES_KEPT), is_spot=False))


def _recent_trades(ask: Ask) -> Reply:
    """It knows no `fromId`, and does not look at one."""
    asked = replace(ask, query={name: text for name, text in ask.query.items() if name != "fromId"})
    return told(trade_rows(trades(asked, limit(ask, cuts=False)), is_spot=False))


def _exchange_info(ask: Ask) -> Reply:
    rows = []
    for symbol in symbols_asked(ask):
        name = ask.symbols[symbol]
        base, quote = name.split("-")
        listing = ask.listings.get(name)
        precision = (
            {} if listing is None else {"pricePrecision": listing.price_places, "quantityPrecision": listing.quantity_places}
        )
        row = {
            "symbol": symbol,
            "pair": symbol,
            "contractType": "PERPETUAL",
            "onboardDate": ONBOARDED,
            "status": "TRADING",
            "baseAsset": base,
            "quoteAsset": quote,
            "marginAsset": quote,
            **precision,
            "filters": filters(listing, {"filterType": "MIN_NOTIONAL", "notional": "100"}),
        }
        rows.append(row)
    body = {"timezone": "UTC", "serverTime": ask.now // 1000, "rateLimits": limits(_LIMITS, ask.factor), "exchangeFilters": []}
    return told({**body, "symbols": rows})


def _klines(ask: Ask) -> Reply:
    return told(klines(ask, limit(ask, DEFAULT, _MOST_KLINES, cuts=False)))


def _klines_weight(ask: Ask) -> int:
    return weight(ask, DEFAULT, ((99, 1), (499, 2), (1000, 5)), 10)


def _depth(ask: Ask) -> Reply:
    count = limit(ask, DEFAULT, 1000, cuts=False)
    if count not in _DEPTHS:
        refuse(-1130, "Data sent for parameter 'limit' is not valid.")
    name, ms = pair(ask), ask.now // 1000
    found = depth(ask, name, count)
    return told({"lastUpdateId": found.pop("lastUpdateId"), "E": ms, "T": ms, **found})


def _depth_weight(ask: Ask) -> int:
    return weight(ask, DEFAULT, ((50, 2), (100, 5), (500, 10)), 20)


ENDPOINTS = (
    Endpoint("/fapi/v1/ping", ping),
    Endpoint("/fapi/v1/time", server_time),
    Endpoint("/fapi/v1/exchangeInfo", _exchange_info),
    Endpoint("/fapi/v1/aggTrades", _agg_trades, times(20)),
    Endpoint("/fapi/v1/historicalTrades", _historical_trades, times(200)),
    Endpoint("/fapi/v1/trades", _recent_trades, times(5)),
    Endpoint("/fapi/v1/klines", _klines, _klines_weight),
    Endpoint("/fapi/v1/depth", _depth, _depth_weight),
)
