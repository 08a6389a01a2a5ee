"""A month of trades as one object: all rows, each once, in the order of time and id; what is absent, doubled or in conflict is told."""

import io
from datetime import UTC, date, datetime, timedelta
from random import Random

import duckdb
import pyarrow.parquet as pq
import pytest

from ingest.exchanges import find_exchange
from ingest.packed import UnreadableError
from jobs.history import month as history
from jobs.history.files import Month
from jobs.history.month import Found, Source, Told, write
from jobs.history.rows import Form, Reject, batches, midnight
from jobs.tables.trades import TRADES
from tests.support.dumps import microseconds
from tests.support.history import agg_csv, meant, runs

JANUARY = Month("trades", "binance", "spot", "agg_trade", "BTC-USDT", 2024, 1)
SINCE, UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
RECV = microseconds(datetime(2024, 2, 5, 9, tzinfo=UTC))
SHUFFLED = Random(7)  # noqa: S311 - an order, no secret
T, MINUTE, DAY = 1704067200000, 60_000, 86_400_000
KEPT = [column for column in TRADES.columns if column.name not in TRADES.partitioned_by]
COLUMNS = ", ".join(f"epoch_us({column.name})" if column.type == "TIMESTAMP" else column.name for column in KEPT)
SPOT = find_exchange("binance", "spot")
FORM = Form(
    SPOT.dumps.kinds["agg_trade"],
    SPOT.readings["agg_trade", "dump"],
    midnight(date(2024, 1, 1)),
    midnight(date(2024, 2, 1)),
    1000,
)


def made(folder, *texts):
    """What was found, and the rows of the object as another engine reads them."""
    into = folder / "a.parquet"
    sources = [Source(f"inbox/{number}.zip", f"file-{number}", RECV) for number in range(len(texts))]

    def parts():
        return [(source, batches(io.BytesIO(text.encode()), "a", FORM)) for source, text in zip(sources, texts, strict=True)]

    found = write(JANUARY, parts, into)
    for number, text in enumerate(texts):
        told = meant(text, "agg_trade", 8, SINCE, UNTIL)
        ids = [row["trade_id"] for row in told.rows]
        expected = Told(len(ids), min(ids, default=None), max(ids, default=None), len(told.rejects))
        assert found.files.pop(f"inbox/{number}.zip", Told()) == expected
    with duckdb.connect() as connection:
        return found, connection.read_parquet(str(into)).select(COLUMNS).fetchall(), into


def expected(*texts):
    """Rows of all files by the plain computation, each id once, in order."""
    rows = {}
    for number, text in enumerate(texts):
        for row in meant(text, "agg_trade", 8, SINCE, UNTIL).rows:
            if row["trade_id"] not in rows:
                rows[row["trade_id"]] = (
                    *("binance", "spot", "agg_trade", row["trade_id"], row["first_id"], row["last_id"]),
                    *(
                        row["price"],
                        row["quantity"],
                        row["quote_quantity"],
                        row["taker_side"],
                        microseconds(row["ts"]),
                        None,
                        RECV,
                    ),
                    *("dump", f"inbox/{number}.zip", f"file-{number}", row["seq"], 0),
                )
    return sorted(rows.values(), key=lambda row: (row[10], row[3]))


def of(rows, void=()):
    return runs(((row[3], row[10]) for row in rows), void)


def day(first, count, number=0, step=MINUTE):
    """So many trades of a day of January, beginning with an id."""
    return agg_csv((first + n, f"61000.{n % 10}", "0.5", T + number * DAY + n * step, n % 3 == 0) for n in range(count))


def test_files_that_stand_in_order_are_written_as_they_are_read(tmp_path):
    texts = day(1, 100), day(101, 50, 1), day(151, 10, 2)
    found, rows, _ = made(tmp_path, *texts)
    assert rows == expected(*texts)
    assert found == Found(rows=160, first_id=1, last_id=160, runs=of(rows))
    assert found.holes == []


def test_ids_that_are_absent_are_told_inside_a_file_and_between_two(tmp_path):
    texts = day(1, 10) + day(13, 5, 1), day(20, 5, 2)
    found, rows, _ = made(tmp_path, *texts)
    assert rows == expected(*texts)
    assert found == Found(rows=20, first_id=1, last_id=24, runs=of(rows))
    assert found.holes == [(11, 12), (18, 19)]


def test_a_row_that_is_not_believed_is_told_with_its_file(tmp_path):
    texts = day(1, 3), agg_csv([(4, "0", "0", T + DAY, True)]) + day(5, 2, 1)
    found, rows, _ = made(tmp_path, *texts)
    assert rows == expected(*texts)
    reject = Reject(1, "void", f"4,0,0,8,9,{T + DAY},True,True", 4)
    assert found == Found(rows=5, first_id=1, last_id=6, runs=of(rows, [4]), rejects=[("inbox/1.zip", reject)])
    assert found.holes == []  # the exchange gave the id to nothing


