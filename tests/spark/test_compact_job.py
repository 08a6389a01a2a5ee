"""The job: what lies in the inbox becomes history, once; what cannot be believed is told, and changes nothing."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import compact
from jobs.tables.klines import KLINES
from jobs.tables.published import PUBLISHED
from jobs.tables.trades import TRADES
from tests.support.dumps import microseconds
from tests.support.history import agg_csv, meant
from tests.support.inbox import OBJECT, Inbox
from tests.support.lines import Collector, micros, put
from tests.support.reconciliation import candle
from tests.support.stream import driver, take
from tests.support.written import Written

APRIL = "history/trades/pair=BTC-USDT/year=2026/month=4/binance-spot-agg_trade.parquet"
T, DAY = 1704067200000, 86_400_000


@pytest.fixture
def there(spark: SparkSession, lake: Path) -> Inbox:
    return Inbox(spark, lake)


def january(first: int, count: int, day: int = 1) -> str:
    return agg_csv((first + n, f"61000.{n % 10}", "0.25", T + (day - 1) * DAY + n * 1000, n % 2 == 0) for n in range(count))


def plain(key: str, text: str, day: datetime, until: datetime) -> list[tuple[Any, ...]]:
    names = ("trade_id", "price", "quantity", "quote_quantity", "taker_side")
    found = meant(text, "agg_trade", 8, day, until).rows
    return [(*(row[name] for name in names), microseconds(row["ts"]), key, row["seq"]) for row in found]


def run(low: int, high: int, at: datetime) -> dict[str, Any]:
    """Ids without a break, of which the first one alone has a trade."""
    return {"low": low, "high": high, "first_id": low, "first_ts": at, "last_id": low, "last_ts": at}


JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC).replace(tzinfo=None)  # as Spark gives a time


def test_files_become_months_and_what_became_of_each_is_told(there: Inbox):
    texts = {f"BTCUSDT-aggTrades-2024-01-0{day}": january(1 + 50 * (day - 1), 50, day) for day in (1, 2)}
    texts["BTCUSDT-aggTrades-2024-02"] = agg_csv(
        [(101, "1", "2", T + 31 * DAY, True), (104, "1", "2", T + 32 * DAY, False), (105, "0", "0", T, True)]
    )
    keys = {name: there.put(name, text) for name, text in texts.items()}
    assert there.run() == there.told(2, published=2, rows=102, rejected=1, minutes=4)
    expected = []
    for number, (name, text) in enumerate(list(texts.items())[:2]):
        day = JANUARY + timedelta(days=number)
        expected += plain(keys[name], text, day, day + timedelta(days=1))
    assert there.rows(1) == expected
    february = plain(
        keys["BTCUSDT-aggTrades-2024-02"],
        texts["BTCUSDT-aggTrades-2024-02"],
        datetime(2024, 2, 1, tzinfo=UTC),
        datetime(2024, 3, 1, tzinfo=UTC),
    )
    assert there.rows(2) == february
    feed = {"dataset": "trades", "venue": "binance", "market": "spot", "feed": "agg_trade", "pair": "BTC-USDT"}
    published = there.table("published", "dataset", "month")
    assert [(row["dataset"], row["month"]) for row in published] == [
        *(("minute_aggregates", 1), ("minute_aggregates", 2), ("trades", 1), ("trades", 2)),
    ]
    (first, second) = published[2:]
    assert {name: second[name] for name in second if name != "published_at"} == {
        **feed,
        "year": 2024,
        "month": 2,
        "object": OBJECT.format(2),
        "sha256": there.sha256(OBJECT.format(2)),
        "bytes": (there.lake / OBJECT.format(2)).stat().st_size,
        "rows": 2,
        "first_id": 101,
        "last_id": 104,
        "missing": 2,
        "duplicates": 0,
        "sources": [{"object": keys["BTCUSDT-aggTrades-2024-02"], "sha256": there.sha256(keys["BTCUSDT-aggTrades-2024-02"])}],
        "runs": [run(101, 101, FEBRUARY), run(104, 105, FEBRUARY + timedelta(days=1))],
        "made_with": None,
    }
    assert [one["object"] for one in first["sources"]] == list(keys.values())[:2]
    *_, load = there.table("loads", "first_day")
    assert {name: load[name] for name in load if name != "loaded_at"} == {
        **feed,
        "object": keys["BTCUSDT-aggTrades-2024-02"],
        "sha256": there.sha256(keys["BTCUSDT-aggTrades-2024-02"]),
        "first_day": date(2024, 2, 1),
        "last_day": date(2024, 2, 29),
        "rows": 2,
        "first_id": 101,
        "last_id": 104,
        "rejected": 1,
        "bytes": (there.lake / keys["BTCUSDT-aggTrades-2024-02"]).stat().st_size,
        "verdict": "loaded",
        "detail": "",
    }
    (reject,) = there.table("rejects", "line")
    assert (reject["object"], reject["line"], reject["reason"], reject["raw"]) == (
        keys["BTCUSDT-aggTrades-2024-02"],
        3,
        "void",
        texts["BTCUSDT-aggTrades-2024-02"].splitlines()[2],
    )
    told = json.loads((there.lake / "control/loads.json").read_text())
    assert (told["v"], told["files"]) == (1, {key: there.sha256(key) for key in sorted(keys.values())})


def test_spark_reads_the_columns_of_the_live_table(there: Inbox):
    there.put("BTCUSDT-aggTrades-2024-01-01", january(1, 5))
    there.run()
    found = there.spark.read.parquet(f"{there.lake}/history/trades")
    types = {name: kind.upper() for name, kind in found.dtypes}
    assert types == {column.name: column.type for column in TRADES.columns}
    (first, *_) = found.orderBy("trade_id").collect()
    assert (first["pair"], first["year"], first["month"], first["ts"], first["source"], first["seq"]) == (
        *("BTC-USDT", 2024, 1, JANUARY.replace(tzinfo=None), "dump", 1),
    )


def test_a_second_run_changes_nothing_and_a_file_that_was_replaced_changes_its_month(there: Inbox):
    there.put("BTCUSDT-aggTrades-2024-01-01", january(1, 5))
    there.put("BTCUSDT-aggTrades-2024-02-01", agg_csv([(9, "1", "2", T + 31 * DAY, True)]))
    there.run()
    before = [there.version(name) for name in ("loads", "published", "rejects")]
    stamp = (there.lake / OBJECT.format(1)).stat().st_mtime_ns
    assert there.run() == there.told(2)
    assert [there.version(name) for name in ("loads", "published", "rejects")] == before
    key = there.put("BTCUSDT-aggTrades-2024-01-01", january(1, 7))
    assert there.run() == there.told(2, published=1, rows=7, minutes=2)  # February misses fewer below its first trade
    assert (len(there.rows(1)), (there.lake / OBJECT.format(1)).stat().st_mtime_ns > stamp) == (7, True)
    assert [row["rows"] for row in there.table("published", "dataset", "month")] == [1, 1, 7, 1]
    assert json.loads((there.lake / "control/loads.json").read_text())["files"][key] == there.sha256(key)
    assert len(there.table("loads", "object")) == 3


def test_the_file_of_the_month_takes_the_place_of_its_days(there: Inbox):
    there.put("BTCUSDT-aggTrades-2024-01-01", january(1, 5))
    there.run()
    key = there.put("BTCUSDT-aggTrades-2024-01", january(1, 5) + january(6, 5, 31))
    assert there.run()["rows"] == 10
    assert {row[6] for row in there.rows(1)} == {key}
    assert [row["verdict"] for row in there.table("loads", "object")] == ["as_in_month", "loaded"]


def test_a_day_that_says_something_else_than_its_month_is_told(there: Inbox):
    there.put("BTCUSDT-aggTrades-2024-01", january(1, 5) + january(6, 5, 2))
    there.put("BTCUSDT-aggTrades-2024-01-01", january(1, 5))
    day = there.put("BTCUSDT-aggTrades-2024-01-02", january(6, 6, 2))
    why = "the month has 0 rows that the day has not, the day 1 that the month has not; 0 say something else"
    expected = there.told(1, published=1, rows=10, minutes=2, refused=1, refusals=[f"{day}: {why}"])
    assert there.run() == expected
    assert [row["verdict"] for row in there.table("loads", "object")] == ["as_in_month", "differs_from_month", "loaded"]
    assert there.run() == there.told(1)


def test_a_month_whose_files_are_gone_stays_and_is_not_made_of_the_rest(there: Inbox):
    """A file that history has may be removed; one that comes in the place of another is not believed to be all there is."""
    first, _ = (there.put(f"BTCUSDT-aggTrades-2024-01-0{day}", january(5 * day, 5, day)) for day in (1, 2))
    assert there.run()["rows"] == 10
    (there.lake / first).unlink()
    Path(f"{there.lake / first}.CHECKSUM").unlink()
    assert there.run() == there.told(1)
    there.put("BTCUSDT-aggTrades-2024-01-02", january(10, 6, 2))
    why = "1 files that it was made of are gone, such as"
    found = there.run()
    assert (found["published"], found["refused"]) == (0, 1)
    assert found["refusals"][0].startswith(f"{OBJECT.format(1)}: {why} {first};")
    assert len(there.rows(1)) == 10
    there.put("BTCUSDT-aggTrades-2024-01", january(5, 5) + january(10, 6, 2))
    assert there.run()["rows"] == 11


def test_candles_become_history_and_give_way_to_live_ones_that_they_lack(there: Inbox):
    text = "".join(f"{T + n * 60_000},1,3,1,2,10,{T + n * 60_000 + 59_999},20,5,4,8,0\n" for n in (0, 1, 3))
    key = there.put("BTCUSDT-1m-2024-01", text)
    assert there.run() == there.told(1, published=1, rows=3)
    name = "history/klines/pair=BTC-USDT/year=2024/month=1/binance-spot-1m.parquet"
    ((row),) = there.table("published", "dataset")
    names = ("dataset", "feed", "object", "rows", "first_id", "missing", "sources")
    made = [{"object": key, "sha256": there.sha256(key)}]
    assert tuple(row[name] for name in names) == ("klines", "1m", name, 3, None, 1, made)
    found = there.spark.read.parquet(f"{there.lake}/history/klines")
    assert {name: kind.upper() for name, kind in found.dtypes} == {column.name: column.type for column in KLINES.columns}
    live = Written(there.spark, there.lake, KLINES)
    minutes = [datetime(2024, 1, 1, 0, n, tzinfo=UTC) for n in range(4)]
    live.append([candle(minutes[n], [Decimal(1)], [], has_ids=False) | {"close_time": minutes[n]} for n in (1, 3)])
    assert there.run() == there.told(1)
    live.append([candle(minutes[2], [Decimal(1)], [], has_ids=False) | {"close_time": minutes[2]}])
    number = int(minutes[2].timestamp()) // 60
    why = f"the live table has 1 candles that are not in it, such as number {number}"
    assert there.run() == there.told(1, withdrawn=1, refused=1, refusals=[f"{name}: withdrawn, for {why}"])
    assert there.run() == there.told(1, refused=1, refusals=[f"{name}: {why}"])
    assert not (there.lake / name).exists()


def test_a_file_that_fails_is_refused_and_the_others_go_on(there: Inbox, capsys: pytest.CaptureFixture[str]):
    """By the command line: exit code 3, and it is tried again by the next run."""
    good = there.put("ETHUSDT-aggTrades-2024-01-01", january(1, 5))
    beside, bad = (
        there.put("BTCUSDT-aggTrades-2024-01-01", january(1, 5)),
        there.put("BTCUSDT-aggTrades-2024-01-02", january(6, 5, 2), told="0" * 64),
    )
    conf = there.lake.parent / "conf.yaml"
    conf.write_text(f"lake: {there.lake}\ningest: {{collector: test}}\n")
    for run in ("first", "second"):
        assert compact.main(["--conf", str(conf), "--run", run]) == 3
        said = capsys.readouterr()
        published = 1 if run == "first" else 0
        figures = f"{published} published, {5 * published} rows, 0 rejected, {published} minutes, 0 withdrawn, 1 refused"
        assert said.out == f"compact: 2 months, {figures}\n"
        detail = f"BTCUSDT-aggTrades-2024-01-02.zip: has the sha256 {there.sha256(bad)}, and its checksum says '{'0' * 64}'"
        assert f"compact: {OBJECT.format(1)}: {detail}\n" in said.err
    assert {row["object"]: row["verdict"] for row in there.table("loads", "object")} == {
        good: "loaded",
        beside: "not_published",
        bad: "checksum",
    }
    assert list(json.loads((there.lake / "control/loads.json").read_text())["files"]) == [good]
    Path(f"{there.lake / bad}.CHECKSUM").write_text(f"{there.sha256(bad)}  x\n")
    assert there.run()["published"] == 1
    assert [row["verdict"] for row in there.table("loads", "object")] == ["loaded"] * 3


def test_a_file_that_says_no_such_thing_is_refused_by_name(there: Inbox):
    there.put("BTCUSDT-aggTrades-2024-01-01", january(1, 5))
    key = there.put("BTCXYZ-aggTrades-2024-01-01", january(1, 5))
    found = there.run()
    assert (found["published"], found["refused"]) == (1, 1)
    assert found["refusals"][0].startswith(f"{key}: ")


def test_what_is_withdrawn_lies_there_until_its_readers_are_told(there: Inbox, monkeypatch: pytest.MonkeyPatch):
    """Athena's views name it until then: a query of theirs would find the file gone."""
    april = micros("10:00:00") // 1000
    there.put("BTCUSDT-aggTrades-2026-04-30", agg_csv([(id_, "100.5", "1", april, True) for id_ in (10, 11)]))
    assert there.run()["published"] == 1
    with driver(there.spark, there.lake) as query:
        query.start()
        take(query, [put(there.lake, [Collector("a-1-1").aggregate(12, "10:00:05", "100.5")])])
        query.close()

    def away(*_: object) -> None:
        raise ConnectionError("Athena is away")

    with monkeypatch.context() as patched:
        patched.setattr(compact, "follow", away)
        with pytest.raises(ConnectionError):
            there.run()
    objects = [there.lake / APRIL, there.lake / APRIL.replace("trades", "minute_aggregates", 1)]
    assert (there.table("published", "dataset"), [path.exists() for path in objects]) == ([], [True, True])
    told: list[object] = []
    with monkeypatch.context() as patched:
        patched.setattr(compact, "follow", lambda *asked: told.append((asked[2], [path.exists() for path in objects])))
        there.run()
    assert told == [({}, [True, True])]
    assert [path.exists() for path in objects] == [False, False]


