"""Rows that the views of conf/views are asked about: a few of each thing that they tell apart."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from jobs.tables.instruments import INSTRUMENTS
from jobs.tables.trades import TRADES
from tests.support import fills as walked
from tests.support.bars import Row, minute
from tests.support.fills import book
from tests.support.lines import moment

AGG: Row = {"feed": "agg_trade"}
MAY, JUNE = "2026-05-01", "2026-06-01"
BITSO: Row = {"venue": "bitso", "pair": "BTC-MXN", "is_complete": None, "missing_trades": None}
ETHER: Row = {"pair": "ETH-USDT"}
DOLLAR: Row = {"venue": "coinbase", "pair": "BTC-USD"}
LATE: Row = {"venue": "coinbase", "pair": "SOL-USD"}

MINUTES: Sequence[Row] = [
    # April: the aggregates have more; the trades have one of two minutes, and it is not complete
    minute("23:50", 1, 4, "100", "101", is_complete=False),
    *(minute(at, 10 * n, 10 * n + 9, "100", **AGG) for n, at in enumerate(("23:50", "23:51", "23:58", "23:59"), 1)),
    # May: as many of both, and as complete: the trades
    *(minute(at, *ids, day=MAY) for at, ids in (("00:00", (5, 5)), ("00:03", (6, 9)))),
    *(minute(at, *ids, day=MAY, **AGG) for at, ids in (("00:00", (50, 59)), ("00:03", (60, 64)))),
    # June: as many complete ones; one has more minutes; in the middle of it its ids began anew
    *(minute(at, *ids, day=JUNE, is_complete=good) for at, ids, good in (("00:00", (20, 29), True), ("00:01", (30, 30), False))),
    minute("00:01", 1, 7, day=JUNE, feed="trade.2", is_complete=False, missing_trades=3),
    minute("00:09", 9, 9, "90", "95", day=JUNE, feed="trade.2"),
    *(minute(at, *ids, day=JUNE, **AGG) for at, ids in (("00:00", (80, 89)), ("00:01", (90, 99)))),
    # as complete, as many minutes, fewer missing; the kind says the rest
    *(
        minute("10:00", 1, 9, missing_trades=told, is_complete=False, feed=feed, **ETHER)
        for feed, told in (("agg_trade", 0), ("trade", 1))
    ),
    *(minute("10:00", 1, 9, day=MAY, feed=feed, **ETHER) for feed in ("zeta", "agg_trade")),
    # days without a row: known to be empty, and not known
    *(
        minute(at, *ids, day=day, **LATE)
        for day, at, ids in (("2026-02-27", "23:58", (1, 2)), ("2026-03-02", "00:01", (3, 3)), ("2026-03-05", "12:00", (9, 9)))
    ),
    *(
        minute(at, *ids, day=day, **BITSO)
        for day, at, ids in (("2026-04-30", "10:00", (7, 7)), ("2026-04-30", "10:03", (8, 9)), (MAY, "10:03", (10, 12)))
    ),
]
BIDS, ASKS = ["59999.9 9", "59990 0.25"], ["60000.1 0.5", "60010 0.25", "61000 7"]
BOOKS: Sequence[Row] = [
    book("10:00:00", BIDS, ASKS),
    book("10:30:00", ["59990 0.1", "59980 9"], ["60010 9"]),
    book("10:30:00", ["59991 9"], ["60009 9"], market="usdm"),
    book("10:00:00", ["60500 9"], ["60005 0.1"], **DOLLAR),
    book("09:31:00", ["60001 0.1"], ["60005 0.1"], **DOLLAR | {"pair": "BTC-USDC"}),
    book("09:29:59.999999", ["70000 9"], ["70001 9"], **DOLLAR | {"pair": "BTC-USDT"}),
    book("10:29:00", [], ["60001 9"], **DOLLAR | {"venue": "kraken"}),
    book("10:29:00", [], [], **DOLLAR | {"venue": "empty"}),
    book("10:30:00", ["60001 9"], ["60000 9"], **DOLLAR | {"venue": "crossed"}),
    book("10:30:00", ["1200000 9"], ["1200001 9"], venue="bitso", pair="BTC-MXN"),
    book("10:10:00", ["3000 90"], ["3001 90"], **ETHER),
]
LISTED: Sequence[Row] = [
    dict.fromkeys(INSTRUMENTS.names)
    | {"venue": "binance", "market": "spot", "symbol": symbol, "recv_ts": moment("00:00:07", day), "status": status}
    | {"pair": pair, "base": pair[:3], "quote": pair[4:], "tick_size": Decimal("0.0100000000")}
    for symbol, pair, day, status in (
        ("BTCUSDT", "BTC-USDT", "2026-04-29", "TRADING"),
        ("BTCUSDT", "BTC-USDT", "2026-04-30", "BREAK"),
        ("ETHUSDT", "ETH-USDT", "2026-04-28", "TRADING"),
    )
]
AMOUNTS = ("49999", "50000", "75000")


def trade(id_: int, at: str, day: str = "2026-04-30", **said: Any) -> Row:  # noqa: ANN401 - columns
    told: Row = dict.fromkeys(TRADES.names) | {"venue": "binance", "market": "spot", "feed": "trade", "pair": "BTC-USDT"}
    ts = moment(at, day)
    told |= {"trade_id": id_, "price": Decimal(100 + id_), "quantity": Decimal("0.5"), "quote_quantity": Decimal(100 + id_) / 2}
    return told | {"taker_side": "buy", "ts": ts, "year": ts.year, "month": ts.month} | said


TRADES_THERE: Sequence[Row] = [
    *(trade(id_, at) for id_, at in ((1, "22:59:00"), (2, "23:00:00"), (3, "23:30:00"), (4, "23:40:00"), (5, "23:50:00"))),
    *(
        trade(id_, at, MAY, last_id=last, first_id=id_, **AGG)
        for id_, at, last in ((6, "00:00:00", 9), (7, "00:00:00", 7), (8, "00:00:01", 8))
    ),
    *(
        trade(id_, "23:59:59", last_id=None, **ETHER, feed=feed)
        for id_, feed in ((3, "trade"), (4, "trade.2"), (5, "zeta"), (6, "zeta"))
    ),
    *(trade(id_, at, venue="bitso", pair="BTC-MXN") for id_, at in ((1, "10:00:00"), (2, "11:00:00"), (3, "11:00:00.000001"))),
]


def imported(at: str, bought: str, average: str | None, **said: Any) -> Row:  # noqa: ANN401 - columns
    told = {
        "venue": "binance",
        "market": "spot",
        "feed": "imported",
        "pair": "BTC-USDT",
        "minute": moment(at),
        "object": "x",
        "line": 2,
    }
    told |= {"buy_trades": 3, "buy_volume": Decimal(bought), "buy_quote_volume": Decimal("100.000000000000000001")}
    told |= {"sell_trades": 0, "sell_volume": Decimal(0), "sell_quote_volume": Decimal(0), "avg_sell_price": None}
    return told | {"avg_buy_price": average and Decimal(average), "year": 2026, "month": 4} | said


IMPORTED: Sequence[Row] = [
    imported("23:49:00", "1.000000005", "100.00000000005"),  # half of the last decimal goes up
    imported("23:50:00", "2", "50"),  # we have that minute
    imported("23:52:00", "0.1234567849999", None),  # we have minutes before and after
    imported("23:50:00", "7", "8", market="usdm"),  # another market's
]
SPREADS: Sequence[Row] = [
    {"venue": "bitso", "market": "spot", "pair": "BTC-MXN", "ts": moment(at), "bid": Decimal(bid), "ask": Decimal(1157300)}
    | {"spread_pct": Decimal(spread), "object": "x", "line": 2, "year": 2026, "month": 4}
    for at, bid, spread in (("22:59:00", "1155350.5", "0.168452"), ("23:00:00", "1157300", "0"))
]
TABLES = {
    "imported_minutes": IMPORTED,
    "imported_spreads": SPREADS,
    "minute_aggregates": MINUTES,
    "order_books": [row | {"bids": None, "asks": None} for row in BOOKS],
    "fills": walked.fills(BOOKS, AMOUNTS),
    "trades": TRADES_THERE,
    "instruments": LISTED,
}
