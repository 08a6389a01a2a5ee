"""What a reader of a lake is given, on a small lake that the stream made: the notebooks, and the examples of docs/tables.md."""

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import jupytext
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from ingest.settings import settings
from jobs import adopt, bars, compact, fills, gaps, quality, reconcile
from jobs.runtime.lake import place
from tests.support import channels
from tests.support.aws import ENVIRONMENT, aws
from tests.support.lines import Collector, micros, put
from tests.support.project import HOME
from tests.support.stream import driver, take

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOTEBOOK = HOME / "notebooks/01_first_look.py"
HISTORY = HOME / "notebooks/02_history_and_athena.py"
PNG = b"\x89PNG\r\n\x1a\n"
SAVED = ["first_look_candles.png", "first_look_completeness.png", "first_look_venues.png"]


def match(collector: Collector, id_: int, at: str, price: str) -> bytes:
    """A trade of Coinbase."""
    said = {"venue": "coinbase", "kind": "trade", "pair": "BTC-USD"}
    frame = {"type": "match", "trade_id": id_, "side": "sell", "size": "2", "price": price, "time": f"2026-04-30T{at}.000000Z"}
    return collector.line(frame, received=micros(at) + 1_000_000, **said)


@pytest.fixture(scope="module")
def lake(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six minutes of Binance with five ids missing and a price below zero; Coinbase whole; Bitso not dense."""
    folder = tmp_path_factory.mktemp("a lake") / "lake"
    folder.mkdir()
    at = {11: "10:00:05", 12: "10:01:00", 13: "10:01:30", 14: "10:02:10", 20: "10:03:00", 21: "10:03:59", 22: "10:05:01"}
    binance, coinbase, bitso = Collector("a-1-1"), Collector("a-1-2"), Collector("a-1-3")
    spot = [binance.aggregate(id_, at[id_], f"{100 + id_}.5", taker="sell" if id_ % 2 else "buy") for id_ in at]
    spot.append(binance.aggregate(30, "10:05:02", "-1.5"))
    dollars = [match(coinbase, 7 + minute, f"10:0{minute}:00", f"{120 + minute}") for minute in range(6)]
    pesos = [bitso.bitso([100, 107], "10:00:00"), bitso.bitso([130], "10:04:00")]
    objects = [put(folder, spot), put(folder, dollars, venue="coinbase"), put(folder, pesos, venue="bitso")]
    with driver(spark, folder) as query:
        query.start()
        take(query, objects)
        query.close()
    return folder


@pytest.fixture(scope="module")
def with_all(spark: "SparkSession", lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same lake, and the tables of the other channels and jobs."""
    folder = tmp_path_factory.mktemp("another lake") / "lake"
    shutil.copytree(lake, folder)
    one = Collector("b-1-1")
    hole = {"feed": "agg_trade", "before_id": 14, "after_id": 20, "outcome": "ids"}
    lines = {
        "books": [one.book("100")],
        "klines": [one.candle("10:01:00")],
        "events": [one.event("gap", "10:03:01", **hole), one.listing("BTC")],
    }
    for channel, landed in lines.items():
        with channels.driver(spark, folder, channel) as query:
            query.start()
            channels.take(query, folder, [put(folder, landed, channel=channel)])
    conf = settings({"lake": str(folder), "ingest": {"collector": "test"}})
    for job in (bars, gaps, reconcile):
        job.run(conf, place(conf.lake), argparse.Namespace(full=False))
    fills.run(conf, place(conf.lake), argparse.Namespace(rebuild=False))
    good, odd = "1,111.5,2,1,2,1772323200000,True,True\n", "2,0,0,3,3,1772323200000,True,True\n"
    for day, text, told in (("03-01", good + odd, None), ("04-02", "what?\n", "0" * 64)):
        file = folder / f"inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-{day}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        Path(f"{file}.CHECKSUM").write_text(f"{told or hashlib.sha256(text.encode()).hexdigest()}  {file.name}\n")
    compact.run(conf, place(conf.lake), argparse.Namespace())
    old = folder.parent / "old"
    old.mkdir()
    (old / "spreads.csv").write_text("timestamp,pair,bid,ask,spread\n1777543200,btc_mxn,99,100,1\n1777543210,btc_mxn,98,100,2\n")
    names = "timestamp,total_count_b,total_count_s,total_btc_b,total_btc_s,total_usd_b,total_usd_s,avg_b,avg_s"
    (old / "minutes.csv").write_text(f"{names}\n2026-04-30 06:00,1,2,0.25,0.5,25,51,100,102\n")
    asked = {"venue": None, "market": None, "pair": None, "zone": "America/New_York", "into": None, "dry_run": False}
    series = {"venue": "binance", "market": "spot", "pair": "BTC-USDT"}
    for name, more in (("spreads", {}), ("minutes", series)):
        adopt.run(conf, place(conf.lake), argparse.Namespace(**asked | more, paths=[old / f"{name}.csv"]))
    checked = {
        "since": None,
        "until": None,
        "table": "reconciliation",
        "expectations": HOME / "conf/expectations",
        "run": "a-run",
    }
    quality.run(conf, place(conf.lake), argparse.Namespace(conf=None, **checked))
    return folder


def files(lake: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in lake.rglob("*")}


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_no_notebook_is_committed_with_its_output():
    assert [path.name for path in sorted((HOME / "notebooks").iterdir()) if path.is_file()] == [NOTEBOOK.name, HISTORY.name]


def test_the_first_look_runs_and_shows_what_is_in_the_lake(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    before = files(lake)
    notebook = jupytext.read(NOTEBOOK)
    # a researcher sits somewhere else than in Greenwich
    elsewhere = {"TICKLAKE_LAKE": str(lake), "TZ": "Asia/Tokyo", "IPYTHONDIR": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env={**os.environ, **elsewhere})

    said = outputs(notebook)
    assert [output for output in said if output.output_type in ("stream", "error")] == []
    pictures = [base64.b64decode(output.data["image/png"]) for output in said if "image/png" in output.data]
    assert [picture[:8] for picture in pictures] == [PNG] * 3
    assert min(len(picture) for picture in pictures) > 10_000
    assert files(lake) == before

    tables, series, completeness, candles, holes, apart = (
        rows(output.data["text/plain"]) for output in said if "image/png" not in output.data
    )
    assert [row[:2] for row in tables[2:]] == [["minute_aggregates", "13"], ["quarantine", "1"], ["trades", "16"]]
    day = "2026-04-30"
    assert [row[-9:] for row in series[2:]] == [
        ["BTC-USDT", day, "10:00:00", day, "10:05:00", "5", "14", "122.5", "7.0"],
        ["BTC-MXN", day, "10:00:00", day, "10:04:00", "2", "3", "1200000.0", "1.5"],
        ["BTC-USD", day, "10:00:00", day, "10:05:00", "6", "6", "125.0", "12.0"],
    ]
    # complete, hole, cut, not known, empty, missing, missing_pct
    assert [row[-8:] for row in completeness[2:]] == [
        ["BTC-USDT", "1", "1", "3", "0", "1", "5", "41.667"],
        ["BTC-MXN", "0", "0", "0", "2", "3", "<NA>", "<NA>"],
        ["BTC-USD", "4", "0", "2", "0", "0", "0", "0.0"],
    ]
    assert candles[0] == ["open", "high", "low", "close", "bought", "sold", "vwap", "missing", "is_whole"]
    assert candles[2:] == [
        [day, "10:00:00", "111.5", "111.5", "111.5", "111.5", "0.0", "1.0", "111.5", "0", "False"],
        [day, "10:01:00", "112.5", "113.5", "112.5", "113.5", "1.0", "1.0", "113.0", "0", "True"],
        [day, "10:02:00", "114.5", "114.5", "114.5", "114.5", "1.0", "0.0", "114.5", "0", "False"],
        [day, "10:03:00", "120.5", "121.5", "120.5", "121.5", "1.0", "1.0", "121.0", "5", "False"],
        [day, "10:05:00", "122.5", "122.5", "122.5", "122.5", "1.0", "0.0", "122.5", "0", "False"],
    ]
    assert [row[1:] for row in holes[1:]] == [
        ["binance", "spot", "agg_trade", "BTC-USDT", "14", "20", "5", day, "10:02:10", day, "10:03:00"]
    ]
    # at 10:00 Coinbase's 120 is 762.33 basis points above Binance's 111.5
    assert [row[0] for row in apart[1:]] == ["mean", "min", "max"]
    assert apart[3] == ["max", "0.0", "762.33"]


def test_as_a_script_it_saves_its_pictures_beside_the_lake(lake: Path):
    said = script(lake)
    assert (said.returncode, said.stderr) == (0, "")
    assert sorted(path.name for path in lake.parent.glob("*.png")) == SAVED
    assert all(f"saved: {lake.parent / name}" in said.stdout for name in SAVED)


def test_without_a_lake_it_says_what_makes_one(tmp_path: Path):
    said = script(tmp_path / "nowhere")
    assert said.returncode == 1
    right = "run `make demo` first, or let TICKLAKE_LAKE name another lake.\n"
    assert said.stderr == f"There are no tables in {tmp_path}/nowhere yet: {right}"


def test_the_examples_of_the_tables_page_say_what_is_in_the_lake(with_all: Path, tmp_path: Path):
    page = (HOME / "docs/tables.md").read_text()
    (views,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found = {}
    with duckdb.connect(tmp_path / "lake.db") as connection:
        exec(views.replace("demo/lake", str(with_all)).replace("import duckdb\n", ""), {"duckdb": connection})  # noqa: S102 - our own page
        for sql in re.findall(r"```sql\n(SELECT.*?)```", page, re.DOTALL):
            (name,) = re.findall(r"FROM (\w+)", sql)
            texts = f"SELECT columns(*)::VARCHAR FROM ({sql.replace('month = 11', 'month = 4')})"  # noqa: S608 - our own page
            found[name] = connection.execute(texts).fetchall()

    day, one = "2026-04-30", "1.00000000"
    hour = [f"{day} 10:00:00+00", *(f"{price}.5000000000" for price in (111, 122, 111, 122)), "7.00000000", "5", "false"]
    assert found["minute_aggregates"] == [tuple(hour)]
    start, *rest = found["bars"][0]
    assert (start, rest) == (f"{day} 00:00:00+00", ["111.5000000000", "122.5000000000", "9.865471", "7.00000000", "5", "false"])
    assert len(found["bars"]) == 1
    minute = (f"{day} 10:01:00+00", "binance", "spot", "agg_trade", "differs", "3", one, "225.000000000000000000", "true")
    assert found["reconciliation"] == [minute]
    figures = ["100.0000000000", "101.0000000000", "0.990099", "150.000000000000000000", "151.500000000000000000"]
    assert found["order_books"] == [(f"{day} 10:00:00+00", "binance", "spot", "BTC-USDT", *figures)]
    assert found["fills"] == [(f"{day} 10:00:00+00", "binance", "spot", "1", "1.492537", "1.492537", "1")]
    assert found["klines"] == [(f"{day} 10:01:00+00", one, "2.00000000", "1", "4", "true")]
    gap = ("gap", "binance", "spot", "BTC-USDT", "agg_trade", "14", "20", "ids", None, f"{day} 10:03:01+00")
    assert found["collector_events"] == [gap]
    assert found["instruments"] == [(f"{day} 00:00:07+00", "binance", "spot", "BTCUSDT", "TRADING", "0.0100000000", None, None)]
    assert found["gaps"] == [("binance", "spot", "agg_trade", "BTC-USDT", None, None, "5", "open", "collector")]
    ((*what, examples),) = found["quality_results"]
    assert what == ["reconciliation", day, "it_is_the_exchanges_or_explained", "1 of 1"]
    minute_key = {"venue": "binance", "market": "spot", "feed": "agg_trade", "pair": "BTC-USDT", "minute": f"{day} 10:01:00"}
    assert json.loads(examples) == [minute_key | {"verdict": "differs"}]
    folder = "inbox/binance/spot/daily/aggTrades/BTCUSDT"
    ((refused, verdict, detail, _),) = found["loads"]
    assert (refused, verdict) == (f"{folder}/BTCUSDT-aggTrades-2026-04-02.csv", "checksum")
    assert detail.endswith(f"and its checksum says '{'0' * 64}'")
    month = "history/trades/pair=BTC-USDT/year=2026/month=3/binance-spot-agg_trade.parquet"
    assert found["published"] == [("2026", "3", "1", "1", "1", "0", "0", month)]
    row = "2,0,0,3,3,1772323200000,True,True"
    assert found["rejects"] == [(f"{folder}/BTCUSDT-aggTrades-2026-03-01.csv", "void", "1", "2", row)]
    assert found["imported_minutes"] == [(f"{day} 00:00:00+00", "1", "0.500000000000000000", "0.250000000000000000")]
    spreads = [("1777543210", "98", "2"), ("1777543200", "99", "1")]
    assert [row[1:] for row in found["imported_spreads"]] == [
        ("bitso", "spot", f"{bid}.0000000000", "100.0000000000", f"{spread}.000000") for _, bid, spread in spreads
    ]
    assert found["quarantine"] == [("price", "binance", "spot", "BTC-USDT", "1", "price_text = -1.5")]
    assert len(found["trades"]) == 7
    greatest, *_, least = found["trades"]
    assert greatest == (f"{day} 10:05:01+00", "buy", "122.5000000000", one, "122.500000000000000000")
    assert least == (f"{day} 10:00:05+00", "sell", "111.5000000000", one, "111.500000000000000000")


def test_the_page_shows_what_is_there_while_a_table_is_not(lake: Path, tmp_path: Path):
    (views,) = re.findall(r"```python\n(.*?)```", (HOME / "docs/tables.md").read_text(), re.DOTALL)
    with duckdb.connect(tmp_path / "lake.db") as connection:
        exec(views.replace("demo/lake", str(lake)).replace("import duckdb\n", ""), {"duckdb": connection})  # noqa: S102 - our own page
        assert connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1").fetchall() == [
            (name,) for name in ("minute_aggregates", "quarantine", "trades")
        ]


def test_history_is_shown_beside_what_came_live(with_all: Path, tmp_path: Path):
    said = script(with_all, HISTORY, TICKLAKE_PICTURES=str(tmp_path))
    assert (said.returncode, said.stderr) == (0, "")
    assert (tmp_path / "history_days.png").read_bytes()[:8] == PNG
    told = rows(said.stdout)
    binance = ["binance", "spot", "agg_trade", "BTC-USDT"]
    # months, first, last, rows, missing
    assert [row[5:10] for row in told if row[:5] == ["trades", *binance]] == [["1", "202603", "202603", "1", "0"]]
    assert [row[1:] for row in told if row[1:3] in (["trades", "checksum"], ["trades", "loaded"])] == [
        ["trades", "checksum", "1", "NaN"],
        ["trades", "loaded", "1", "1.0"],
    ]
    # day, minutes, trades, missing, amount: March from history, April live
    assert [row[5:] for row in told if row[:1] != ["minute_aggregates"] and row[1:5] == binance and len(row) == 10] == [
        ["2026-03-01", "1", "2.0", "0.0", "223.0"],
        ["2026-04-30", "5", "14.0", "5.0", "816.5"],
    ]


@pytest.mark.parametrize("name", ["", "absent"])
def test_history_says_what_makes_it_where_there_is_none(lake: Path, name: str):
    lake = lake / name
    said = script(lake, HISTORY)
    assert said.returncode == 1
    assert said.stderr.startswith(f"There is no history in {lake} yet: `python -m ingest backfill`")


def test_with_athena_the_questions_go_there(monkeypatch: pytest.MonkeyPatch):
    """Its part that asks, against a server that answers as Athena does: all pages, texts that are numbers, the row of names."""
    cell = HISTORY.read_text().split("# %% [markdown]\n# ## What of the past is there")[0]
    answer = [["a", "b"], *([str(n), f"x{n}"] for n in range(1500))]
    with aws() as address:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        for name, value in {"TICKLAKE_ATHENA": "ticks", "TICKLAKE_ATHENA_OUTPUT": "s3://bucket/athena"}.items():
            monkeypatch.setenv(name, value)
        told = {
            "Rows": [{"Data": [{"VarCharValue": cell} for cell in row]} for row in answer],
            "ResultSetMetadata": {"ColumnInfo": [{"Name": "a", "Type": "bigint"}, {"Name": "b", "Type": "varchar"}]},
        }
        body = json.dumps({"results": [{"rows": told["Rows"], "column_info": told["ResultSetMetadata"]["ColumnInfo"]}]}).encode()
        urllib.request.urlopen(f"{address}/moto-api/static/athena/query-results", data=body).close()  # noqa: S310 - our own server
        known: dict[str, Any] = {"__file__": str(HISTORY)}
        exec(cell, known)  # noqa: S102 - our own notebook
        found = known["ask"]("SELECT a, b FROM t")
    assert found["a"].tolist() == list(range(1500))
    assert found["b"].tolist() == [f"x{n}" for n in range(1500)]


def script(lake: Path, notebook: Path = NOTEBOOK, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TICKLAKE_LAKE": str(lake), "MPLBACKEND": "agg", **more}
    return subprocess.run([sys.executable, notebook], env=environment, capture_output=True, text=True, check=False)
