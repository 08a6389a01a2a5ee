"""A month of candles: held to a plain computation, a line at a time in Decimal, whatever way the file was read."""

import csv
import hashlib
import io
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import duckdb
import pytest

from ingest.exchanges import EXCHANGES
from ingest.landing import store
from ingest.packed import UnreadableError
from ingest.settings import Lake
from jobs.history import candles as history
from jobs.history.candles import batches, write
from jobs.history.files import Files, Month, file_of
from jobs.history.load import Task, load
from jobs.history.month import Source
from jobs.history.rows import Form, Reject, midnight
from jobs.history.widths import number_of
from tests.support.dumps import zipped

SPOT = EXCHANGES["binance", "spot"]
JANUARY = Month("klines", "binance", "spot", "1m", "BTC-USDT", 2024, 1)
T, MINUTE, RECV = 1704067200000, 60_000, 1_706_000_000_000_000
FORM = Form(SPOT.dumps.candles["1m"], SPOT.klines["rest"], midnight(date(2024, 1, 1)), midnight(date(2024, 2, 1)), 1000)
NAMES = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trades"),
    *("taker_buy_volume", "taker_buy_quote_volume"),
)
COLUMNS = ", ".join(f"epoch_us({name})" if name.endswith("_time") else name for name in NAMES)


def candle(number, *, price="61000.5", unit=1, **said):
    """A row of a file."""
    row = {
        "open_time": (T + number * MINUTE) * unit,
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": "12.5",
        "close_time": (T + number * MINUTE + MINUTE - 1) * unit + (999 if unit == 1000 else 0),
        "quote_volume": "762506.25",
        "trades": 7,
        "taker_buy_volume": "6.25",
        "taker_buy_quote_volume": "381253.125",
    } | said
    return ",".join(str(value) for value in (*row.values(), 0)) + "\n"


