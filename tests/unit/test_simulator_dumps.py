"""Published files: the same trades as on the websocket, in the documented columns, with a checksum, when the day is over."""

import csv
import hashlib
import io
import re
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import IncompleteRead
from itertools import islice
from pathlib import Path

import pytest

from ingest.exchanges import find_exchange
from ingest.simulator.dumps.names import find_dump, listing
from ingest.simulator.dumps.rows import lines
from ingest.simulator.faults import Fault
from ingest.simulator.listings import LISTINGS, series
from ingest.simulator.market import market
from ingest.simulator.ticks import MINUTE
from ingest.simulator.wire import Trade
from ingest.simulator.worlds import made, recorded
from tests.support.simulation import Heard, asked, venues

START = 1_731_000_000_000_000  # 2024-11-07T17:20:00Z
DAY = 1440 * MINUTE
SEED = 7
SYMBOLS = {"spot": ["BTCUSDT", "ETHBTC"], "usdm": ["ETHUSDT"]}
ETHBTC = "/dumps/data/spot/daily/aggTrades/ETHBTC/ETHBTC-aggTrades-2024-11-06.zip"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with venues(made(SEED, START, None, 1.0)) as running:
        yield running.address


def text_of(answer: Heard) -> str:
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        (name,) = archive.namelist()
        return f"{name}\n{archive.read(name).decode()}"


def sent(market_: str, pair: str, kind: str, day: str) -> list[Trade]:
    found = next(one for one in LISTINGS if (one.venue, one.market, one.pair) == ("binance", market_, pair))
    start = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) * 1_000_000
    feed = series(found)[kind]
    frames = market(SEED, start, start + DAY, listings=[found], wanted=lambda other: other == feed)
    return [trade for frame in frames for trade in frame.trades]


def test_a_day_of_spot_is_every_aggregate_of_that_day(address: str):
    answer = asked(address, ETHBTC)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
    name, *rows = text_of(answer).splitlines()
    assert name == "ETHBTC-aggTrades-2024-11-06.csv"
    expected = sent("spot", "ETH-BTC", "agg_trade", "2024-11-06")
    assert len(expected) == 24 * 1800
    assert rows == [
        f"{trade.trade_id},{trade.price},{trade.quantity},{trade.first_id},{trade.last_id},{trade.ts // 1000},"
        f"{trade.taker_side == 'sell'},True"
        for trade in expected
    ]


def test_the_checksum_is_the_files(address: str):
    checksum = asked(address, f"{ETHBTC}.CHECKSUM").body.decode()
    file = asked(address, ETHBTC)
    assert checksum == f"{hashlib.sha256(file.body).hexdigest()}  ETHBTC-aggTrades-2024-11-06.zip\n"
    assert file.headers["Content-Length"] == str(len(file.body))
    assert asked(address, ETHBTC, "HEAD").headers["Content-Length"] == str(len(file.body))


def test_the_rest_of_a_file_can_be_had(address: str):
    whole = asked(address, ETHBTC).body
    rest = asked(address, ETHBTC, Range="bytes=1000-")
    assert (rest.status, rest.headers["Content-Range"]) == (206, f"bytes 1000-{len(whole) - 1}/{len(whole)}")
    assert rest.body == whole[1000:]
    beyond = asked(address, ETHBTC, Range=f"bytes={len(whole)}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")


def test_the_same_seed_has_the_same_file_whenever_it_is_made(address: str):
    with venues(made(SEED, START + 3 * DAY, None, 1.0)) as later:
        assert asked(later.address, ETHBTC).body == asked(address, ETHBTC).body


def first_rows(path: str, now: int, count: int = 3000) -> list[str]:
    dump = find_dump(path, SYMBOLS, now)
    assert dump is not None
    found = next(one for one in LISTINGS if one.market == dump.market and one.pair.replace("-", "") == dump.symbol)
    text = "".join(islice(lines(dump, found, SEED), 8))
    return text.splitlines()[:count]


NOW = 1_793_750_400_000_000  # 2026-11-04T00:00:00Z


