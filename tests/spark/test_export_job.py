"""The job: each layout holds what the table does, of days that are over; nothing is written twice, and a change only where it is."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession

from jobs.exports import snowflake
from jobs.exports.loads import Loads
from jobs.tables.trades import TRADES
from jobs.transforms.spans import minute_of
from tests.support.exports import NOON, Shop, Warehouse, scaled, trade, tuples
from tests.support.history import agg_csv
from tests.support.inbox import Inbox
from tests.support.lines import moment
from tests.support.tables import rows_of
from tests.support.written import Row, Written

ETHER = {"pair": "ETH-USDT", "market": "usdm", "feed": "agg_trade", "first_id": 5, "last_id": 7}
DAYS = ("2026-04-30", "2026-05-01", "2026-05-02")  # the last one is not over
FILES = "redshift/trades/files"


def some() -> list[Row]:
    """Of two pairs, two months, three days; in no order."""
    bitcoin = [
        trade(10 * number + id_, f"1{id_}:00:00", f"6100{id_}.{id_}", day=day)
        for number, day in enumerate(DAYS)
        for id_ in (2, 1)
    ]
    ether = [trade(1, "00:00:00", "0.0000000001", quote_quantity="0.000000000025", **ETHER), trade(2, "23:59:59.999999", **ETHER)]
    return bitcoin + [row | {"quote_quantity": row["price"] * row["quantity"]} for row in ether]


@pytest.fixture
def shop(spark: SparkSession, lake: Path) -> Shop:
    return Shop(spark, lake)


def over(rows: list[Row], until: str = DAYS[2]) -> list[Row]:
    return scaled("trades", [row for row in rows if f"{row['ts']:%Y-%m-%d}" < until])


def test_redshift_takes_each_day_once_and_again_where_a_trade_came_late(shop: Shop):
    trades = Written(shop.spark, shop.lake, TRADES)
    trades.append(some())
    told = shop.run("redshift")
    written = sum(len(data) for data in shop.files(FILES).values())
    assert told == {"layout": "redshift", "tables": 1, "files": 3, "written": 3, "bytes": written, "removed": 0, "loads": 1}
    assert shop.names(FILES) == [
        "pair=BTC-USDT/year=2026/month=4/2026-04-30.000001.*.parquet",
        "pair=BTC-USDT/year=2026/month=5/2026-05-01.000001.*.parquet",
        "pair=ETH-USDT/year=2026/month=5/2026-05-01.000001.*.parquet",
    ]
    warehouse = Warehouse()
    first = shop.files("redshift/trades")["loads/000001.sql"].decode()
    warehouse.take(first)
    assert warehouse.rows("trades") == tuples("trades", over(some()))
    before = shop.files("redshift")
    assert shop.run("redshift") == told | {"files": 0, "written": 0, "bytes": 0, "loads": 0}
    assert shop.files("redshift") == before
    # a late trade of the first of May, and the next day is over
    late = trade(15, "09:00:00", "1")
    trades.append([late])
    told = shop.run("redshift", NOON + timedelta(days=1))
    assert {name: told[name] for name in ("files", "written", "loads")} == {"files": 2, "written": 2, "loads": 1}
    assert [name for name in shop.names(FILES) if "000001" not in name or "05-02" in name] == [
        "pair=BTC-USDT/year=2026/month=5/2026-05-01.000002.*.parquet",
        "pair=BTC-USDT/year=2026/month=5/2026-05-02.000001.*.parquet",
    ]
    assert {name: data for name, data in shop.files(FILES).items() if f"files/{name}" in before} == {}
    assert all(shop.files("redshift")[name] == data for name, data in before.items() if "/current." not in name)
    second = shop.files("redshift/trades")["loads/000002.sql"].decode()
    assert second.replace(str(shop.lake), "LAKE") == (
        "-- Load 2 of trades: once, and after load 1. Elsewhere it fails at the first INSERT, and changes nothing.\n"
        "BEGIN;\n"
        'INSERT INTO ticklake_exports."loads"\n'
        "  SELECT 'trades', CASE WHEN COALESCE(MAX(\"load\"), 0) = 1 THEN 2 END "
        'FROM ticklake_exports."loads" WHERE "table" = \'trades\';\n'
        'CREATE TEMPORARY TABLE "trades_new" (LIKE ticklake_exports."trades");\n'
        "COPY \"trades_new\" FROM 'LAKE/exports/redshift/trades/loads/000002.manifest' "
        "IAM_ROLE DEFAULT FORMAT AS PARQUET MANIFEST;\n"
        'DELETE FROM ticklake_exports."trades" WHERE\n'
        "(\"pair\" = 'BTC-USDT' AND \"ts\" >= '2026-05-01 00:00:00' AND \"ts\" < '2026-05-03 00:00:00');\n"
        'INSERT INTO ticklake_exports."trades" SELECT * FROM "trades_new";\n'
        'DROP TABLE "trades_new";\n'
        "COMMIT;\n"
    )
    with pytest.raises(duckdb.ConstraintException):
        warehouse.take(first)  # it was taken in
    warehouse.take(second)
    everything = tuples("trades", over([*some(), late], "2026-05-03"))
    assert warehouse.rows("trades") == everything
    with pytest.raises(duckdb.ConstraintException):
        Warehouse().take(second)  # the first one is missing
    anew = Warehouse()
    anew.take(shop.files("redshift/trades")["current.sql"].decode())
    assert (anew.rows("trades"), anew.rows("loads")) == (everything, [("trades", 2)])


def test_files_have_the_columns_of_the_table_in_its_order_and_parts_are_parts(shop: Shop):
    Written(shop.spark, shop.lake, TRADES).append(some())
    shop.run("redshift", table="trades", pair=["ETH-USDT"])
    (name,) = shop.files(FILES)
    types = {"STRING": "VARCHAR", "INT": "INTEGER", "TIMESTAMP": "TIMESTAMP WITH TIME ZONE"}
    with duckdb.connect() as db:
        found = db.read_parquet(str(shop.lake / "exports" / FILES / name), hive_partitioning=False)
        assert list(zip(found.columns, map(str, found.types), strict=True)) == [
            (c.name, types.get(c.type, c.type)) for c in TRADES.columns
        ]
        compressed = db.execute(
            "SELECT DISTINCT compression FROM parquet_metadata(?)", [str(shop.lake / "exports" / FILES / name)]
        )
        assert compressed.fetchall() == [("SNAPPY",)]
        assert [row[0] for row in found.select("trade_id").fetchall()] == [1, 2]
    told = shop.run("redshift", until=minute_of(moment("00:00:00", "2026-05-01")))
    assert (told["files"], told["written"]) == (1, 1)
    told = shop.run("redshift")  # what was left out is not forgotten
    assert (told["files"], told["written"], told["loads"]) == (3, 1, 1)


def test_a_run_that_died_is_ended_by_the_next_one(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """After its files were put, before anybody was told of them; and after the record, before what follows from it."""
    Written(shop.spark, shop.lake, TRADES).append(some())
    for name in ("add", "publish"):
        with monkeypatch.context() as patch:
            patch.setattr(Loads, name, _dies)
            with pytest.raises(KeyboardInterrupt):
                shop.run("redshift")
        files = shop.files(FILES)
        assert len(files) == 3
    assert shop.run("redshift")["written"] == 0
    assert shop.files(FILES) == files
    assert [name for name in shop.files("redshift/trades") if "/" not in name or name.startswith("loads")] == [
        *("current.json", "current.manifest", "current.sql"),
        *("loads/000001.json", "loads/000001.manifest", "loads/000001.sql"),
    ]
    warehouse = Warehouse()
    warehouse.take(shop.files("redshift/trades")["loads/000001.sql"].decode())
    assert warehouse.rows("trades") == tuples("trades", over(some()))
    assert not [path for path in (shop.lake / "exports/.making").rglob("*") if path.is_file()]


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_day_whose_rows_are_gone_goes_from_the_warehouse(shop: Shop):
    trades = Written(shop.spark, shop.lake, TRADES)
    trades.append(some())
    shop.run("redshift")
    trades.delete("pair = 'BTC-USDT' AND ts < '2026-05-01'", [(*("binance", "spot", "trade", "BTC-USDT"), id_) for id_ in (1, 2)])
    told = shop.run("redshift")
    assert {name: told[name] for name in ("written", "removed", "loads")} == {"written": 0, "removed": 1, "loads": 1}
    warehouse = Warehouse()
    for number in (1, 2):
        warehouse.take(shop.files("redshift/trades")[f"loads/{number:06}.sql"].decode())
    assert warehouse.rows("trades") == tuples("trades", over(list(trades.rows.values())))
    assert json.loads(shop.files("redshift/trades")["current.json"])["load"] == 2
    trades.append(
        [row for row in some() if f"{row['ts']:%Y-%m-%d}" == DAYS[0]]
    )  # back again: by another name, as the first one was loaded
    assert shop.run("redshift")["written"] == 1
    assert [name for name in shop.names(FILES) if DAYS[0] in name] == [
        f"pair=BTC-USDT/year=2026/month=4/{DAYS[0]}.{number:06}.*.parquet" for number in (1, 2)
    ]
    warehouse.take(shop.files("redshift/trades")["loads/000003.sql"].decode())
    assert warehouse.rows("trades") == tuples("trades", over(list(trades.rows.values())))


def test_snowflake_sees_the_newest_file_of_each_day_whatever_was_loaded_when(shop: Shop):
    """Its pipe takes each file once, in any order; what runs here of its SQL is the view and what follows a load."""
    trades = Written(shop.spark, shop.lake, TRADES)
    trades.append(some())
    shop.run("snowflake")
    assert list(shop.files("snowflake/trades/loads")) == ["000001.json"]
    trades.append([trade(15, "09:00:00", "1")])
    trades.delete("pair = 'ETH-USDT'", [("binance", "usdm", "agg_trade", "ETH-USDT", id_) for id_ in (1, 2)])
    shop.run("snowflake", table="trades")
    folder = shop.lake / "exports/snowflake/trades"
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        every = sorted(map(str, folder.rglob("*.parquet")), reverse=True)
        db.execute("CREATE SCHEMA lake")
        db.read_parquet(every, hive_partitioning=False, filename=True).create("lake.trades_files")
        db.execute("ALTER TABLE lake.trades_files RENAME filename TO file")
        db.execute(snowflake.scripts()["5_views.sql"].partition(";")[0].replace("ticklake.", ""))
        seen = sorted(row[0] for row in db.execute("SELECT price FROM lake.trades").fetchall())
        assert seen == sorted(
            row["price"] for row in over([*trades.rows.values(), *some()[-2:]])
        )  # the last two do not count since
        db.execute((folder / "loads/000002.sql").read_text().replace("ticklake.", ""))
        found = db.execute("FROM lake.trades").fetchall()
        left = db.execute("SELECT count(DISTINCT file) FROM lake.trades_files").fetchall()
    plain = sorted(
        (tuple(value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in row) for row in found), key=str
    )
    assert (plain, left) == (tuples("trades", over(list(trades.rows.values()))), [(2,)])


@pytest.mark.long
def test_history_is_exported_in_the_place_of_the_live_rows(shop: Shop):
    """Months that nobody collected, from files: with no live table at all; and again when a file was replaced."""
    there = Inbox(shop.spark, shop.lake)
    files = {day: agg_csv(_lines(10 * day, 1704067200000 + (day - 1) * 86_400_000)) for day in (1, 2)}
    for day, text in files.items():
        there.put(f"BTCUSDT-aggTrades-2024-01-{day:02}", text)
    there.run()
    told = shop.run("redshift", table="trades")
    assert (told["files"], told["written"]) == (2, 2)
    warehouse = Warehouse()
    warehouse.take(shop.files("redshift/trades")["loads/000001.sql"].decode())
    months = shop.spark.read.parquet(f"{shop.lake}/history/trades")
    assert warehouse.rows("trades") == tuples("trades", rows_of(months))
    assert shop.run("redshift", table="trades")["files"] == 0
    there.put("BTCUSDT-aggTrades-2024-01-02", files[2] + files[2].replace("20,", "23,").splitlines()[0] + "\n")
    there.run()
    told = shop.run("redshift", table="trades")
    assert (told["files"], told["written"], told["loads"]) == (2, 1, 1)  # the whole month was looked at
    warehouse.take(shop.files("redshift/trades")["loads/000002.sql"].decode())
    assert len(warehouse.rows("trades")) == 7
    assert warehouse.rows("trades") == tuples("trades", rows_of(shop.spark.read.parquet(f"{shop.lake}/history/trades")))


def _lines(first: int, begin: int) -> list[tuple[int, str, str, int, bool]]:
    return [(first + n, f"6100{n}.5", "0.25", begin + n, n % 2 == 0) for n in range(3)]
