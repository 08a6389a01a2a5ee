"""Minutes of history: those that the stream would have made of the same trades, whatever else is published, or comes live, later."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ingest.exchanges import EXCHANGES
from jobs.history.sums import sums as added
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.trades import TRADES
from jobs.transforms.minutes import SUMS, summed
from tests.support import sums
from tests.support.inbox import Inbox
from tests.support.lines import EPOCH, Collector, micros, put
from tests.support.oracle import minutes
from tests.support.stream import driver, take

COMPARED = [name for name in MINUTE_AGGREGATES.names if name not in ("revision", "updated_at")]
MINUTES = "history/minute_aggregates/pair=BTC-USDT/year={}/month={}/binance-spot-agg_trade.parquet"
Trade = tuple[int, int, str, str, bool]  # id, microseconds, price, quantity, is the taker the seller


@pytest.fixture
def there(spark: SparkSession, lake: Path) -> Inbox:
    return Inbox(spark, lake)


def trades(seed: int) -> list[Trade]:
    """Of 30 March to 2 April 2026: bursts, holes, an id that is void, and ids that do not rise with the time, at the month's turn, too."""
    random, found = Random(seed), list[Trade]()  # noqa: S311 - trades, no secret
    at, id_ = micros("22:00:00", "2026-03-30"), 1000
    for _ in range(400):
        at += random.choice([1_000, 20_000_000, 700_000_000])
        id_ += random.choice([1, 1, 1, 1, 1, 3, 40])
        price = f"{random.randrange(60000, 61000)}.{random.randrange(100):02}"
        found.append((id_, at, price, f"0.{random.randrange(1, 99999):05}", random.random() < 0.5))
    turn = micros("00:00:00", "2026-04-01")
    place = next(number for number, one in enumerate(found) if one[1] >= turn)
    (a, *before), (b, *after) = found[place - 1], found[place]
    found[place - 1 : place + 1] = [(b, *before), (a, *after)]  # type: ignore[list-item]  # the ids of the two have changed places
    return found


def csv(rows: Sequence[Trade]) -> str:
    return "".join(f"{n},{p},{q},{2 * n},{2 * n + 1},{at // 1000},{sells},True\n" for n, at, p, q, sells in rows)


def month(rows: Sequence[Trade], first: str, after: str) -> list[Trade]:
    low, high = micros("00:00:00", first), micros("00:00:00", after)
    return [row for row in rows if low <= row[1] < high]


def lines(rows: Sequence[Trade], void: Sequence[int] = ()) -> list[bytes]:
    """As a collector would have landed them."""
    one, found = Collector("a-1-1"), list[bytes]()
    for n, at, price, quantity, sells in rows:
        when = EPOCH + timedelta(microseconds=at)
        taker, is_void = "sell" if sells else "buy", n in void
        said = {"price": "0", "quantity": "0", "fills": (-1, -1)} if is_void else {"price": price, "quantity": quantity}
        found.append(one.aggregate(n, f"{when:%H:%M:%S.%f}", day=f"{when:%Y-%m-%d}", taker=taker, **said))  # type: ignore[arg-type]  # of these types
    return found


def streamed(there: Inbox, landed: Sequence[bytes], *, closed: bool = True) -> list[dict[str, Any]]:
    """The minutes of a stream that has seen these lines."""
    with driver(there.spark, there.lake) as query:
        query.start()
        take(query, [put(there.lake, landed, day="2026-04-02")])
        if closed:
            query.close()
    return there.table("minute_aggregates", "minute")


def kept(there: Inbox, months: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """The minutes of these months of history."""
    spark = there.spark.read.option("basePath", f"{there.lake}/history/minute_aggregates")
    found = spark.parquet(*(f"{there.lake}/{MINUTES.format(*one)}" for one in months)).select(*MINUTE_AGGREGATES.names)
    assert [(name, kind.upper()) for name, kind in found.dtypes] == [(c.name, c.type) for c in MINUTE_AGGREGATES.columns]
    return [row.asDict() for row in found.orderBy("minute").collect()]


def same(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in COMPARED} for row in rows]


def test_minutes_are_those_that_the_stream_makes_of_the_same_trades(there: Inbox, spark: SparkSession, tmp_path: Path):
    rows = trades(1)
    void = [rows[50][0], rows[-1][0]]
    voided = [(n, at, "0", "0", sells) if n in void else (n, at, p, q, sells) for n, at, p, q, sells in rows]
    there.put("BTCUSDT-aggTrades-2026-03", csv(month(voided, "2026-03-01", "2026-04-01")))
    there.put("BTCUSDT-aggTrades-2026-04", csv(month(voided, "2026-04-01", "2026-05-01")))
    there.run()
    history = kept(there, [(2026, 3), (2026, 4)])
    live = streamed(Inbox(spark, tmp_path / "streamed"), lines(rows, void))
    assert same(history) == same(live)
    assert sum(row["missing_trades"] for row in history) > 100  # the story has holes
    assert [row["revision"] for row in history] == [1] * (len(history) - 1) + [0]
    assert {row["is_complete"] for row in history} == {True, False}


