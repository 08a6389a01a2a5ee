"""A month of the inbox becomes an object of history, or says why not and changes nothing."""

import gzip
import hashlib
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest

from ingest.landing import Files as Lake
from jobs.history.files import Files, Month, file_of
from jobs.history.load import Loaded, Seen, Task, load
from jobs.history.month import Found, Told
from tests.support.dumps import microseconds, zipped
from tests.support.history import agg_csv, meant, runs

MONTH = Month("trades", "binance", "spot", "agg_trade", "BTC-USDT", 2024, 1)
BELOW = "inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-0"
T, DAY = 1704067200000, 86_400_000
CAME = 1_706_000_000


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def text(number, first, count):
    return agg_csv((first + n, "61000.5", "0.25", T + (number - 1) * DAY + n * 1000, n % 2 == 0) for n in range(count))


def put(lake, number, content, *, told=None):
    """A file of a day of January."""
    key = f"{BELOW}{number}.zip"
    data = zipped(f"BTCUSDT-aggTrades-2024-01-0{number}.csv", content) if isinstance(content, str) else content
    lake.create(key, data)
    os.utime(lake.root / key, (CAME, CAME))
    lake.create(f"{key}.CHECKSUM", f"{told or hashlib.sha256(data).hexdigest()}  {key.rpartition('/')[2]}\n".encode())
    return file_of(key)


def seen(lake, file, verdict="loaded", detail="", told=None):
    data = lake.get(file.key)[0]
    return Seen(file, hashlib.sha256(data).hexdigest(), len(data), verdict, detail, told or Told())


def run(lake, *files, live=()):
    scratch = lake.root / "scratch"
    scratch.mkdir(exist_ok=True)
    found = load(Task(Files(MONTH, files), live), lake, scratch)
    assert list(scratch.iterdir()) == []
    return found


def rows(lake):
    with duckdb.connect() as connection:
        told = connection.read_parquet(str(lake.root / MONTH.key))
        return told.select("trade_id, quote_quantity, epoch_us(ts), epoch_us(recv_ts), object, conn, seq").fetchall()


def expected(lake, **texts):
    found = []
    for name, content in texts.items():
        key = f"{BELOW}{name[1:]}.zip"
        conn = f"file-{hashlib.sha256(lake.get(key)[0]).hexdigest()[:12]}"
        day = datetime(2024, 1, int(name[1:]), tzinfo=UTC)
        told = meant(content, "agg_trade", 8, day, day + timedelta(days=1)).rows
        found += [
            (row["trade_id"], row["quote_quantity"], microseconds(row["ts"]), CAME * 1_000_000, key, conn, row["seq"])
            for row in told
        ]
    return found


def of(*texts):
    """The runs of the ids of these texts, of the first day and the next."""
    told = [
        (row["trade_id"], microseconds(row["ts"]))
        for number, one in enumerate(texts, 1)
        for row in meant(
            one, "agg_trade", 8, datetime(2024, 1, number, tzinfo=UTC), datetime(2024, 1, number + 1, tzinfo=UTC)
        ).rows
    ]
    return runs(told)


def test_days_become_a_month(lake):
    one, two = text(1, 1, 50), text(2, 51, 50)
    first, second = put(lake, 1, one), put(lake, 2, two)
    found = run(lake, first, second, live=[(20, 30), (99, 100)])
    data = lake.get(MONTH.key)[0]
    assert rows(lake) == expected(lake, _1=one, _2=two)
    told = seen(lake, first, told=Told(50, 1, 50)), seen(lake, second, told=Told(50, 51, 100))
    counts = Found(
        rows=100, first_id=1, last_id=100, runs=of(one, two), files={first.key: told[0].told, second.key: told[1].told}
    )
    assert found == Loaded(MONTH, "published", "", list(told), counts, hashlib.sha256(data).hexdigest(), len(data))


def test_the_same_files_make_the_same_object_and_others_take_its_place(lake):
    files = put(lake, 1, text(1, 1, 5)), put(lake, 2, text(2, 6, 5))
    assert run(lake, *files).sha256 == run(lake, *files).sha256
    assert run(lake, files[0]).found.rows == 5
    assert len(rows(lake)) == 5


