"""The layouts that are text: what stands in the files, character by character."""

import gzip
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.tables.bars import BARS
from jobs.tables.klines import KLINES
from jobs.tables.order_books import ORDER_BOOKS
from tests.support.exports import NOON, Shop, Warehouse, scaled, tuples
from tests.support.fills import book
from tests.support.lines import moment
from tests.support.written import Row, Written

MEXICO = {"venue": "bitso", "market": "spot", "pair": "BTC-MXN"}
S4 = "open_time,open,high,low,close,volume,close_time,quote_asset_volume,num_trades,taker_base_vol,taker_quote_vol,ignore"


@pytest.fixture
def shop(spark: SparkSession, lake: Path) -> Shop:
    return Shop(spark, lake)


def plain(number: Decimal | None) -> str:
    """All digits, and no zero at the end."""
    return "" if number is None else f"{number.normalize():f}"


def spread(bid: Decimal | None, ask: Decimal | None) -> str:
    if bid is None or ask is None:
        return ""
    with localcontext(prec=60):
        return plain(((ask - bid) * 100 / ask).quantize(Decimal("1e-17"), ROUND_HALF_UP))


def monitored(books: Iterable[Row]) -> str:
    """A file of the monitor."""
    lines = []
    for row in sorted(books, key=lambda row: row["recv_ts"]):
        bid, ask = row["best_bid"], row["best_ask"]
        lines.append(f"{int(row['recv_ts'].timestamp())},btc_mxn,{plain(bid)},{plain(ask)},{spread(bid, ask)}")
    return "\n".join(["timestamp,pair,bid,ask,spread", *lines, ""])


def test_books_as_the_monitor_wrote_them(shop: Shop):
    """A file a book and day: of the usual, the tiny, the crossed, the one-sided and the empty."""
    april = [
        book("23:59:59.999999", ["1155350"], ["1157300"], day="2026-04-30", **MEXICO),
        book("10:00:00", ["0.0000000001"], ["0.0000000003"], day="2026-04-30", **MEXICO),
    ]
    may = [
        book("00:00:00.5", ["1154890.50"], ["1157420"], day="2026-05-01", **MEXICO),
        book("00:00:00.6", ["100"], ["90"], day="2026-05-01", **MEXICO),
        book("00:00:10", ["100"], [], day="2026-05-01", **MEXICO),
        book("00:00:20", [], [], day="2026-05-01", **MEXICO),
    ]
    books = Written(shop.spark, shop.lake, ORDER_BOOKS)
    books.append([*may, *april, book("09:00:00", ["1"], ["2"], day="2026-05-02", **MEXICO)])
    assert shop.run("s0") == {
        "layout": "s0",
        "tables": 1,
        "files": 2,
        "written": 2,
        "removed": 0,
        "loads": 0,
        "bytes": len(monitored(april)) + len(monitored(may)),
    }
    names = [f"bitso/spot/btc_mxn/2026-04/btc_mxn_order_book_{at('2026-04-30')}.csv"]
    names += [f"bitso/spot/btc_mxn/2026-05/btc_mxn_order_book_{at('2026-05-01')}.csv"]
    assert shop.files("s0") == {names[0]: monitored(april).encode(), names[1]: monitored(may).encode()}
    assert monitored(april).splitlines()[1:] == [
        "1777543200,btc_mxn,0.0000000001,0.0000000003,66.66666666666666667",
        "1777593599,btc_mxn,1155350,1157300,0.16849563639505746",
    ]
    stamps = {name: (shop.lake / "exports/s0" / name).stat().st_mtime_ns for name in names}
    assert shop.run("s0", since=0)["written"] == 0  # looked at, and left alone
    late = book("12:00:00", ["5"], ["6"], day="2026-05-01", **MEXICO)
    books.append([late])
    assert {name: count for name, count in shop.run("s0").items() if name in ("files", "written")} == {"files": 1, "written": 1}
    assert shop.files("s0")[names[1]] == monitored([*may, late]).encode()
    assert (shop.lake / "exports/s0" / names[0]).stat().st_mtime_ns == stamps[names[0]]
    books.overwrite(may, "BTC-MXN")
    assert shop.run("s0")["removed"] == 1
    assert list(shop.files("s0")) == [names[1]]


