"""Recorded market data, replayed by the simulator, collected, streamed: held to what the recordings are known to hold.

And to the exchange's own candles of the same minutes.
"""

import csv
import gzip
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES, find_exchange
from ingest.simulator.recording import recording
from jobs import gaps, reconcile
from jobs.tables.gaps import GAPS
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.reconciliation import RECONCILIATION
from jobs.tables.trades import TRADES
from tests.support import channels
from tests.support.desk import Desk, ended
from tests.support.dumps import site
from tests.support.lines import EPOCH, Collector, landed, moment
from tests.support.oracle import Oracle
from tests.support.processes import ingest
from tests.support.readers import delta_rs
from tests.support.replay import replay
from tests.support.stream import driver
from tests.support.tables import assert_rows
from tests.support.taking import feed, land

SPOT = "binance/spot_btcusdt_20240808.trades_only.frames.jsonl.gz"
USDM = "pairs/usdm_btcusdt_20240808/trades_only.frames.jsonl.gz"
USDM_2021 = "cryptofeed/BINANCE_FUTURES.ws.head2000.gz"
COINBASE = "cryptofeed/COINBASE.ws.head2000.gz"
COINM = "binance/cm_btcusd_perp_20240808.head2000.frames.jsonl.gz"
FILE = "dumps/BTCUSDT-aggTrades-2026-01-01.first2500.csv.gz"
KLINES = "pairs/usdm_btcusdt_20240808/exchange_klines_1m.csv"
PLACES = {SPOT: ("binance", "spot"), USDM: ("binance", "usdm"), USDM_2021: ("binance", "usdm"), COINBASE: ("coinbase", "spot")}
Rows = list[dict[str, Any]]
LIVE = Collector("a-1-1")
# (venue, market, feed, pair) -> rows, first id, last id, sum of quantity, sum of price times quantity, taker bought, taker sold
FACTS: Mapping[tuple[str, ...], tuple[object, ...]] = {
    ("binance", "spot", "trade", "BTC-USDT"): (
        9757, 3735683259, 3735693015, Decimal("212.03315"), Decimal("13084074.1123886"), 4103, 5654,
    ),
    ("binance", "usdm", "trade", "BTC-USDT"): (21313, 5266583935, 5266605247, Decimal("2429.366"), Decimal("149845680.8898")),
    ("coinbase", "spot", "trade", "SKL-USD"): (6, 1568267, 1568272, Decimal("36123.3"), Decimal("28596.06602"), 6, 0),
    ("coinbase", "spot", "trade", "YFI-BTC"): (1, 889760, 889760, Decimal("0.000007"), Decimal("0.00000578207"), 0, 1),
}  # fmt: skip
COUNTS = {"CTK-USDT": 38, "SUSHI-USDT": 40, "AKRO-USDT": 8, "KEEP-USDT": 5}


@pytest.fixture(scope="module")
def streamed(spark: SparkSession, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, Rows, Oracle]:
    """Trades and minutes of all recordings, in one batch; and what they must be."""
    folder = tmp_path_factory.mktemp("recorded")
    lake = folder / "lake"
    for number, (name, place) in enumerate(PLACES.items()):
        replay(recordings / name, place, lake, folder / f"from{number}")
    landed = {str(file.relative_to(lake)): file.read_bytes() for file in sorted(lake.glob("landing/channel=trades/**/*.gz"))}
    oracle = Oracle()
    with driver(spark, lake) as query:
        query.start()
        feed(query, oracle, landed, [list(landed)])
        query.close()
    _, trades = delta_rs(lake / "tables/trades", TRADES)
    _, minutes = delta_rs(lake / "tables/minute_aggregates", MINUTE_AGGREGATES)
    return trades, minutes, oracle


def test_all_rows_are_those_of_the_plain_computation(streamed: tuple[Rows, Rows, Oracle]):
    trades, minutes, oracle = streamed
    assert_rows(trades, oracle.trades, TRADES.key)
    plain = [{name: value for name, value in row.items() if name != "updated_at"} for row in minutes]
    assert_rows([row | {"revision": min(row["revision"], 1)} for row in plain], oracle.minutes(), MINUTE_AGGREGATES.key)


@pytest.mark.parametrize("series", FACTS)
def test_trades_are_those_that_were_recorded(streamed: tuple[Rows, Rows, Oracle], series: tuple[str, ...]):
    rows = [row for row in streamed[0] if tuple(row[name] for name in ("venue", "market", "feed", "pair")) == series]
    ids = [row["trade_id"] for row in rows]
    sides = [row["taker_side"] for row in rows]
    found = (
        len(rows), min(ids), max(ids), sum(row["quantity"] for row in rows), sum(row["quote_quantity"] for row in rows),
        sides.count("buy"), sides.count("sell"),
    )  # fmt: skip
    assert found[: len(FACTS[series])] == FACTS[series]