def test_a_month_that_has_less_than_the_live_table_is_not_published(there: Inbox):
    """Ids 11, 12, 14 and 15 came live, on the last of April 2026; another market's and another month's do not count."""
    one = Collector("a-1-1")
    times = {11: "10:00:05", 12: "10:01:00", 14: "10:02:00", 15: "10:02:01"}
    lines = [one.aggregate(id_, at, "100.5") for id_, at in times.items()]
    may = [one.aggregate(16, "00:00:01", day="2026-05-01")]
    with driver(there.spark, there.lake) as query:
        query.start()
        take(query, [put(there.lake, lines), put(there.lake, may, day="2026-05-01")])
        query.close()
    april = micros("10:00:00") // 1000

    def day(*ids: int) -> str:
        return there.put("BTCUSDT-aggTrades-2026-04-30", agg_csv([(id_, "100.5", "1", april + id_, True) for id_ in ids]))

    key = day(10, 11, 12, 15)
    found = there.run()
    assert (found["published"], found["refusals"]) == (
        0,
        [f"{APRIL}: the live table has 1 ids that are not in it, such as 14"],
    )
    assert not (there.lake / APRIL).exists()
    ((load),) = there.table("loads", "object")
    assert (load["object"], load["verdict"], load["rows"], load["last_id"]) == (key, "not_published", 4, 15)
    day(10, 11, 12, 14, 15)
    assert there.run()["published"] == 1
    assert (there.lake / APRIL).exists()
    # that the live table has some above and below 13, it does not have that one
    published = there.table("published", "dataset", "month")
    assert [(row["dataset"], row["month"], row["rows"], row["missing"]) for row in published] == [
        *(("minute_aggregates", 4, 1, 1), ("trades", 4, 5, 1)),
    ]


def test_an_empty_inbox_is_no_fault(there: Inbox):
    assert there.run() == there.told(0)
    assert there.table(PUBLISHED.name, "pair") == []
