"""The parts of the benchmark of the layout: both layouts, the questions, what is counted, the figures and the page."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.history import data as published
from tests.benchmarks.layout import data, report
from tests.benchmarks.layout.duck import Duck, bytes_read
from tests.benchmarks.layout.questions import QUESTIONS, Place, place
from tests.benchmarks.layout.reading import Reading, plain
from tests.benchmarks.layout.runs import Bench, Sizes
from tests.support.exports import trade
from tests.support.warehouse import write_history

ROWS = 2000
FEBRUARY = "history/trades/pair=XRP-USDT/year=2025/month=2"


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[published.Inbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "CACHE", tmp_path_factory.mktemp("cache"))
        yield published.inbox(ROWS)


@pytest.fixture
def lakes(inbox: published.Inbox, tmp_path: Path) -> data.Lakes:
    return data.lakes(inbox, tmp_path / "lake")


def duck(lakes: data.Lakes) -> Duck:
    return Duck(1, {layout: str(lake) for layout, lake in lakes.folders.items()})


def written(path: Path) -> tuple[int, str, str, bool]:
    """Of one row group: rows, how it is compressed, the type of times, whether pages have an index."""
    told = pq.ParquetFile(path).metadata
    (column,) = (told.row_group(0).column(place) for place in range(told.num_columns) if told.schema.column(place).name == "ts")
    assert told.num_row_groups == 1
    return told.num_rows, column.compression, column.physical_type, column.has_column_index


def test_both_layouts_have_the_same_rows_and_each_is_what_it_says(lakes: data.Lakes):
    assert duck(lakes).compare() == ROWS
    ours, naive = (sorted((lakes.folders[layout] / FEBRUARY).iterdir()) for layout in data.LAYOUTS)
    assert [written(path) for path in ours] == [(100, "ZSTD", "INT64", True)]
    assert [written(path) for path in naive] == [
        *((13, "SNAPPY", "INT96", False) for _ in range(4)),
        *((12, "SNAPPY", "INT96", False) for _ in range(4)),
    ]
    sizes = lakes.sizes()
    assert {layout: (size.files, size.groups) for layout, size in sizes.items()} == {"ours": (8, 8), "naive": (64, 64)}
    assert sizes["ours"].bytes == sum(path.stat().st_size for path in (lakes.folders["ours"] / "history").rglob("*.parquet"))


def test_rows_of_ours_stand_in_order_and_those_of_the_other_where_chance_put_them(lakes: data.Lakes):
    ours, naive = (
        [pq.ParquetFile(path).read(columns=["trade_id"]).column(0).to_pylist() for path in sorted((lake / FEBRUARY).iterdir())]
        for lake in lakes.folders.values()
    )
    ids = list(range(published.FIRST_ID + 100, published.FIRST_ID + 200))
    assert ours == [ids]
    assert sorted(id_ for file in naive for id_ in file) == ids
    assert all(min(file) < ids[50] <= max(file) for file in naive)  # of both halves of the month
    assert not any(file == sorted(file) for file in naive)


def test_the_other_layout_is_made_once(inbox: published.Inbox, lakes: data.Lakes, tmp_path: Path):
    mark = lakes.folders["naive"] / "mark"
    mark.touch()
    assert data.lakes(inbox, tmp_path / "again").folders["naive"] == lakes.folders["naive"]
    assert mark.exists()
    mark.unlink()


def test_a_value_that_differs_is_seen(lakes: data.Lakes, tmp_path: Path):
    path = tmp_path / "lake" / FEBRUARY / "binance-spot-agg_trade.parquet"
    rows = pq.ParquetFile(path).read()
    seq = rows.schema.get_field_index("seq")
    pq.write_table(rows.set_column(seq, "seq", pa.array([*range(1, 100), 101])), path)
    with pytest.raises(AssertionError, match=re.escape("(rows, digest) are {'ours': (2000,")):
        duck(lakes).compare()


def test_a_month_that_the_job_refuses_ends_it(inbox: published.Inbox, tmp_path: Path):
    lake = inbox.lake(tmp_path / "lake")
    checksum = lake / f"{inbox.files[0].key}.CHECKSUM"
    checksum.unlink()  # a link to that of the cache
    checksum.write_text("0" * 64)
    with pytest.raises(AssertionError, match=r"BTC-USDT/year=2025/month=1.*refused .* 0 rows rejected"):
        data.history(lake)


# ids around 100; hours around noon of January 15; minutes and days around midnight of February 15
TRADES = [
    trade(94, "11:59:59.999", "40", day="2025-01-15"),
    trade(95, "12:00:00", "44", day="2025-01-15"),
    trade(100, "12:59:59.999", "48", day="2025-01-15", taker_side="sell"),
    trade(101, "13:00:00", "36", day="2025-01-15"),
    trade(105, "00:00:00", "44", day="2025-01-31"),
    trade(106, "23:59:59.999", "40", day="2025-02-14"),
    trade(107, "00:00:00", "40", day="2025-02-15"),
    trade(108, "00:00:59.999", "44", day="2025-02-15", quantity=Decimal("0.75"), quote_quantity=Decimal(33)),
    trade(109, "00:01:00", "50", day="2025-02-15"),
    trade(110, "00:00:00", "52", day="2025-02-16"),
    trade(100, "12:30:00", "60", day="2025-01-15", pair="ETH-USDT"),
    trade(101, "23:59:59.999", "3", day="2025-02-15", pair="ETH-USDT"),
    trade(102, "00:00:00", "3", day="2025-02-15", pair="XRP-USDT"),
]
ANSWERS = {
    "hour": [
        [95, "2025-01-15 12:00:00", "44", "0.25", "buy"],
        [100, "2025-01-15 12:59:59.999000", "48", "0.25", "sell"],
    ],
    "id": [
        [95, "2025-01-15 12:00:00", "44", "0.25", "buy"],
        [100, "2025-01-15 12:59:59.999000", "48", "0.25", "sell"],
        [101, "2025-01-15 13:00:00", "36", "0.25", "buy"],
        [105, "2025-01-31 00:00:00", "44", "0.25", "buy"],
    ],
    "days": [
        ["2025-01-15 00:00:00", 4, "1"],
        ["2025-01-31 00:00:00", 1, "0.25"],
        ["2025-02-14 00:00:00", 1, "0.25"],
        ["2025-02-15 00:00:00", 3, "1.25"],
        ["2025-02-16 00:00:00", 1, "0.25"],
    ],
    "largest": [
        [100, "2025-01-15 12:59:59.999000", "48", "0.25", "12"],
        [95, "2025-01-15 12:00:00", "44", "0.25", "11"],
        [105, "2025-01-31 00:00:00", "44", "0.25", "11"],
        [94, "2025-01-15 11:59:59.999000", "40", "0.25", "10"],
        [101, "2025-01-15 13:00:00", "36", "0.25", "9"],
    ],
    "vwap": [
        ["BTC-USDT", "2025-02-15 00:00:00", "1", "43"],
        ["BTC-USDT", "2025-02-15 00:01:00", "0.25", "50"],
        ["ETH-USDT", "2025-02-15 23:59:00", "0.25", "3"],
    ],
}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Duck:
    """DuckDB before these trades in both layouts."""
    folder = tmp_path_factory.mktemp("few")
    write_history(folder / "ours", "trades", TRADES)
    for path in (folder / "ours").rglob("*.parquet"):
        place = folder / "naive" / path.relative_to(folder / "ours").parent
        place.mkdir(parents=True)
        data.scatter(pq.ParquetFile(path).read(), place)
    return Duck(1, {layout: str(folder / layout) for layout in data.LAYOUTS})


@pytest.mark.parametrize("layout", data.LAYOUTS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_what_a_question_asks(few: Duck, layout: str, name: str):
    sql = QUESTIONS[name].sql.format_map(Place("15", 100)._asdict())
    assert few.ask(layout, sql).rows == ANSWERS[name]


def test_rounds_ask_for_days_and_ids_that_are_far_from_each_other():
    assert [place(number, 1000, 100) for number in range(4)] == [
        Place("06", 1020),
        Place("17", 1059),
        Place("28", 1098),
        Place("11", 1037),
    ]


def test_values_are_alike_whatever_the_engine():
    east = timezone(timedelta(hours=2))
    at = datetime(2025, 1, 15, 12)  # noqa: DTZ001 - as an engine gives it
    row = [at, datetime(2025, 1, 15, 14, tzinfo=east), at.replace(tzinfo=UTC, microsecond=1000), Decimal("1.50"), Decimal("1E+2")]
    assert plain([[*row, 2 / 3, 7, "buy", None]]) == [
        [*("2025-01-15 12:00:00",) * 2, "2025-01-15 12:00:00.001000", "1.5", "100", "0.6666666667", 7, "buy", None]
    ]


def test_what_a_question_reads_is_counted(lakes: data.Lakes, tmp_path: Path):
    (tmp_path / "file").write_bytes(bytes(100_000))
    before = bytes_read()
    (tmp_path / "file").read_bytes()
    assert 100_000 <= bytes_read() - before < 102_000  # what /proc says is read, too
    asked, all_ = duck(lakes), "SELECT * FROM trades_history WHERE pair = 'XRP-USDT'"
    for layout, lake in lakes.folders.items():
        there = sum(path.stat().st_size for path in lake.rglob("pair=XRP-USDT/**/*.parquet"))
        reading = asked.ask(layout, all_)
        assert len(reading.rows) == 200
        assert 0.5 * there < reading.bytes < 3 * there  # the end of a small file, twice
        assert 0 < asked.ask(layout, all_.replace("*", "max(trade_id)", 1)).bytes < reading.bytes


@pytest.fixture
def bench(inbox: published.Inbox) -> Bench:
    return Bench(Sizes(rows=ROWS, repeats=2), inbox)


def test_layouts_take_turns_and_the_first_round_does_not_count(bench: Bench):
    asked: list[tuple[str, str]] = []

    def ask(layout: str, sql: str) -> Reading:
        asked.append((layout, sql))
        return Reading(len(asked), 1000 * len(asked), [[sql]])

    bench.measure("duckdb", ask)
    assert [layout for layout, _ in asked] == ["ours", "naive"] * 5 + ["naive", "ours"] * 5 + ["ours", "naive"] * 5
    assert [sql for layout, sql in asked if layout == "ours"] == [sql for layout, sql in asked if layout == "naive"]
    assert len({sql for _, sql in asked}) == 3 * 3 + 2  # the days of two months and the largest of one are always the same
    assert [(reading.seconds, reading.bytes) for reading in bench.found["duckdb", "hour", "ours"]] == [(12, 12_000), (21, 21_000)]
    assert {key: len(readings) for key, readings in bench.found.items()} == {
        ("duckdb", name, layout): 2 for name in QUESTIONS for layout in data.LAYOUTS
    }


@pytest.mark.parametrize(
    ("answers", "who"),
    [
        ({"naive": [[2]]}, "duckdb, naive: hour"),
        ({"ours": []}, "duckdb, ours: hour"),
    ],
)
def test_an_answer_that_differs_or_is_none_ends_it(bench: Bench, answers: dict[str, list[list[int]]], who: str):
    with pytest.raises(AssertionError, match=who):
        bench.measure("duckdb", lambda layout, _: Reading(1, 1, answers.get(layout, [[1]])))


def test_another_engine_is_held_to_the_answers_of_the_first(bench: Bench):
    bench.measure("duckdb", lambda *_: Reading(1, 1, [[1]]))
    with pytest.raises(AssertionError, match=re.escape("trino, ours: hour: [[2]] of 1 rows, and before [[1]] of 1")):
        bench.measure("trino", lambda *_: Reading(1, 1, [[2]]))


def readings(*told: tuple[float, int]) -> list[Reading]:
    return [Reading(seconds, bytes_, [[1]]) for seconds, bytes_ in told]


FOUND = {
    ("duckdb", "hour", "ours"): readings((0.5, 2_000_000), (0.016, 1_000_000), (0.02, 2_500_000)),
    ("duckdb", "hour", "naive"): readings((0.1, 30_000_000), (0.2, 31_000_000), (0.1, 30_000_000)),
    ("duckdb", "days", "ours"): readings((0.4, 17_000_000)),
    ("duckdb", "days", "naive"): readings((0.1, 34_000_000)),
    ("trino", "id", "ours"): readings((1.2, 1_600_000)),
    ("trino", "id", "naive"): readings((1.8, 26_400_000)),
}
SIZES = {"ours": data.Size(8, 50, 150_512_345), "naive": data.Size(64, 64, 360_000_000)}


def test_what_the_answers_come_to():
    told = report.figures(FOUND, SIZES, 6_000_000)
    assert {name: value for name, value in told.items() if value is not None} == {
        "bench": "layout",
        "duckdb_hour_bytes": 15.0,
        "duckdb_hour_seconds": 5.0,
        "duckdb_days_bytes": 2.0,
        "duckdb_days_seconds": 0.25,
        "trino_id_bytes": 16.5,
        "trino_id_seconds": 1.5,
        "mb_ours": 150.5,
        "mb_naive": 360.0,
        "rows": 6_000_000,
    }
    assert len(told) == 2 * 5 * 2 + 4
    assert report.plain(FOUND).splitlines()[1].split()[-6:] == ["2.00", "30.00", "15.0", "20", "100", "5.0"]


def test_our_part_of_the_page_takes_the_place_of_the_former_one():
    part = report.section(FOUND, SIZES, 6_000_000, {"Memory": "16 GB"})
    assert (
        "| DuckDB | ours MB | naive MB | naive / ours | ours ms | naive ms | naive / ours |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n"
        "| an hour of trades of a pair | 2.00 | 30.00 | 15.0 | 20 | 100 | 5.0 |\n"
        "| volume and number of trades, day by day, two months of a pair | 17.00 | 34.00 | 2.0 | 400 | 100 | **0.25** |\n\n"
        "| Trino |" in part
    )
    assert "| ours | 8 | 50 | 151 |\n| naive | 64 | 64 | 360 |\n" in part
    assert "- Memory: 16 GB\n" in part
    assert "- 6,000,000 generated aggregates" in part
    assert "chance's, in 8 files" in part
    other = report.section(FOUND, SIZES, 6_000_000, {"Memory": "17 GB"})
    above, below = "## History\n\nFast.\n", "## Ingest\n\nFaster.\n"
    first = report.SECTION.placed(part, f"{above}\n{below}")
    assert report.SECTION.placed(other, first) == f"{above}\n{other}\n{below}"