def test_trades_of_spot_tell_microseconds_since_2025():
    rows = [row.split(",") for row in first_rows("data/spot/daily/trades/ETHBTC/ETHBTC-trades-2025-01-01.zip", NOW)]
    expected = sent("spot", "ETH-BTC", "trade", "2025-01-01")[: len(rows)]
    assert [(int(row[0]), row[1], row[2], int(row[4]) // 1000 * 1000, row[5], row[6]) for row in rows] == [
        (trade.trade_id, trade.price, trade.quantity, trade.ts, str(trade.taker_side == "sell"), "True") for trade in expected
    ]
    assert {len(row[4]) for row in rows} == {16}
    before = first_rows("data/spot/daily/trades/ETHBTC/ETHBTC-trades-2024-12-31.zip", NOW)
    assert {len(row.split(",")[4]) for row in before} == {13}


def test_futures_have_a_header_and_write_small(address: str):
    head, *rows = first_rows("data/futures/um/daily/aggTrades/ETHUSDT/ETHUSDT-aggTrades-2026-11-01.zip", NOW)
    assert head == "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
    start = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 1_000_000
    feed = series(next(one for one in LISTINGS if (one.market, one.pair) == ("usdm", "ETH-USDT")))["agg_trade"]
    frames = market(SEED, start, start + 8 * MINUTE, wanted=lambda other: other == feed)
    expected = [trade for frame in frames for trade in frame.trades][: len(rows)]
    assert rows == [
        f"{trade.trade_id},{trade.price},{trade.quantity},{trade.first_id},{trade.last_id},{trade.ts // 1000},"
        f"{str(trade.taker_side == 'sell').lower()}"
        for trade in expected
    ]
    assert asked(address, "/dumps/data/futures/um/daily/klines/ETHUSDT/4h/ETHUSDT-4h-2024-11-07.zip").status == 404
    head, *rows = first_rows("data/futures/um/daily/trades/ETHUSDT/ETHUSDT-trades-2026-11-01.zip", NOW, 5)
    assert head == "id,price,qty,quote_qty,time,is_buyer_maker"
    assert re.fullmatch(r"\d+,\d+\.\d\d,\d+\.\d{3},\d+\.\d{5},\d{13},(true|false)", rows[0])


def test_candles_are_those_of_rest(address: str):
    day = (START - DAY) // DAY * DAY
    rest = asked(address, f"/binance/spot/api/v3/klines?symbol=ETHBTC&interval=1m&startTime={day // 1000}&limit=1000").json
    file = asked(address, "/dumps/data/spot/daily/klines/ETHBTC/1m/ETHBTC-1m-2024-11-06.zip")
    name, *rows = text_of(file).splitlines()
    assert name == "ETHBTC-1m-2024-11-06.csv"
    assert len(rows) == 1440
    assert list(csv.reader(rows))[:1000] == [[str(value) for value in row] for row in rest]


def test_a_candles_last_microsecond_is_told_since_2025():
    row = first_rows("data/spot/daily/klines/ETHBTC/1h/ETHBTC-1h-2025-01-01.zip", NOW)[0].split(",")
    assert (row[0], row[6]) == ("1735689600000000", "1735693199999999")


@pytest.mark.parametrize(
    "key",
    [
        "data/spot/daily/trades/BTCUSDT/BTCUSDT-trades-2026-11-03.zip",
        "data/spot/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-10.zip",
        "data/spot/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2026-10.zip",
        "data/futures/um/monthly/klines/ETHUSDT/3d/ETHUSDT-3d-2026-10.zip",
        "data/spot/daily/klines/BTCUSDT/1s/BTCUSDT-1s-2024-01-01.zip",
    ],
)
def test_what_there_is(key: str):
    found = find_dump(key, SYMBOLS, NOW)
    assert found is not None
    assert f"{found.folder}/{found.name}.zip" == key


@pytest.mark.parametrize(
    "key",
    [
        "data/spot/daily/trades/BTCUSDT/BTCUSDT-trades-2026-11-04.zip",  # not over yet
        "data/spot/monthly/trades/BTCUSDT/BTCUSDT-trades-2026-11.zip",
        "data/spot/daily/trades/BTCUSDT/BTCUSDT-trades-2023-12-31.zip",  # before there were any
        "data/spot/daily/trades/BTCUSDT/BTCUSDT-trades-2026-02-30.zip",
        "data/spot/daily/trades/BTCUSDT/ETHBTC-trades-2026-11-03.zip",
        "data/spot/daily/trades/BTCUSDT/BTCUSDT-aggTrades-2026-11-03.zip",
        "data/spot/daily/trades/FOOUSDT/FOOUSDT-trades-2026-11-03.zip",
        "data/spot/daily/trades/BTCUSDT/BTCUSDT-trades-2026-11.zip",
        "data/spot/daily/klines/BTCUSDT/3d/BTCUSDT-3d-2026-11-03.zip",  # daily files end with a day
        "data/spot/monthly/klines/BTCUSDT/1M/BTCUSDT-1M-2026-10.zip",  # spelled 1mo
        "data/futures/um/daily/klines/ETHUSDT/1s/ETHUSDT-1s-2026-11-03.zip",
        "data/futures/um/daily/trades/BTCUSDT/BTCUSDT-trades-2026-11-03.zip",
        "data/spot/daily/trades/BTCUSDT/1m/BTCUSDT-trades-2026-11-03.zip",
        "nix",
    ],
)
def test_what_there_is_not(key: str):
    assert find_dump(key, SYMBOLS, NOW) is None


def test_a_day_that_is_not_over_is_not_found(address: str):
    for path in (ETHBTC.replace("06.zip", "07.zip"), ETHBTC.replace("06.zip", "07.zip.CHECKSUM"), "/dumps/nix"):
        assert asked(address, path).status == 404, path


def keys(text: str) -> list[str]:
    return re.findall(r"<(?:Key|Prefix)>([^<]*)</(?:Key|Prefix)>", text)[1:]


def test_the_listing_goes_page_by_page_in_order():
    prefix = "data/spot/daily/aggTrades/BTCUSDT/"
    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=place) for place in range((NOW - 1_704_067_200_000_000) // DAY)]
    expected = [f"{prefix}BTCUSDT-aggTrades-{day:%Y-%m-%d}.zip{end}" for day in days for end in ("", ".CHECKSUM")]
    found, marker = [], ""
    while True:
        page = listing(SYMBOLS, NOW, {"prefix": prefix, "marker": marker})
        found += keys(page)
        if "<IsTruncated>false</IsTruncated>" in page:
            break
        assert len(keys(page)) == 1000
        (marker,) = re.findall(r"<NextMarker>(.*?)</NextMarker>", page)
    assert found == expected


def test_the_listing_shows_folders():
    folders = lambda prefix: keys(listing(SYMBOLS, NOW, {"prefix": prefix, "delimiter": "/"}))  # noqa: E731 - a name for a long line
    assert folders("data/") == ["data/futures/", "data/spot/"]
    assert folders("data/spot/daily/trades/") == ["data/spot/daily/trades/BTCUSDT/", "data/spot/daily/trades/ETHBTC/"]
    assert folders("data/spot/monthly/klines/BTCUSDT/1")[-2:] == [
        "data/spot/monthly/klines/BTCUSDT/1s/",
        "data/spot/monthly/klines/BTCUSDT/1w/",
    ]
    assert folders("data/futures/um/monthly/trades/ETHUSDT/ETHUSDT-trades-2024-02") == [
        "data/futures/um/monthly/trades/ETHUSDT/ETHUSDT-trades-2024-02.zip",
        "data/futures/um/monthly/trades/ETHUSDT/ETHUSDT-trades-2024-02.zip.CHECKSUM",
    ]
    assert folders("nix") == []


def test_the_listing_over_the_line(address: str):
    answer = asked(address, "/dumps?prefix=data/spot/daily/trades/ETHBTC/ETHBTC-trades-2024-11-0")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/xml")
    assert keys(answer.body.decode())[-1] == "data/spot/daily/trades/ETHBTC/ETHBTC-trades-2024-11-06.zip.CHECKSUM"
    assert len(keys(answer.body.decode())) == 12
    assert "<LastModified>2024-11-07T00:00:00.000Z</LastModified>" in answer.body.decode()


def test_a_checksum_can_be_wrong_once():
    with venues(made(SEED, START, None, 1.0, [Fault("wrong-checksum")])) as running:
        wrong, right = (asked(running.address, f"{ETHBTC}.CHECKSUM").body for _ in range(2))
    assert wrong[64:] == right[64:] == b"  ETHBTC-aggTrades-2024-11-06.zip\n"
    assert wrong[:64] == right[:64][::-1] != right[:64]


def test_a_file_can_be_cut_and_refused():
    faults = [Fault("cut", path=".zip"), Fault("refuse-request", path=".zip", skip=1, status=503)]
    with venues(made(SEED, START, None, 1.0, faults)) as running:
        with pytest.raises(IncompleteRead) as cut:
            asked(running.address, ETHBTC)
        assert asked(running.address, ETHBTC).status == 503
        whole = asked(running.address, ETHBTC).body
    assert cut.value.partial == whole[: len(whole) // 2]


def test_a_file_that_takes_long_does_not_keep_the_venues_from_closing():
    """A month of the busiest pair takes minutes."""
    path = "/dumps/data/spot/monthly/trades/BTCUSDT/BTCUSDT-trades-2024-10.zip"
    began = time.monotonic()
    with (
        venues(made(SEED, START, None, 1.0)) as running,
        socket.create_connection(("127.0.0.1", int(running.address.rpartition(":")[2]))) as line,
    ):
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        assert asked(running.address, "/binance/spot/api/v3/ping").status == 200
        running.stop()
    for thread in threading.enumerate():
        if thread.name == "aside":
            thread.join(20)
    assert "aside" not in {thread.name for thread in threading.enumerate()}
    assert time.monotonic() - began < 20


def test_a_recording_has_no_files(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    data = '"e":"trade","E":1731000000125,"s":"BTCUSDT","t":7,"p":"6.1","q":"0.5","T":1731000000123,"m":true'
    path.write_text(f'1731000000000000000 {{"stream":"btcusdt@trade","data":{{{data}}}}}\n')
    with venues(recorded(path, find_exchange("binance", "spot"), None)) as running:
        assert [asked(running.address, path).status for path in (ETHBTC, "/dumps?prefix=data/")] == [404, 404]