def test_files_in_no_order_are_sorted(tmp_path):
    lines = day(1, 200, 0, MINUTE * 11).splitlines(keepends=True)  # over two days
    SHUFFLED.shuffle(lines)
    texts = day(300, 20, 5), "".join(lines)
    found, rows, _ = made(tmp_path, *texts)
    assert rows == expected(*texts)
    assert found == Found(rows=220, first_id=1, last_id=319, runs=of(rows), is_sorted=False)
    assert found.holes == [(201, 299)]
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_a_time_that_goes_back_by_a_millisecond_is_an_order_too(tmp_path):
    text = agg_csv(
        [(1, "1", "1", T + 5, True), (2, "1", "1", T + 4, True), (3, "1", "1", T + 4, True), (4, "1", "1", T + 6, True)]
    )
    found, rows, _ = made(tmp_path, text)
    assert [row[3] for row in rows] == [2, 3, 1, 4]
    assert (rows, found) == (expected(text), Found(rows=4, first_id=1, last_id=4, runs=of(rows), is_sorted=False))


def test_of_copies_the_first_counts_and_one_that_says_something_else_is_a_conflict(tmp_path):
    one = day(1, 4)
    other = agg_csv(
        [(3, "61000.2", "0.5", T + 2 * MINUTE, False), (4, "61000.9", "0.5", T + 3 * MINUTE, True), (3, "7", "7", T, True)]
    )
    found, rows, _ = made(tmp_path, one, other)
    assert rows == expected(one)
    assert found == Found(
        rows=4,
        first_id=1,
        last_id=4,
        runs=of(rows),
        duplicates=1,
        rejects=[("inbox/1.zip", Reject(3, "conflict", "trade 3")), ("inbox/1.zip", Reject(2, "conflict", "trade 4"))],
        is_sorted=False,
    )


def test_an_id_on_two_days_is_refused_by_name(tmp_path):
    with pytest.raises(UnreadableError, match=f"{JANUARY.key}: trade 3 is in the files of two days"):
        made(tmp_path, day(1, 4), day(3, 1, 7))


def test_nothing_at_all_is_an_object_without_rows(tmp_path):
    found, rows, _ = made(tmp_path, "")
    assert (found, rows) == (Found(), [])


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_object_is_one_that_can_be_pruned(tmp_path, monkeypatch, shuffled):
    monkeypatch.setattr(history, "GROUP", 1000)
    lines = day(1, 2_500, 0, 10_000).splitlines(keepends=True)
    texts = [lines[number * 500 : number * 500 + 500] for number in range(5)]
    if shuffled:
        SHUFFLED.shuffle(texts[1])
    texts = ["".join(text) for text in texts]
    _, rows, into = made(tmp_path, *texts)
    assert rows == expected(*texts)
    told = pq.read_metadata(into)
    groups = [told.row_group(number) for number in range(told.num_row_groups)]
    assert [group.num_rows for group in groups] == [1000, 1000, 500]
    names = told.schema.names
    times, ids = ([group.column(names.index(name)) for group in groups] for name in ("ts", "trade_id"))
    assert [(ids_.statistics.min, ids_.statistics.max) for ids_ in ids] == [(1, 1000), (1001, 2000), (2001, 2500)]
    assert [at.statistics.min for at in times] == [SINCE + timedelta(seconds=10 * n) for n in (0, 1000, 2000)]
    assert {(column.compression, column.has_column_index, column.has_offset_index) for column in times} == {("ZSTD", True, True)}
    assert str(told.schema.column(names.index("ts")).logical_type).startswith(
        "Timestamp(isAdjustedToUTC=true, timeUnit=microseconds"
    )
    assert str(told.schema.column(names.index("price")).logical_type) == "Decimal(precision=20, scale=10)"


def test_the_same_files_are_the_same_bytes(tmp_path):
    texts = day(1, 100), day(101, 50, 1)
    _, _, into = made(tmp_path, *texts)
    before = into.read_bytes()
    assert made(tmp_path, *texts)[2].read_bytes() == before


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_files_hold_the_object_is_what_a_plain_computation_makes_of_them(tmp_path, seed, monkeypatch):
    random = Random(seed)  # noqa: S311 - files, no secret
    monkeypatch.setattr(history, "GROUP", 7)
    number, at, texts = 1, T, []
    for _ in range(random.randrange(1, 4)):
        rows = []
        for _ in range(random.randrange(30)):
            rows.append((number, f"{random.randrange(1, 9)}.{random.randrange(100)}", "0.5", at, random.random() < 0.5))
            number, at = number + random.choice([1, 1, 1, 2, 3]), at + random.choice([0, 1, DAY // 9])
        if random.random() < 0.3:
            random.shuffle(rows)
        if rows and random.random() < 0.3:
            rows.append(random.choice(rows))
        texts.append(agg_csv(rows))
    found, rows, _ = made(tmp_path, *texts)
    assert rows == expected(*texts)
    ids = sorted(row[3] for row in rows)
    absent = [one for low, high in found.holes for one in range(low, high + 1)]
    assert absent == sorted(set(range(ids[0], ids[-1])) - set(ids)) if ids else absent == []
    total = sum(len(meant(text, "agg_trade", 8, SINCE, UNTIL).rows) for text in texts)
    assert (found.rows, found.rows + found.duplicates, found.rejects) == (len(rows), total, [])