def at(day: str) -> int:
    return int(moment("00:00:00", day).timestamp())


@pytest.mark.long
def test_what_the_monitor_wrote_comes_out_as_it_was(shop: Shop, recordings: Path):
    """Two of its files: of its spreads, which are floats, the float."""
    wrote = [line for file in sorted((recordings / "systems").glob("btc_mxn*.csv")) for line in file.read_text().splitlines()[1:]]
    books = []
    for line in wrote:
        time, _, bid, ask, _ = line.split(",")
        said = datetime.fromtimestamp(int(time), UTC)
        books.append(book(f"{said:%H:%M:%S}", [bid], [ask], day=f"{said:%Y-%m-%d}", **MEXICO))
    Written(shop.spark, shop.lake, ORDER_BOOKS).append(books)
    shop.run("s0")
    ((_, data),) = shop.files("s0").items()
    found = data.decode().splitlines()[1:]
    assert len(found) == len(wrote) == 30
    assert [line.split(",")[:4] for line in found] == [line.split(",")[:4] for line in wrote]
    assert [float(line.split(",")[4]) for line in found] == [float(line.split(",")[4]) for line in wrote]


def kline(line: str, width: str = "1h", **said: object) -> Row:
    """A row of the table out of an exchange's line."""
    values = line.split(",")
    numbers = [Decimal(value) for value in (*values[1:6], values[7], *values[9:11])]
    opened, closed = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(values[place])) for place in (0, 6))
    told: Row = dict.fromkeys(KLINES.names) | {"venue": "binance", "market": "spot", "pair": "BTC-USDT", "width": width}
    told |= dict(zip(("open", "high", "low", "close", "volume", "quote_volume"), numbers, strict=False))
    told |= {"taker_buy_volume": numbers[6], "taker_buy_quote_volume": numbers[7], "trades": int(values[8])}
    return told | {"open_time": opened, "close_time": closed, "year": opened.year, "month": opened.month} | said


LINES = (
    "1777593600000,42283.58000000,42554.57000000,42261.02000000,42475.23000000,1271.68108000,1777597199999,53957248.97378900,47134,682.57581000,28957416.81964500,0",
    "1777597200000,0.00000010,0.00000011,0.00000009,0.00000010,1.00000000,1777600799999,0.00000010,1,0.00000000,0.00000000,0",
    "1777680000000,1.00000000,2.00000000,1.00000000,2.00000000,1.00000000,1777683599999,1.00000000,1,1.00000000,1.00000000,0",  # today's
)


def bar(start: str, feed: str, width: str = "4h", **said: object) -> Row:
    """A bar of ours, of the first of May."""
    told: Row = dict.fromkeys(BARS.names) | {
        "venue": "binance",
        "market": "spot",
        "pair": "BTC-USDT",
        "feed": feed,
        "width": width,
    }
    told |= {"start": moment(f"{start}:00", "2026-05-01"), "year": 2026, "month": 5, "is_complete": True, "missing_trades": 0}
    told |= dict(zip(("open", "high", "low", "close"), map(Decimal, ("10", "12.5", "9.1234567891", "11")), strict=True))
    told |= {"volume": Decimal(7), "quote_volume": Decimal("75.123456789012345678"), "trades": 21}
    return told | {"buy_volume": Decimal(3), "buy_quote_volume": Decimal("33.5")} | said