def plain(there: Inbox, months: Sequence[tuple[int, int]], beside: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """The minutes of these months by a plain computation over the objects of all of them, and over live trades beside them."""
    rows = [*beside]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for year, number in months:
            name = f"{there.lake}/{MINUTES.format(year, number)}".replace("minute_aggregates", "trades")
            told = connection.read_parquet(name).select("* EXCLUDE (ts, recv_ts, event_ts), epoch_us(ts) AS us")
            rows += [{**row, "ts": EPOCH + timedelta(microseconds=row["us"])} for row in told.to_arrow_table().to_pylist()]
    found = minutes([{**row, "pair": "BTC-USDT", "ts": row["ts"].replace(tzinfo=None)} for row in rows], set(), EXCHANGES)
    names = [name for name in MINUTE_AGGREGATES.names if name != "updated_at"]
    mine = [row for row in found if (row["year"], row["month"]) in months]
    return [{name: row[name] for name in names} for row in sorted(mine, key=lambda row: row["minute"])]


def revised(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "updated_at"} for row in rows]


@pytest.mark.long
def test_what_is_published_or_comes_live_beside_a_month_is_told_by_its_flags(there: Inbox):
    march, april = (2026, 3), (2026, 4)
    rows = [
        (n, at, f"{n}.5", "0.25", n % 2 == 0)
        for n, at in zip(range(100, 150), itertools.count(micros("23:36:00", "2026-03-31"), 60_000_000), strict=False)
    ]
    there.put("BTCUSDT-aggTrades-2026-04", csv([row for row in month(rows, "2026-04-01", "2026-05-01") if row[0] != 130]))
    assert there.run() == there.told(1, published=1, rows=25, minutes=25)
    assert revised(kept(there, [april])) == plain(there, [april])
    there.put("BTCUSDT-aggTrades-2026-03", csv([row for row in month(rows, "2026-03-01", "2026-04-01") if row[0] != 110]))
    assert there.run() == there.told(2, published=1, rows=23, minutes=48)  # April's, too: its first minute is complete now
    assert revised(kept(there, [march, april])) == plain(there, [march, april])
    assert there.run() == there.told(2)
    late = [(160, micros("00:00:10", "2026-05-02"), "7", "1", True), (161, micros("00:01:10", "2026-05-02"), "7", "1", True)]
    streamed(there, lines(late))
    beside = there.table("trades", "trade_id")
    assert there.run() == there.told(2, minutes=25)  # April has a later minute now, and its last one is not the feed's end
    assert revised(kept(there, [march, april])) == plain(there, [march, april], beside)
    assert [row["revision"] for row in kept(there, [april])] == [1] * 25
    streamed(there, lines([rows[10]]))  # the one that March has not
    told = there.run()
    name = MINUTES.format(*march).replace("minute_aggregates", "trades")
    why = "the live table has 1 ids that are not in it, such as 110"
    assert told == there.told(2, withdrawn=1, minutes=25, refused=1, refusals=[f"{name}: withdrawn, for {why}"])
    beside = there.table("trades", "trade_id")
    assert revised(kept(there, [april])) == plain(there, [april], beside)
    assert not any(path.is_file() for path in (there.lake / "history").glob("*/pair=BTC-USDT/year=2026/month=3/*"))
    assert [(row["dataset"], row["month"]) for row in there.table("published", "dataset")] == [
        ("minute_aggregates", 4),
        ("trades", 4),
    ]
    assert [(row["verdict"], row["detail"]) for row in there.table("loads", "first_day")] == [
        ("not_published", f"withdrawn: {why}"),
        ("loaded", ""),
    ]


def test_arrow_adds_up_what_spark_adds_up(spark: SparkSession, tmp_path: Path):
    """Over amounts of which two do not fit, ids that do not rise with the time, and aggregates that do not tell their first id."""
    path = tmp_path / "month.parquet"
    sums.write(sums.trades(3, 3000), path)
    columns = ", ".join(f"{column.name} {column.type}" for column in TRADES.columns if column.name not in TRADES.partitioned_by)
    trades_ = spark.read.schema(columns).parquet(str(path)).withColumn("pair", F.lit("BTC-USDT"))
    by_spark = [
        {**row.asDict(), "minute": row["us"]} for row in summed(trades_).withColumn("us", F.unix_micros("minute")).collect()
    ]
    by_arrow = pa.concat_tables(added(path, 100))
    assert by_arrow.num_rows > 500
    names = [name for name in by_arrow.column_names if not name.endswith("_ts")]
    arrow = [
        {name: row[name] for name in names}
        for row in by_arrow.set_column(0, "minute", by_arrow["minute"].cast(pa.int64())).to_pylist()
    ]
    assert arrow == [{name: row[name] for name in names} for row in sorted(by_spark, key=lambda row: row["minute"])]
    assert any(row["quote_sold"] is None and row["ticks"] - row["buy_ticks"] > 1 for row in arrow)
    assert {name: kind.upper() for name, kind in summed(trades_).dtypes} == dict(SUMS)
