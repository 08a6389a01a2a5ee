"""The job: files of other systems into a lake, once; what cannot be believed is told, and the others go on."""

import csv
import hashlib
import json
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from jobs import adopt
from jobs.tables.imported_minutes import IMPORTED_MINUTES
from jobs.tables.imported_spreads import IMPORTED_SPREADS
from jobs.transforms.lines import Projection, items
from tests.support import channels
from tests.support.adoption import SAMPLES, read
from tests.support.stream import driver, take
from tests.support.tables import rows_of

DAY = "dt=2021-05-08"
Rows = list[dict[str, Any]]


class Lake:
    """A lake, and the command line that adopts into it."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.folder = spark, folder
        self.conf = folder.parent / "conf.yaml"
        self.conf.write_text(f"lake: {folder}\ningest: {{collector: old}}\n")
        self.runs = 0

    def adopt(self, *arguments: str | Path) -> int:
        self.runs += 1
        return adopt.main(["--conf", str(self.conf), "--run", str(self.runs), *map(str, arguments)])

    @property
    def summary(self) -> dict[str, Any]:
        told = json.loads((self.folder / f"control/runs/adopt/{self.runs}.json").read_text())
        return {name: value for name, value in told.items() if name not in ("job", "run", "started")}

    def table(self, name: str, *order: str) -> Rows:
        rows = rows_of(self.spark.read.format("delta").load(f"{self.folder}/tables/{name}").orderBy(*order))
        return [{key: value for key, value in row.items() if not key.endswith("ed_at")} for row in rows]

    def files(self) -> dict[str, bytes]:
        """All but what tells of runs."""
        found = {path.relative_to(self.folder).as_posix(): path for path in self.folder.rglob("*") if path.is_file()}
        return {key: path.read_bytes() for key, path in found.items() if not key.startswith("control/")}

    def imported(self, name: str) -> Rows:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.read_parquet(f"{self.folder}/history/{name}/*/*/*/*.parquet", hive_partitioning=True)
            kinds = dict(zip(found.columns, map(str, found.types), strict=True))
            shown = [f"epoch_us({column})" if "TIME" in kind else column for column, kind in kinds.items()]
            rows = connection.execute(f"SELECT {', '.join(shown)} FROM found ORDER BY ALL").fetchall()  # noqa: S608 - columns of ours
            return [dict(zip(found.columns, row, strict=True)) for row in rows]


@pytest.fixture
def there(spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    return Lake(spark, lake)


def key_of(path: Path) -> str:
    return f"adopted/{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}-{path.name}"


def ticks(lines: str) -> Rows:
    """What rows of trades mean, by their places alone."""
    found = []
    for _, sent, _, id_, price, quantity, _, _, traded, maker in csv.reader(lines.splitlines()):
        at = datetime.fromtimestamp(int(traded) // 1000, UTC).replace(microsecond=int(traded) % 1000 * 1000)
        event = datetime.fromtimestamp(int(sent) // 1000, UTC).replace(microsecond=int(sent) % 1000 * 1000)
        told = {"venue": "binance", "market": "spot", "feed": "trade", "pair": "BTC-USDT", "trade_id": int(id_)}
        told |= {"first_id": None, "last_id": None, "price": Decimal(price), "quantity": Decimal(quantity)}
        told |= {"quote_quantity": Decimal(price) * Decimal(quantity), "taker_side": "sell" if maker.lower() == "true" else "buy"}
        told |= {
            "ts": at,
            "event_ts": event,
            "recv_ts": event,
            "source": "adopted",
            "item": 0,
            "year": at.year,
            "month": at.month,
        }
        found.append(told | {"seq": len(found) + 1})
    return found


def landed(folder: Path, channel: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in (folder / f"landing/channel={channel}").rglob("*.gz"))


def test_the_stream_reads_a_tick_as_the_trade_that_it_was(spark: SparkSession):
    """Decimal by Decimal."""
    path = SAMPLES / "trades_quoted.csv"
    (group,) = read(path).groups.values()
    texts = [(line.decode(), "landing/x") for line in group.read().splitlines()]
    expected = ticks(path.read_text())
    told = items(spark.createDataFrame(texts, "value STRING, object STRING"), Projection(EXCHANGES)).where("reason IS NULL")
    names = [name for name in expected[0] if name not in ("year", "month")]
    assert sorted(rows_of(told.select(*names)), key=lambda row: row["seq"]) == [
        {name: row[name] for name in names} for row in expected
    ]


@pytest.mark.long
def test_ticks_become_the_trades_that_they_were(there: Lake):
    """Decimal by Decimal, out of the very stream; a month that is live goes to it by itself, another one to the inbox."""
    path = SAMPLES / "trades_quoted.csv"
    assert there.adopt("--into", "landing", path) == 0
    one = {"files": 1, "known": 0, "adopted": 1, "rows": 2, "rejected": 0, "objects": 1, "months": 0, "refused": 0}
    assert there.summary == {"code": 0, **one, "refusals": []}
    with driver(there.spark, there.folder) as query:
        query.start()
        found = take(query, landed(there.folder, "trades"))
        assert {name: found[name] for name in ("items", "late", "fresh", "quarantined")} == {
            "items": 2,
            "late": 2,
            "fresh": 0,
            "quarantined": 0,
        }
        (object_,) = landed(there.folder, "trades")
        expected = [row | {"object": object_, "conn": f"file-{key_of(path)[8:20]}"} for row in ticks(path.read_text())]
        assert there.table("trades", "trade_id") == expected
        minutes = there.table("minute_aggregates", "minute")
        assert [(row["close"], row["sell_trades"], row["buy_trades"]) for row in minutes[:1]] == [(Decimal("58746.97"), 1, 0)]
        query.close()
    # the aggregates are another series, of which nothing is live; ids 1 and 2 are of a month that is, and of one that is not
    text = path.read_text()
    more = there.folder.parent / "more.csv"
    late = text.replace("817360379", "817360380").replace("1620469626109", "1622505600000")
    more.write_text(late)
    assert there.adopt("--market", "spot", more, SAMPLES / "aggregates.csv") == 0
    assert len(landed(there.folder, "trades")) == 2
    inbox = [key for key in there.files() if key.startswith("inbox/") and not key.endswith(".CHECKSUM")]
    assert sorted(key.rpartition("_")[0] for key in inbox) == [
        "inbox/binance/spot/lines/agg_trade/BTC-USDT/2021-05-08_2021-05-08",
        "inbox/binance/spot/lines/agg_trade/ETH-USDT/2021-05-08_2021-05-08",
        "inbox/binance/spot/lines/trade/BTC-USDT/2021-06-01_2021-06-01",
    ]
    details = {row["object"].partition("-")[2]: row["detail"] for row in there.table("loads", "object")}
    assert details == {
        "trades_quoted.csv": "lines in the landing zone",
        "aggregates.csv": "lines in the inbox",
        "more.csv": "lines in the inbox and lines in the landing zone",
    }


@pytest.mark.long
def test_books_and_candles_become_rows_of_their_tables(there: Lake, tmp_path: Path):
    book = tmp_path / "2021-11-03/binance/BNBBTC/1635933605.json"
    book.parent.mkdir(parents=True)
    shutil.copy(SAMPLES / "binance.json", book)
    assert there.adopt(book, SAMPLES / "BTCUSDT_1h.csv") == 0
    (book_object,), (candle_object,) = landed(there.folder, "books"), landed(there.folder, "klines")
    for channel in ("books", "klines"):
        with channels.driver(there.spark, there.folder, channel) as query:
            query.start()
            assert (
                channels.take(query, there.folder, landed(there.folder, channel))["fresh"] == {"books": 1, "klines": 2}[channel]
            )
    (row,) = there.table("order_books", "recv_ts")
    kept = ("pair", "recv_ts", "sequence", "best_bid", "best_ask", "levels", "state", "source", "object", "seq")
    assert {name: row[name] for name in kept} == {
        "pair": "BNB-BTC",
        "recv_ts": datetime(2021, 11, 3, 10, 0, 5, tzinfo=UTC),
        "sequence": 160,
        "best_bid": Decimal("0.0024"),
        "best_ask": Decimal("0.0026"),
        "levels": None,
        "state": "ok",
        "source": "adopted",
        "object": book_object,
        "seq": 1,
    }
    first, second = there.table("klines", "open_time")
    names = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
    texts = ["42283.58", "42554.57", "42261.02", "42475.23", "1271.68108", "53957248.973789", "682.57581", "28957416.819645"]
    assert first == {
        "venue": "binance",
        "market": "spot",
        "pair": "BTC-USDT",
        "width": "1h",
        "trades": 47134,
        **dict(zip(names, map(Decimal, texts), strict=True)),
        "open_time": datetime(2024, 1, 1, tzinfo=UTC),
        "close_time": datetime(2024, 1, 1, 0, 59, 59, 999000, tzinfo=UTC),
        "recv_ts": datetime(2024, 1, 1, 2, tzinfo=UTC),
        "first_id": None,
        "last_id": None,
        "source": "adopted",
        "object": candle_object,
        "seq": 2,
        "item": 0,
        "conn": f"file-{key_of(SAMPLES / 'BTCUSDT_1h.csv')[8:20]}",
        "year": 2024,
        "month": 1,
    }
    assert second["seq"] == 3
    (reject,) = there.table("rejects", "line")
    assert (reject["line"], reject["reason"], reject["feed"]) == (4, "open", "1h")


MINUTES = ("--venue", "binance", "--market", "spot", "--pair", "BTC-USDT")


def test_minutes_and_spreads_become_history_of_their_own(there: Lake, tmp_path: Path):
    minutes, spreads = SAMPLES / "minutes.csv", SAMPLES / "spreads.csv"
    again = tmp_path / "again.csv"  # an equal row, another one of a time that is there, a new one
    more = ["1712856159,btc_mxn,1155350,1157300,0.16849563639505746", "1712856161,eth_mxn,57000.6,57100.25,0.174517625"]
    again.write_text("\n".join(["timestamp,pair,bid,ask,spread", *more, "1712856170,eth_mxn,57000,57000,0", ""]))
    assert there.adopt(*MINUTES, minutes) == 0
    assert there.adopt(spreads) == 0
    assert there.adopt(again) == 0
    one = {"files": 1, "known": 0, "adopted": 1, "rows": 2, "rejected": 1, "objects": 0, "months": 2, "refused": 0}
    assert there.summary == {"code": 0, **one, "refusals": []}

    at = {
        name: round(datetime.fromisoformat(f"{name}+00:00").timestamp()) * 1_000_000
        for name in ("2023-03-10T13:00", "2023-03-13T12:00")
    }
    usual = {"venue": "binance", "market": "spot", "feed": "imported", "pair": "BTC-USDT", "year": 2023, "month": 3}
    usual |= {"object": key_of(minutes)}
    first = {"minute": at["2023-03-10T13:00"], "buy_trades": 5, "buy_volume": Decimal("0.5"), "avg_buy_price": 30001, "line": 2}
    first |= {"buy_quote_volume": Decimal("15000.5"), "sell_trades": 3, "sell_volume": Decimal("0.30000000000000004")}
    first |= {"sell_quote_volume": Decimal("9000.25"), "avg_sell_price": Decimal("30000.833333333332")}
    second = {"minute": at["2023-03-13T12:00"], "buy_trades": 2, "buy_volume": Decimal("0.25"), "avg_buy_price": 30000, "line": 3}
    second |= {"buy_quote_volume": 7500, "sell_trades": 0, "sell_volume": 0, "sell_quote_volume": 0, "avg_sell_price": None}
    assert there.imported("imported_minutes") == [usual | first, usual | second]

    usual = {"venue": "bitso", "market": "spot", "year": 2024, "month": 4, "object": key_of(spreads)}
    btc = {"pair": "BTC-MXN", "ts": 1712856159_000_000, "bid": 1155350, "ask": 1157300, "spread_pct": Decimal("0.168496")}
    eth = {"pair": "ETH-MXN", "ts": 1712856161_000_000, "bid": Decimal("57000.5"), "ask": Decimal("57100.25")}
    new = {"pair": "ETH-MXN", "ts": 1712856170_000_000, "bid": 57000, "ask": 57000, "spread_pct": 0, "object": key_of(again)}
    expected = [btc | {"line": 2}, eth | {"spread_pct": Decimal("0.174693"), "line": 3}, new | {"line": 4}]
    assert sorted(there.imported("imported_spreads"), key=lambda row: row["ts"]) == [usual | row for row in expected]

    *_, published = there.table("published", "pair")
    object_ = "history/imported_spreads/pair=ETH-MXN/year=2024/month=4/bitso-spot-imported.parquet"
    data = there.files()[object_]
    assert published == {
        "dataset": "imported_spreads",
        "venue": "bitso",
        "market": "spot",
        "feed": "imported",
        "pair": "ETH-MXN",
        "year": 2024,
        "month": 4,
        "object": object_,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "rows": 2,
        "first_id": None,
        "last_id": None,
        "missing": None,
        "duplicates": 0,
        "runs": None,
        "made_with": None,
        "sources": [
            {"object": key_of(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in (spreads, again)
        ],
    }
    (reject,) = there.table("rejects", "line")
    assert (reject["object"], reject["line"], reject["reason"], reject["raw"]) == (key_of(again), 3, "conflict", more[1])
    loads = {row["object"]: row for row in there.table("loads", "object")}
    assert loads[key_of(minutes)] == {
        "object": key_of(minutes),
        "sha256": hashlib.sha256(minutes.read_bytes()).hexdigest(),
        "dataset": "imported_minutes",
        "venue": "binance",
        "market": "spot",
        "feed": "imported",
        "pair": "BTC-USDT",
        "verdict": "adopted",
        "first_day": date(2023, 3, 10),
        "last_day": date(2023, 3, 13),
        "bytes": minutes.stat().st_size,
        "rows": 2,
        "first_id": None,
        "last_id": None,
        "rejected": 0,
        "detail": "rows of history/imported_minutes",
    }
    for path in (minutes, spreads, again):
        assert there.files()[key_of(path)] == path.read_bytes()
    for table in (IMPORTED_MINUTES, IMPORTED_SPREADS):
        types = dict(there.spark.read.parquet(f"{there.folder}/history/{table.name}").dtypes)
        assert {name: kind.upper() for name, kind in types.items()} == {column.name: column.type for column in table.columns}


def test_a_second_run_adds_nothing_and_what_was_refused_stays_refused(
    there: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    old = tmp_path / "old"
    (old / "sub").mkdir(parents=True)
    for name in ("minutes.csv", "trades_quoted.csv", "spreads.csv"):
        shutil.copy(SAMPLES / name, old / name)
    (old / "sub/odd.csv").write_text("what?\n")
    shutil.copy(SAMPLES / "spreads.csv", old / "sub/the same.csv")
    assert there.adopt(*MINUTES, old / "minutes.csv", old / "trades_quoted.csv") == 0
    assert there.adopt(old) == 3
    assert (there.summary["files"], there.summary["known"], there.summary["adopted"], there.summary["refused"]) == (5, 3, 1, 1)
    before = there.files()
    assert there.adopt(old) == 3
    assert (there.summary["files"], there.summary["known"], there.summary["adopted"], there.summary["refused"]) == (5, 4, 0, 1)
    assert there.files() == before
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "adopt: 5 files, 4 known, 0 adopted, 0 rows, 0 rejected, 0 objects, 0 months, 1 refused"
    assert "adopt: odd.csv: begins with 'what?'; rows of ticks (trade,… or aggTrade,…), candles" in said.err
    loads = {
        row["object"].partition("-")[2]: (row["verdict"], row["dataset"], row["rows"]) for row in there.table("loads", "object")
    }
    assert loads == {
        "minutes.csv": ("adopted", "imported_minutes", 2),
        "trades_quoted.csv": ("adopted", "trades", 2),
        "spreads.csv": ("adopted", "imported_spreads", 2),
        "odd.csv": ("unreadable", None, None),
    }


def test_a_run_that_is_killed_before_it_has_told_is_gone_on_with(there: Lake, monkeypatch: pytest.MonkeyPatch):
    """The objects are there, the rows of history are, `loads` has no row yet."""
    from jobs.history import register  # noqa: PLC0415 - where it is stopped

    with monkeypatch.context() as patch:
        patch.setattr(register.Register, "adopt", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert there.adopt(SAMPLES / "spreads.csv", SAMPLES / "trades_quoted.csv") == 1
    before = {key: data for key, data in there.files().items() if not key.startswith("tables/")}
    assert {key.partition("/")[0] for key in before} == {"adopted", "history", "inbox"}
    assert there.adopt(SAMPLES / "spreads.csv", SAMPLES / "trades_quoted.csv") == 0
    assert {key: data for key, data in there.files().items() if not key.startswith("tables/")} == before
    assert (there.summary["adopted"], there.summary["objects"]) == (2, 0)
    assert len(there.table("published", "pair")) == 2


@pytest.mark.long
def test_a_file_that_a_person_says_is_something_else_is_another(there: Lake):
    aggregates = SAMPLES / "aggregates.csv"
    assert [there.adopt("--market", market, aggregates) for market in ("spot", "spot", "usdm")] == [0, 0, 0]
    markets = {key.split("/")[2] for key in there.files() if key.startswith("inbox/")}
    assert markets == {"spot", "usdm"}
    assert there.summary["known"] == 0


def test_a_dry_run_says_what_each_file_is_and_makes_no_lake(there: Lake, capsys: pytest.CaptureFixture[str]):
    assert there.adopt("--dry-run", SAMPLES, "--market", "spot") == 3
    assert list(there.folder.iterdir()) == []
    found = capsys.readouterr()
    said = found.out.splitlines()
    by_live = "landing where trades has that month, else inbox, for compact"
    expected = f"""
        file format venue market pair rows rejected first last goes to
        BTCUSDT_1h.csv candles binance spot BTC-USDT 2 1 2024-01-01T00:00:00Z 2024-01-01T01:00:00Z landing
        aggregates.csv ticks binance spot BTC-USDT,ETH-USDT 2 0 2021-05-08T10:26:06Z 2021-05-08T10:26:06Z {by_live}
        binance.json order book - - - - - - - refused
        coinbase.json order book - - - - - - - refused
        minutes.csv minutes - - - - - - - refused
        spreads.csv spreads bitso spot BTC-MXN,ETH-MXN 2 0 2024-04-11T17:22:39Z 2024-04-11T17:22:41Z history/imported_spreads
        trades_quoted.csv ticks binance spot BTC-USDT 2 0 2021-05-08T10:26:06Z 2021-05-08T10:27:06Z {by_live}
    """
    assert [line.split() for line in said] == [line.split() for line in expected.strip().splitlines()]
    assert "adopt: 7 files, 8 rows, 1 rejected, 3 refused\nadopt: binance.json: " in found.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--pair", "BTCUSDT", "."], "--pair BTCUSDT: BASE-QUOTE, such as BTC-USDT, would be right"),
        (["nowhere.csv"], "nowhere.csv: no such file or folder"),
    ],
)
def test_what_is_asked_wrongly_is_said(there: Lake, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str):
    assert there.adopt(*arguments) == 2
    assert says in capsys.readouterr().err