def plain(text):
    """What the rows mean, in order of their start."""
    found = {}
    for row in csv.reader(io.StringIO(text)):
        at, until = (int(row[place]) * (1 if len(row[place]) == 16 else 1000) // 1000 * 1000 for place in (0, 6))
        found.setdefault(at, (at, *map(Decimal, row[1:6]), until, Decimal(row[7]), int(row[8]), *map(Decimal, row[9:11])))
    return [found[at] for at in sorted(found)]


def made(folder, *texts, month=JANUARY, form=FORM):
    into = folder / "a.parquet"
    sources = [Source(f"inbox/{number}.zip", f"file-{number}", RECV) for number in range(len(texts))]

    def parts():
        return [(source, batches(io.BytesIO(text.encode()), "a", form)) for source, text in zip(sources, texts, strict=True)]

    found = write(month, parts, into)
    with duckdb.connect() as connection:
        rows = connection.read_parquet(str(into)).select(f"{COLUMNS}, epoch_us(recv_ts), object, conn, seq, width, source, item")
        return found, rows.fetchall()


@pytest.mark.parametrize("unit", [1, 1000])
def test_candles_of_both_units_of_time_are_the_same_rows(tmp_path, unit):
    text = "".join(candle(number, price=f"6100{number}.25", unit=unit) for number in range(5))
    found, rows = made(tmp_path, text)
    assert [row[:11] for row in rows] == plain(text)
    assert [row[11:] for row in rows] == [(RECV, "inbox/0.zip", "file-0", n, "1m", "dump", 0) for n in range(1, 6)]
    assert (found.rows, found.duplicates, found.rejects, found.holes) == (5, 0, [], [])
    assert rows[0][6] == (T + MINUTE - 1) * 1000  # to the millisecond, as the venue says it live


TITLES = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore\n"


@pytest.mark.parametrize("market", ["spot", "usdm"])
@pytest.mark.parametrize("is_quoted", [False, True])
@pytest.mark.parametrize("titles", ["", TITLES])
def test_names_or_none_and_quotes_or_none_are_the_same_rows_and_arrow_alone_reads_them(
    tmp_path, monkeypatch, market, is_quoted, titles
):
    def slow(*_):
        raise AssertionError("row by row, which takes a hundred times as long")

    monkeypatch.setattr(history, "_judged", slow)
    exchange = EXCHANGES["binance", market]
    form = Form(exchange.dumps.candles["1m"], exchange.klines["rest"], FORM.since, FORM.until, 1000)
    text = "".join(candle(number, price=f"6100{number}.25") for number in range(3))
    told = titles + text
    if is_quoted:
        told = "".join(",".join(f'"{value}"' for value in line.split(",")) + "\n" for line in told.splitlines())
    found, rows = made(tmp_path, told, month=replace(JANUARY, market=market), form=form)
    assert [row[:11] for row in rows] == plain(text)
    assert ([row[14] for row in rows], found.rejects) == ([n + bool(titles) for n in (1, 2, 3)], [])


def test_a_quoted_row_that_is_no_candle_changes_nothing_of_those_beside_it(tmp_path):
    text = '"NA","1"\n' + "".join(",".join(f'"{value}"' for value in candle(n).strip().split(",")) + "\n" for n in (0, 1))
    found, rows = made(tmp_path, text)
    assert [row[:11] for row in rows] == plain(candle(0) + candle(1))
    assert found.rejects == [("inbox/0.zip", Reject(1, "columns", '"NA","1"'))]


def test_other_names_than_the_known_ones_are_no_candles(tmp_path):
    with pytest.raises(
        UnreadableError, match=r"a: begins with b'open_time,high,.*'; the names open_time,open,.*, or an id, would be"
    ):
        made(tmp_path, TITLES.replace("open,high", "high,open") + candle(0))


def test_the_ends_of_candles_are_the_same_before_and_after_the_files_went_over_to_microseconds(tmp_path):
    """The end is that of a published file; REST and the stream tell it in milliseconds."""
    january = replace(JANUARY, year=2025)
    form = replace(FORM, since=midnight(date(2025, 1, 1)), until=midnight(date(2025, 2, 1)))
    hour = "{},1,3,1,2,10,{},20,5,4,8,0\n"
    rows = [
        made(tmp_path, hour.format(at, until), month=january, form=form)[1]
        for at, until in ((1735689600000000, 1735693199999999), (1735689600000, 1735693199999))
    ]
    assert rows[0] == rows[1]
    assert (rows[0][0][0], rows[0][0][6]) == (1735689600000000, 1735693199999000)


BAD = [
    (candle(7, open_time="NA", open="NA", close_time="NA"), "ts"),
    (candle(7, open="NA"), "kline"),
    (candle(7, volume="-1"), "kline"),
    (candle(7, close="1.00000000001"), "kline"),
    (candle(7, trades="x"), "kline"),
    (candle(7, quote_volume=""), "kline"),
    (candle(7, open_time="noon"), "ts"),
    (candle(7, open_time=T - 1), "ts"),
    (candle(44640), "ts"),
    ("1,2,3\n", "columns"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD)
def test_a_row_that_is_no_candle_is_told_and_the_others_are_read(tmp_path, bad, reason):
    good = [candle(number) for number in (0, 1, 3)]
    if bad.startswith("NA"):
        first, _ = made(tmp_path, bad + good[0])
        assert (first.rows, first.rejects) == (1, [("inbox/0.zip", Reject(1, reason, bad.removesuffix("\n")))])
    found, rows = made(tmp_path, good[0] + good[1] + bad + good[2])
    assert [row[:11] for row in rows] == plain("".join(good))
    assert [row[14] for row in rows] == [1, 2, 4]
    assert found.rejects == [("inbox/0.zip", Reject(3, reason, bad.removesuffix("\n")))]
    first = number_of("1m", T * 1000)
    assert found.holes == [(first + 2, first + 2)]


def test_a_block_with_a_fault_and_one_without_give_the_same_rows(tmp_path):
    good = "".join(candle(number, price=f"0.{number + 1}") for number in range(50))
    _, rows = made(tmp_path, good)
    _, others = made(tmp_path, good + "1,2,3\n")
    assert rows == others


def test_files_in_no_order_with_copies_and_a_conflict(tmp_path):
    texts = candle(5) + candle(3) + candle(4), candle(3) + candle(5, price="7")
    found, rows = made(tmp_path, *texts)
    assert [row[:11] for row in rows] == plain("".join(texts))
    assert (found.rows, found.duplicates) == (3, 1)
    assert found.rejects == [("inbox/1.zip", Reject(2, "conflict", "candle of 2024-01-01 00:05:00"))]


def test_nothing_at_all_is_an_object_without_rows(tmp_path):
    found, rows = made(tmp_path, "")
    assert (found.rows, found.runs.all, rows) == (0, [], [])


@pytest.mark.parametrize("width", list(SPOT.dumps.candles))
def test_candles_of_every_width_have_numbers_that_go_on_by_one(width):
    count, unit = int(width[:-1]), width[-1]
    starts = [datetime(2024, 1, 1, tzinfo=UTC)]  # a Monday, and a multiple of three days
    while len(starts) < 30:
        last = starts[-1]
        months = last.year * 12 + last.month
        step = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}.get(unit)
        starts.append(last + timedelta(seconds=step * count) if step else datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC))
    numbers = [number_of(width, int(at.timestamp()) * 1_000_000) for at in starts]
    assert {after - before for before, after in pairwise(numbers)} == {1}