def test_nothing_is_missing_in_the_minutes(streamed: tuple[Rows, Rows, Oracle]):
    """Complete are all but a feed's first and last minute: nobody knows what was before and after the recording."""
    minutes = streamed[1]
    assert {row["missing_trades"] for row in minutes} == {0}
    feeds: dict[tuple[str, ...], list[bool]] = {}
    for row in sorted(minutes, key=lambda row: row["minute"]):
        feeds.setdefault((row["market"], row["feed"], row["pair"]), []).append(row["is_complete"])
    for series, complete in feeds.items():
        assert complete == [0 < place < len(complete) - 1 for place in range(len(complete))], series
    assert [len(feeds[market, "trade", "BTC-USDT"]) for market in ("spot", "usdm")] == [7, 6]
    assert {pair: sum(row["ticks"] for row in minutes if row["pair"] == pair) for pair in COUNTS} == COUNTS


def test_minutes_equal_the_exchanges_own_candles(streamed: tuple[Rows, Rows, Oracle], recordings: Path):
    """Every column of the whole minutes 23:55 to 23:59; 23:54 begins within the recording."""
    with (recordings / KLINES).open() as file:
        candles = {int(row["open_time"]) * 1000: row for row in csv.DictReader(file)}
    own = {
        row["minute"]: row for row in streamed[1] if (row["market"], row["feed"], row["pair"]) == ("usdm", "trade", "BTC-USDT")
    }
    named = {
        "open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume", "quote_volume": "quote_volume",
        "trades": "count", "buy_volume": "taker_buy_volume", "buy_quote_volume": "taker_buy_quote_volume",
    }  # fmt: skip
    for minute in range(55, 60):
        start = moment(f"23:{minute}:00", "2024-08-08")
        candle = candles[int(start.timestamp()) * 1_000_000]
        assert {ours: own[start][ours] for ours in named} == {ours: Decimal(candle[theirs]) for ours, theirs in named.items()}


def test_contracts_are_refused_by_name(recordings: Path):
    with pytest.raises(ValueError, match="symbol 'BTCUSD_PERP': a COIN-M perpetual; its quantities are contracts, not coins"):
        list(recording(recordings / COINM, EXCHANGES["binance", "usdm"]))
    with pytest.raises(LookupError, match="exchange binance coinm: refused, its quantities are contracts"):
        find_exchange("binance", "coinm")


# of the recording of USD-M, by ids: inside a minute, over an edge, and one alone
LOST = ((5266586000, 5266586004), (5266590000, 5266595999), (5266600000, 5266600000))


@pytest.mark.long
def test_a_recording_of_which_a_part_is_lost_and_found_again(spark: SparkSession, recordings: Path, lake: Path):
    """As it is: nothing is missing, and the whole minutes are the exchange's. Without some trades: these, and no others. Then with them."""
    replay(recordings / USDM, PLACES[USDM], lake, lake.parent / "from")
    whole = {str(file.relative_to(lake)): file.read_bytes() for file in sorted(lake.glob("landing/channel=trades/**/*.gz"))}
    lines = [line for data in whole.values() for line in gzip.decompress(data).splitlines(keepends=True)]
    kept = [line for line in lines if not is_lost(line)]
    shutil.rmtree(lake / "landing")
    parts = [dict([landed(some, venue="binance", market="usdm", day="2024-08-08")]) for some in (kept, lines)]
    conf = lake.parent / "conf.yaml"
    conf.write_text(f"lake: {lake}\ningest: {{collector: test}}\n")
    oracle = Oracle()
    for objects in parts:
        land(lake, objects)
    candles = put_candles(lake, recordings)
    with driver(spark, lake) as query:
        query.start()
        feed(query, oracle, parts[0], [list(parts[0])])
        query.close()
    with channels.driver(spark, lake, "klines") as other:
        other.start()
        channels.take(other, lake, [candles])
    assert gaps.main(["--conf", str(conf)]) == 3
    assert holes(lake) == [(first - 1, last + 1, last - first + 1, "open", 0) for first, last in LOST]
    assert reconcile.main(["--conf", str(conf)]) == 0
    assert lost_minutes(lines) == {"23:55", "23:57", "23:58"}
    assert verdicts(lake) == {f"23:5{at}": "equal" if at in (6, 9) else "missing_trades" for at in range(4, 10)}
    with driver(spark, lake) as query:
        query.start()
        feed(query, oracle, parts[1], [list(parts[1])])
        query.close()
    assert gaps.main(["--conf", str(conf)]) == 0
    assert holes(lake) == [(first - 1, last + 1, 0, "repaired_late", last - first + 1) for first, last in LOST]
    assert reconcile.main(["--conf", str(conf)]) == 0
    assert verdicts(lake) == {"23:54": "missing_trades"} | {f"23:5{at}": "equal" for at in range(5, 10)}


# of the venue's file, by ids: inside a minute, over an edge, and one alone
UNSEEN = ((3800397600, 3800397649), (3800398000, 3800398999), (3800399990, 3800399990))