def test_candles_as_an_exchange_writes_them(shop: Shop):
    """Its own; ours of a width that it was not asked for, of the feed that is more complete."""
    klines = Written(shop.spark, shop.lake, KLINES)
    klines.append([*(kline(line) for line in LINES), kline(LINES[0], pair="ETH-USDT", taker_buy_volume=None)])
    bars = Written(shop.spark, shop.lake, BARS)
    bars.append(
        [
            *(bar(start, "trade", is_complete=False) for start in ("04:00", "08:00")),
            *(bar(start, "agg_trade", trades=number) for number, start in enumerate(("08:00", "04:00"))),
            bar("00:00", "trade", "1h", open=Decimal(1)),  # of that width the exchange's own are there
            bar("00:00", "trade", "1d"),
        ]
    )
    assert shop.run("s4")["written"] == 4
    ours = "10.00000000,12.50000000,9.1234567891,11.00000000,7.00000000"
    more = "75.123456789012345678,{},3.00000000,33.50000000,0"
    empty = LINES[0].replace("682.57581000", "")
    expected = {
        "binance/spot/BTCUSDT_1h.csv": [S4, *LINES[:2]],
        "binance/spot/ETHUSDT_1h.csv": [S4, empty],
        "binance/spot/BTCUSDT_4h.csv": [
            S4,
            f"1777608000000,{ours},1777622399999,{more.format(1)}",
            f"1777622400000,{ours},1777636799999,{more.format(0)}",
        ],
        "binance/spot/BTCUSDT_1d.csv": [S4, f"1777593600000,{ours},1777679999999,{more.format(21)}"],
    }
    assert {name: data.decode().splitlines() for name, data in shop.files("s4").items()} == expected
    assert shop.run("s4") == {"layout": "s4", "tables": 1, "files": 0, "written": 0, "bytes": 0, "removed": 0, "loads": 0}
    told = shop.run("s4", NOON + timedelta(days=1))  # today's candle is of a day that is over
    assert (told["files"], told["written"]) == (3, 1)
    assert shop.files("s4")["binance/spot/BTCUSDT_1h.csv"].decode().splitlines() == [S4, *LINES]


def test_a_warehouse_has_candles_and_bars_by_months(shop: Shop):
    """The open month, too: its days that are over, and again when another one is."""
    klines, bars = Written(shop.spark, shop.lake, KLINES), Written(shop.spark, shop.lake, BARS)
    klines.append([*(kline(line) for line in LINES), kline(LINES[0].replace("1777593600000", "1777589999999"), width="1m")])
    bars.append([bar("00:00", "trade", updated_at=NOON, revision=1)])
    told = shop.run("redshift")
    assert (told["tables"], told["files"], told["loads"]) == (2, 3, 2)
    below = "files/pair=BTC-USDT/year=2026/month={}/2026-{:02}.{:06}.*.parquet"
    assert [name for name in shop.names("redshift/klines") if "files" in name] == [below.format(4, 4, 1), below.format(5, 5, 1)]
    warehouse = Warehouse()
    for table in ("klines", "bars"):
        warehouse.take(shop.files(f"redshift/{table}")["loads/000001.sql"].decode())
    today = NOON.replace(hour=0)
    over = [row for row in klines.rows.values() if row["open_time"] < today]
    assert len(over) == 3
    assert warehouse.rows("klines") == tuples("klines", scaled("klines", over))
    assert warehouse.rows("bars") == tuples("bars", scaled("bars", bars.rows.values()))
    assert shop.run("redshift", NOON + timedelta(days=1), table="klines")["written"] == 1
    assert [name for name in shop.names("redshift/klines") if "2026-05" in name] == [
        below.format(5, 5, number) for number in (1, 2)
    ]
    warehouse.take(shop.files("redshift/klines")["loads/000002.sql"].decode())
    assert warehouse.rows("klines") == tuples("klines", scaled("klines", klines.rows.values()))


@pytest.mark.long
def test_what_the_platform_wrote_comes_out_as_it_was(shop: Shop, recordings: Path):
    """Byte for byte, but for the thirteenth name of its header."""
    (file,) = (recordings / "klines").glob("s4_*.csv.gz")
    header, *lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    assert header == f"{S4},order_book"
    rows = [kline(line.removesuffix(",")) for line in lines]
    Written(shop.spark, shop.lake, KLINES).append(rows)
    shop.run("s4")
    assert shop.files("s4")["binance/spot/BTCUSDT_1h.csv"].decode().splitlines() == [S4, *lines]