@pytest.mark.parametrize(
    ("content", "told", "verdict", "detail"),
    [
        (text(2, 6, 5), "0" * 64, "checksum", f"and its checksum says '{'0' * 64}'"),
        (b"<html>", None, "unreadable", "BTCUSDT-aggTrades-2024-01-02.zip: no zip that can be read"),
        (zipped("a.csv", "0" * 20_000_000), None, "unreadable", "100 times as many at most would be right"),
        (zipped("../../a.csv", text(2, 6, 5)), None, "unreadable", "'../../a.csv' in it; a CSV would be right"),
        ("id,price\n", None, "unreadable", "begins with b'id,price'; the names agg_trade_id,"),
    ],
)
def test_a_file_that_cannot_be_believed_leaves_what_is_there(lake, content, told, verdict, detail):
    first = put(lake, 1, text(1, 1, 5))
    run(lake, first)
    before = lake.get(MONTH.key)
    found = run(lake, first, put(lake, 2, content, told=told))
    assert (found.verdict, [one.verdict for one in found.files]) == ("refused", ["loaded", verdict])
    assert detail in found.detail
    assert "BTCUSDT-aggTrades-2024-01-02.zip" in found.detail
    assert lake.get(MONTH.key) == before


@pytest.mark.parametrize("write", ["{}  {}\n", "{} *{}\n", "{}  {}", "{}\n"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_checksum_as_the_tools_write_it_that_people_copy_files_with(lake, write, case):
    """`sha256sum -b` puts a star before the name."""
    file = put(lake, 1, text(1, 1, 5))
    sum_ = hashlib.sha256(lake.get(file.key)[0]).hexdigest()
    lake.delete(f"{file.key}.CHECKSUM")
    lake.create(f"{file.key}.CHECKSUM", write.format(case(sum_), file.name).encode())
    assert run(lake, file).verdict == "published"


def test_a_file_that_vanished_is_an_error_and_no_empty_one(lake):
    first = put(lake, 1, text(1, 1, 5))
    lake.delete(first.key)
    with pytest.raises(FileNotFoundError, match=f"object {first.key}: not there"):
        run(lake, first)


def test_a_month_that_has_less_than_the_live_table_is_not_published(lake):
    first, second = put(lake, 1, text(1, 1, 5)), put(lake, 2, text(2, 8, 5))
    found = run(lake, first, second, live=[(4, 9)])
    assert (found.verdict, found.detail) == ("refused_worse_than_live", "the live table has 2 ids that are not in it, such as 6")
    assert lake.get(MONTH.key) is None


def test_rows_of_another_day_than_the_name_says_are_told(lake):
    day = put(lake, 1, text(1, 1, 5) + text(2, 6, 1))
    found = run(lake, day)
    assert [(key, reject.line, reject.reason) for key, reject in found.found.rejects] == [(day.key, 6, "ts")]


def test_a_published_file_of_the_exchange(lake, recordings):
    """Its first rows, as a repository keeps them; the figures were counted there, and the rows by the plain computation."""
    content = gzip.decompress((recordings / "dumps/BTCUSDT-aggTrades-2026-01-01.first2500.csv.gz").read_bytes()).decode()
    key = "inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-01-01.zip"
    data = zipped("BTCUSDT-aggTrades-2026-01-01.csv", content)
    lake.create(key, data)
    lake.create(f"{key}.CHECKSUM", f"{hashlib.sha256(data).hexdigest()}  x\n".encode())
    file = file_of(key)
    found = load(Task(Files(file.month, [file])), lake, lake.root)
    counts = Found(2500, 3800397495, 3800399994, found.found.runs, files={key: Told(2500, 3800397495, 3800399994)})
    assert (found.verdict, found.found, found.found.holes) == ("published", counts, [])
    with duckdb.connect() as connection:
        object_ = connection.read_parquet(str(lake.root / file.month.key))
        sums = "sum(quantity), sum(quote_quantity), count(*) FILTER (taker_side = 'buy'), count(*) FILTER (taker_side = 'sell')"
        assert object_.aggregate(sums).fetchall() == [(Decimal("42.96015"), Decimal("3768841.3238238"), 1818, 682)]
        ours = object_.select(
            "trade_id, first_id, last_id, price, quantity, quote_quantity, taker_side, epoch_us(ts), seq"
        ).fetchall()
    day = datetime(2026, 1, 1, tzinfo=UTC)
    told = meant(content, "agg_trade", 8, day, day + timedelta(days=1))
    assert told.rejects == []
    assert ours == sorted(
        [tuple(microseconds(value) if name == "ts" else value for name, value in row.items()) for row in told.rows],
        key=lambda row: (row[7], row[0]),
    )
    assert microseconds(day) + 39_000 == ours[0][7]
