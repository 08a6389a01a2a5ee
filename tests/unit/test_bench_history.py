"""The parts of the benchmark of history: its files, its rivals, the comparison, the figures and the page."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from tests.benchmarks.history import data, report, rivals, runs
from tests.support.history import meant
from tests.support.processes import until

ROWS = 2000


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[data.Inbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "CACHE", tmp_path_factory.mktemp("cache"))
        yield data.inbox(ROWS)


def text(inbox: data.Inbox, file: data.Published) -> str:
    return (inbox.root / file.key).read_text(encoding="utf-8")


def test_the_files_are_months_in_order_whose_ids_go_on(inbox: data.Inbox):
    assert (inbox.rows, [(file.pair, file.month, file.rows) for file in inbox.files]) == (
        ROWS,
        [
            (pair, month, rows)
            for pair, rows in (("BTC-USDT", 400), ("ETH-USDT", 300), ("SOL-USDT", 200), ("XRP-USDT", 100))
            for month in (1, 2)
        ],
    )
    ids: dict[str, list[int]] = {}
    for file in inbox.files:
        said = meant(
            text(inbox, file),
            "agg_trade",
            8,
            datetime(2025, file.month, 1, tzinfo=UTC),
            datetime(2025, file.month + 1, 1, tzinfo=UTC),
        )
        assert (len(said.rows), said.rejects) == (file.rows, [])
        times = [row["ts"] for row in said.rows]
        assert times == sorted(times)
        assert len({row["price"] for row in said.rows}) > file.rows * 0.9
        ids.setdefault(file.pair, []).extend(row["trade_id"] for row in said.rows)
    for found in ids.values():
        assert found == list(range(found[0], found[0] + len(found)))


def test_they_are_made_once_and_lie_in_each_new_lake(inbox: data.Inbox, tmp_path: Path):
    assert data.inbox(ROWS) == inbox
    lake = inbox.lake(tmp_path / "lake")
    assert {path.relative_to(lake).as_posix() for path in lake.rglob("*.*")} == {
        name for file in inbox.files for name in (file.key, f"{file.key}.CHECKSUM")
    }
    (lake / "inbox/old").touch()
    assert not (inbox.lake(lake) / "inbox/old").exists()


@pytest.fixture(scope="module")
def made(inbox: data.Inbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """DuckDB's and polars' files."""
    folder = tmp_path_factory.mktemp("made")
    files = [asdict(file) for file in inbox.files]
    places = {name: str(folder / name) for name in ("out", "polars")}
    duck = rivals.round_of(rivals.Duck(1), str(inbox.root), files, places["out"])
    alone = rivals.round_of(rivals.Polars(), str(inbox.root), files, places["polars"])
    assert (set(duck), set(alone)) == ({"trades", "minute_aggregates"}, {"trades"})
    return places


@pytest.fixture
def results(made: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """And DuckDB's once more in the place of the job's."""
    shutil.copytree(made["out"], tmp_path / "history")
    return {**made, "lake": str(tmp_path)}


def test_rivals_make_the_rows_that_the_files_mean(inbox: data.Inbox, results: dict[str, str]):
    file = inbox.files[-1]
    said = meant(text(inbox, file), "agg_trade", 8, datetime(2025, 2, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC))
    for place in ("out", "polars"):
        made = duckdb.sql(f"SET TimeZone = 'UTC'; FROM '{results[place]}/trades/{file.place}/{rivals.NAME}'")
        rows = [dict(zip(made.columns, row, strict=True)) for row in made.fetchall()]
        assert [{**{name: row[name] for name in said.rows[0]}, "ts": row["ts"].replace(tzinfo=UTC)} for row in rows] == said.rows
        same = ("venue", "market", "feed", "source", "object", "conn", "event_ts", "item")
        assert {tuple(row[name] for name in same) for row in rows} == {
            ("binance", "spot", "agg_trade", "dump", file.key, f"file-{file.sha256[:12]}", None, 0)
        }


def compare(inbox: data.Inbox, results: dict[str, str]) -> dict[str, int]:
    return dict(rivals.compare(rivals.Duck(1), [asdict(file) for file in inbox.files], **results))


def test_equal_results_compare_equal(inbox: data.Inbox, results: dict[str, str]):
    found = compare(inbox, results)
    assert found["trades"] == ROWS
    assert 0 < found["minute_aggregates"] <= ROWS


@pytest.mark.parametrize(
    ("dataset", "rows", "message"),
    [
        (
            "trades",
            "SELECT * REPLACE ((price + 0.0000000001::DECIMAL(11, 10))::DECIMAL(20, 10) AS price) FROM {0}",
            "(rows, digest)",
        ),
        ("trades", "SELECT * REPLACE (ts + INTERVAL 1 MICROSECOND AS ts) FROM {0}", "(rows, digest)"),
        ("trades", "SELECT * FROM {0} WHERE trade_id % 100 <> 7", "(rows, digest)"),
        ("trades", "SELECT * FROM {0} ORDER BY price", "rows stand before one that they should follow"),
        ("minute_aggregates", "SELECT * REPLACE (ticks + 1 AS ticks) FROM {0}", "(rows, digest)"),
        ("minute_aggregates", "SELECT * FROM {0} ORDER BY minute DESC", "rows stand before one"),
    ],
)
def test_a_value_or_an_order_that_differs_is_seen(
    inbox: data.Inbox, results: dict[str, str], dataset: str, rows: str, message: str
):
    file = inbox.files[3]
    path = f"{results['lake']}/history/{dataset}/{file.place}/{rivals.NAME}"
    duckdb.execute(f"CREATE OR REPLACE TABLE was AS FROM '{path}'; COPY ({rows.format('was')}) TO '{path}' (FORMAT parquet)")
    with pytest.raises(AssertionError) as seen:
        compare(inbox, results)
    assert message in str(seen.value)


def test_what_is_in_bigger_row_groups_is_seen(inbox: data.Inbox, results: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rivals, "GROUP", 399)
    with pytest.raises(AssertionError, match="400 rows in a group"):
        compare(inbox, results)


HOLDING = "held = bytearray(b'x') * 60_000_000; {then}input()"
STARTING = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {HOLDING.format(then='')!r}]); "


def test_the_memory_of_a_process_and_of_those_that_it_starts():
    """Sixty million bytes each."""
    command = [sys.executable, "-c", HOLDING.format(then=STARTING)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            with runs.peak(process.pid) as held:
                until(lambda: max(held) > 120_000_000, process, "both hold theirs")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert max(held) < 200_000_000


COST = {"cpu": 2.0, "wall": 1.0}
FOUND = {
    "job": [{"whole": {"cpu": 12.0, "wall": 7.0}, "minutes": {"cpu": 4.0, "wall": 2.0}}],
    "duck": [{"trades": {"cpu": 5.0, "wall": 3.0}, "minute_aggregates": COST}],
    "polars": [{"trades": {"cpu": 4.0, "wall": 2.0}}],
    "session": [{"cpu": 6.0, "wall": 3.0}],
    "process": [{"cpu": 30.0, "wall": 20.0, "peak_mb": 1500.0}, {"cpu": 30.0, "wall": 16.0, "peak_mb": 1800.0}],
    "duck_process": [{"cpu": 8.0, "wall": 6.0, "peak_mb": 900.0}],
}


def test_what_the_measurements_come_to():
    told = report.figures(FOUND, rows=20_000_000, size=1_712_345_678, compared={"trades": 20_000_000})
    assert told == {
        "bench": "history",
        "ratio_cpu_warm": 1.714,
        "ratio_cpu_trades": 1.6,
        "ratio_cpu_minutes": 2.0,
        "ratio_cpu_polars": 2.0,
        "ratio_wall_warm": 1.75,
        "ratio_wall_process": 3.0,
        "session_wall_s": 3.0,
        "job_cpu_s": 12.0,
        "duckdb_cpu_s": 7.0,
        "polars_cpu_s": 4.0,
        "peak_rss_mb": 1800.0,
        "peak_rss_big_mb": None,
        "peak_rss_duckdb_mb": 900.0,
        "rows": 20_000_000,
        "text_mb": 1712,
        "equal": {"trades": 20_000_000},
    }
    assert [(bound, figure, verdict) for _, bound, figure, verdict in report.verdicts(told)] == [
        ("1.6", "1.71", "**missed** by 7%"),
        ("1.6", "1.60", "met; the aim of 1.2 is missed by 33%"),
        ("2.5", "3.00", "**missed** by 20%"),
        ("3000", "1800.00", "met"),
        ("3000", "?", "not measured"),
    ]


def test_our_part_of_the_page_takes_the_place_of_the_former_one():
    told = report.figures(FOUND, rows=20_000_000, size=1_712_345_678, compared={})
    part = report.section(FOUND, told, {"Memory": "16 GB"})
    assert "| `./spark-submit.sh compact`, exec to the end | 2 | 30.00 | 30.00 | 30.00 | 16.00 | 18.00 | 20.00 |" in part
    assert "- Memory: 16 GB\n" in part
    assert "20,000,000 generated aggregates" in part
    above, below = "# Benchmarks\n\n## Notes\n\nWhat was tried.\n", "## Ingest\n\nFast.\n"
    first = report.SECTION.placed(part, f"{above}\n{below}")
    assert first == f"{above}\n{part}\n{below}"
    assert report.SECTION.placed(part, first) == first
    other = report.section(FOUND, told, {"Memory": "17 GB"})
    assert report.SECTION.placed(other, first) == f"{above}\n{other}\n{below}"
    assert report.SECTION.placed(part, above) == f"{above}\n{part}"