@pytest.mark.long
def test_holes_of_years_ago_are_filled_from_the_venues_own_file(spark: SparkSession, recordings: Path, tmp_path: Path):
    """A collector missed three parts of a day that REST tells of no more. The file of the day has them: they come by the landing zone."""
    text = gzip.decompress((recordings / FILE).read_bytes()).decode()
    rows = [row.split(",") for row in text.splitlines()]
    desk, oracle = Desk(tmp_path), Oracle()
    seen = dict([landed([frame_of(row) for row in rows if not is_unseen(row)], day="2026-01-01")])
    land(desk.lake, seen)
    with site() as venue:
        data = venue.publish_csv("/data/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-01-01.zip", text)
        conf = str(desk.conf(9, feeds="[]", dumps=venue.address))  # nobody answers there but the files
        with driver(spark, desk.lake) as query:
            query.start()
            feed(query, oracle, seen, [list(seen)])
            query.close()
        assert gaps.main(["--conf", conf]) == 3
        assert holes(desk.lake) == [(first - 1, last + 1, last - first + 1, "open", 0) for first, last in UNSEEN]
        with ingest("repair", "--conf", conf, "--once") as process:
            code, summary, _ = ended(process, 60)
        assert (code, " gaps=3 repaired=3 left_open=0 left_alone=0 " in summary) == (0, True), summary
    told = {
        path.relative_to(desk.lake).as_posix(): path.read_bytes() for path in desk.lake.glob("landing/channel=trades/**/*.gz")
    }
    told = {key: data for key, data in told.items() if key not in seen}
    with driver(spark, desk.lake) as query:
        query.start()
        feed(query, oracle, told, [list(told)])
        query.close()
    assert gaps.main(["--conf", conf]) == 0
    assert [row[2:] for row in holes(desk.lake)] == [(0, "repaired_dump", last - first + 1) for first, last in UNSEEN]
    conn = f"file-{hashlib.sha256(data).hexdigest()[:12]}"
    trades = sorted(delta_rs(desk.lake / "tables/trades", TRADES)[1], key=lambda row: row["trade_id"])
    names = ("trade_id", "price", "quantity", "first_id", "last_id", "ts", "taker_side", "source", "conn")
    assert [(*(row[name] for name in names), row["seq"] if row["source"] == "dump" else 0) for row in trades] == [
        (
            *(int(row[0]), Decimal(row[1]), Decimal(row[2]), int(row[3]), int(row[4])),
            *(EPOCH + timedelta(milliseconds=int(row[5]) // 1000), "sell" if row[6] == "True" else "buy"),
            *(("dump", conn, number) if is_unseen(row) else ("ws", "a-1-1", 0)),
        )
        for number, row in enumerate(rows, 1)
    ]
    assert sum(row["quantity"] for row in trades) == Decimal("42.96015")
    minutes = sorted(delta_rs(desk.lake / "tables/minute_aggregates", MINUTE_AGGREGATES)[1], key=lambda row: row["minute"])
    assert [(row["missing_trades"], row["is_complete"]) for row in minutes] == [(0, False), *[(0, True)] * 4, (0, False)]


def frame_of(row: Sequence[str]) -> bytes:
    """What a collector would have landed of a row of the file, live."""
    id_, price, quantity, first, last, at, sells, _ = row
    time = f"{EPOCH + timedelta(microseconds=int(at)):%H:%M:%S.%f}"
    said = {"taker": "sell" if sells == "True" else "buy", "fills": (int(first), int(last))}
    return LIVE.aggregate(int(id_), time, price, quantity, day="2026-01-01", **said)  # type: ignore[arg-type]  # of these types


def is_unseen(row: Sequence[str]) -> bool:
    return any(first <= int(row[0]) <= last for first, last in UNSEEN)


def trade(line: bytes) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(line)["raw"]["data"]
    return found


def is_lost(line: bytes) -> bool:
    return any(first <= trade(line)["t"] <= last for first, last in LOST)


def lost_minutes(lines: Sequence[bytes]) -> set[str]:
    """In which of them something is missing: those of the lost trades."""
    return {f"23:{trade(line)['T'] // 60_000 % 60:02}" for line in lines if is_lost(line)}


def put_candles(lake: Path, recordings: Path) -> str:
    """The exchange's own, as a REST answer."""
    with (recordings / KLINES).open() as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    raw = [[int(row[0]), *row[1:6], int(row[6]), row[7], int(row[8]), *row[9:]] for row in rows]
    stream = "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1000"
    said = {"market": "usdm", "channel": "klines", "kind": "kline", "source": "rest", "stream": stream}
    line = Collector("candles-1-1").line(raw, received=int(raw[-1][6]) * 1000 + 1_000_000, **said)
    ((key, data),) = objects = [landed([line], venue="binance", market="usdm", channel="klines", day="2024-08-09")]
    land(lake, dict(objects))
    assert data
    return key


def holes(lake: Path) -> list[tuple[Any, ...]]:
    rows = sorted(delta_rs(lake / "tables/gaps", GAPS)[1], key=lambda row: row["before_id"])
    return [tuple(row[name] for name in ("before_id", "after_id", "missing", "state", "repaired_rows")) for row in rows]


def verdicts(lake: Path) -> dict[str, str]:
    rows = delta_rs(lake / "tables/reconciliation", RECONCILIATION)[1]
    return {f"{row['minute']:%H:%M}": row["verdict"] for row in rows}