def put(lake, key, text):
    data = zipped(key.rpartition("/")[2].replace("zip", "csv"), text)
    lake.create(key, data)
    lake.create(f"{key}.CHECKSUM", f"{hashlib.sha256(data).hexdigest()}  x\n".encode())
    return file_of(key)


def test_the_files_of_days_are_held_to_the_one_of_the_month(tmp_path):
    lake = store(Lake(str(tmp_path)))
    below = "inbox/binance/spot/{}/klines/BTCUSDT/BTCUSDT-1m-2024-01{}.zip"
    day = [[candle(1440 * number + n) for n in range(3)] for number in range(3)]
    month = put(lake, below.format("monthly", ""), "".join(map("".join, day)))
    same = put(lake, below.format("daily", "-01"), "".join(reversed(day[0])))
    less = put(lake, below.format("daily", "-02"), "".join(day[1][:2]) + candle(1440 * 2 - 1))
    other = put(lake, below.format("daily", "-03"), day[2][0] + candle(1440 * 2 + 1, price="7") + day[2][2])
    found = load(Task(Files(JANUARY, [month], [same, less, other])), lake, tmp_path)
    assert (found.verdict, found.found.rows) == ("published", 9)
    told = "the month has {} rows that the day has not, the day {} that the month has not; {} say something else"
    assert [(one.file, one.verdict, one.detail, one.told.rows) for one in found.files] == [
        (month, "loaded", "", 9),
        (same, "as_in_month", "", 3),
        (less, "differs_from_month", told.format(1, 1, 0), 3),
        (other, "differs_from_month", told.format(0, 0, 1), 3),
    ]


def test_a_published_file_of_the_exchange(tmp_path, recordings):
    """All of a day's candles; the sums were counted when the file was recorded, and the rows by the plain computation."""
    lake = store(Lake(str(tmp_path)))
    key = "inbox/binance/spot/daily/klines/BTCUSDT/BTCUSDT-1m-2020-01-01.zip"
    for name in (key, f"{key}.CHECKSUM"):
        lake.create(name, (recordings / "dumps" / name.rpartition("/")[2]).read_bytes())
    file = file_of(key)
    found = load(Task(Files(file.month, [file])), lake, tmp_path)
    assert (found.verdict, found.found.rows, found.found.holes, found.found.rejects) == ("published", 1440, [], [])
    with duckdb.connect() as connection:
        told = connection.read_parquet(str(tmp_path / file.month.key))
        assert told.aggregate("sum(trades), sum(volume)").fetchall() == [(194010, Decimal("16792.38816500"))]
        with zipfile.ZipFile(recordings / "dumps/BTCUSDT-1m-2020-01-01.zip") as archive:
            text = archive.read(archive.namelist()[0]).decode()
        assert told.select(COLUMNS).fetchall() == plain(text)
