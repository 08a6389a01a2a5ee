"""The benchmark's own parts: what it measures with, what it compares, what its figures mean."""
# ruff: noqa: S608 - the queries are put together from names in this file

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from deltalake import write_deltalake

from tests.benchmarks import cpu, data, phases, report, runs, startup
from tests.benchmarks.costs import fit, landing, table
from tests.benchmarks.costs import report as costs_report
from tests.benchmarks.costs.points import FULL, Found, Point
from tests.benchmarks.duck import Duck
from tests.benchmarks.submit import Submit, for_a_session_of_ours, parsed

ROUND = {
    "start": {"cpu": 1.0, "wall": 1.5},
    "batches": {"cpu": 18.0, "wall": 10.0},
    "close": {"cpu": 2.0, "wall": 1.0},
}


@pytest.fixture
def landed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> data.Landed:
    monkeypatch.setattr(data, "CACHE", tmp_path / "cache")
    return data.landed(2400)


def ids(landed: data.Landed, keys: list[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for key in keys:
        for line in gzip.decompress((landed.root / key).read_bytes()).splitlines():
            item = json.loads(line)
            found.setdefault(item["pair"], []).append(item["raw"]["data"]["a"])
    return found


def test_the_tiny_objects_go_on_where_the_big_hour_ends(landed: data.Landed):
    assert (len(landed.big), len(landed.tiny), landed.ticks) == (60, 12, 2400)
    big, tiny = ids(landed, landed.big), ids(landed, landed.tiny)
    assert {pair: len(found) for pair, found in big.items()} == {
        "BTC-USDT": 840,
        "ETH-USDT": 720,
        "SOL-USDT": 480,
        "PEPE-USDT": 360,
    }
    assert {pair: len(found) for pair, found in tiny.items()} == dict.fromkeys(big, 1200)
    for pair in big:
        both = big[pair] + tiny[pair]
        assert both == list(range(both[0], both[0] + len(both))), pair


def test_made_once(landed: data.Landed):
    before = {path: path.stat().st_mtime_ns for path in landed.root.rglob("*")}
    assert data.landed(2400) == landed
    assert {path: path.stat().st_mtime_ns for path in landed.root.rglob("*")} == before


@pytest.fixture
def results(landed: data.Landed, tmp_path: Path) -> tuple[Path, Path]:
    """A lake as the stream would leave it, and DuckDB's files."""
    out, lake = tmp_path / "duck", tmp_path / "lake"
    Duck(1).round(f"{landed.root}/big/landing/**/*.gz", str(out))
    for name, folder in (("trades", "trades"), ("minute_aggregates", "minutes")):
        put(lake, name, f"SELECT * FROM read_parquet('{out}/{folder}/*/*.parquet', hive_partitioning = true)")
    return lake, out


def put(lake: Path, table: str, rows: str) -> None:
    """Rows as a Delta table, its times in a zone, as Spark writes them."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    times = ("ts", "event_ts", "recv_ts") if table == "trades" else ("minute", "first_ts", "last_ts")
    zoned = ", ".join(f"{name}::TIMESTAMPTZ AS {name}" for name in times)
    relation = connection.sql(f"SELECT * REPLACE ({zoned}) FROM ({rows})")
    write_deltalake(str(lake / "tables" / table), relation, mode="overwrite", partition_by=["pair"])


def test_equal_results_compare_equal(results: tuple[Path, Path]):
    lake, out = results
    assert Duck(1).compare(str(lake), str(out)) == {"trades": 2400, "minute_aggregates": 240}


@pytest.mark.parametrize(
    ("table", "folder", "change"),
    [
        ("trades", "trades", "REPLACE (CASE WHEN trade_id % 1000 = 7 THEN conn || 'x' ELSE conn END AS conn)"),
        (
            "trades",
            "trades",
            "REPLACE ((price + (trade_id % 1000 = 7)::INTEGER * 0.0000000001::DECIMAL(11, 10))::DECIMAL(20, 10) AS price)",
        ),
        ("trades", "trades", "REPLACE (event_ts + to_microseconds((trade_id % 1000 = 7)::INTEGER) AS event_ts)"),
        ("minute_aggregates", "minutes", "REPLACE ((vwap + 0.0000000001::DECIMAL(11, 10))::DECIMAL(20, 10) AS vwap)"),
        ("minute_aggregates", "minutes", "REPLACE (ticks + 1 AS ticks)"),
    ],
)
def test_a_value_that_differs_is_seen(results: tuple[Path, Path], table: str, folder: str, change: str):
    lake, out = results
    put(lake, table, f"SELECT * {change} FROM read_parquet('{out}/{folder}/*/*.parquet', hive_partitioning = true)")
    with pytest.raises(AssertionError, match=f"{table}: the stream's"):
        Duck(1).compare(str(lake), str(out))


def test_duckdb_keeps_the_first_copy_and_divides_half_up(landed: data.Landed, tmp_path: Path):
    line = gzip.decompress((landed.root / landed.big[0]).read_bytes()).splitlines()[0].decode()
    item = json.loads(line)
    later = line.replace(f'"seq":{item["seq"]},"recv_ns":{item["recv_ns"]}', f'"seq":999,"recv_ns":{item["recv_ns"] + 1000}')
    assert later != line
    folder = tmp_path / "twice" / "landing" / "channel=trades"
    folder.mkdir(parents=True)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(f"{later}\n{line}\n".encode()))
    duck = Duck(1)
    duck.round(f"{folder}/*.gz", str(tmp_path / "out"))
    rows = duckdb.sql(f"SELECT trade_id, seq FROM '{tmp_path}/out/trades/*/*.parquet'").fetchall()
    assert rows == [(item["raw"]["data"]["a"], item["seq"])]
    third = duck.connection.execute(
        "SELECT quotient(2::DECIMAL(38, 18), 3::DECIMAL(30, 8))::VARCHAR, quotient(0::DECIMAL(38, 18), 0::DECIMAL(30, 8))"
    )
    assert third.fetchall() == [("0.6666666667", None)]


def test_processor_time_is_counted_for_the_process_and_its_threads():
    before, threads = cpu.seconds(os.getpid()), sum(cpu.of_threads(os.getpid()).values())
    used = time.process_time()
    while time.process_time() - used < 0.3:
        pass
    assert 0.25 < cpu.seconds(os.getpid()) - before < 1.0
    assert 0.25 < sum(cpu.of_threads(os.getpid()).values()) - threads < 1.0


UNMINDFUL = """
import os, signal, sys, time
def burn():
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
burn()
if os.fork() == 0:
    burn()
    print("burnt", flush=True)
sys.stdin.readline()
"""


def test_what_a_child_took_that_nobody_waited_for_counts():
    command = [sys.executable, "-c", UNMINDFUL]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, start_new_session=True) as process, cpu.watched(process.pid) as spent:
        assert process.stdout.readline() == b"burnt\n"
        spent.look()
        process.communicate(b"go\ngo\n")
    assert 0.95 < spent.seconds < 1.3


def test_figures_are_ratios_of_medians():
    found = {
        "one": [ROUND, {**ROUND, "batches": {"cpu": 28.0, "wall": 20.0}}, {**ROUND, "batches": {"cpu": 8.0, "wall": 5.0}}],
        "duck": [{"cpu": 4.0, "wall": 2.0}, {"cpu": 5.0, "wall": 2.2}, {"cpu": 9.0, "wall": 8.0}],
        "split": [{**ROUND, "batches": {"cpu": 48.0, "wall": 30.0}}],
        "start": [{"first_cpu": 12.0, "first_wall": 9.0, "end_cpu": 14.0, "end_wall": 10.0}],
        "start_plain": [{"first_cpu": 32.0, "first_wall": 30.0, "end_cpu": 40.0, "end_wall": 36.0}],
    }
    told = report.figures(found, ticks=1000, compared={"one": {"trades": 1000}})
    assert told["ratio_cpu_warm"] == 4.0  # (18 + 2) / 5
    assert told["ratio_wall_warm"] == 5.0  # (10 + 1) / 2.2
    assert told["split_cost"] == 2.5  # (48 + 2) / (18 + 2)
    assert told["startup_ratio"] == 0.375  # 12 / 32
    assert told["tiny_batch_cpu_s"] is None
    assert told["ratio_cpu_cold"] is None
    assert (told["bench"], told["ticks"], told["equal"]) == ("stream", 1000, ["one"])


@pytest.mark.parametrize(
    ("figure", "value", "says"),
    [
        ("ratio_cpu_warm", 3.9, "met; the aim of 4 is met, too"),
        ("ratio_cpu_warm", 5.0, "met; the aim of 4 is missed by 25%"),
        ("ratio_cpu_warm", 6.0, "**missed** by 20%"),
        ("split_cost", 3.2, "met"),
        ("split_cost", 4.0, "**missed** by 25%"),
        ("startup_ratio", None, "not measured"),
    ],
)
def test_a_goal_is_met_or_missed(figure: str, value: float | None, says: str):
    goal = next(goal for goal in report.GOALS if goal.figure == figure)
    assert report.verdict(goal, value) == says


def test_the_page_keeps_the_notes_and_says_what_was_missed():
    found = {"one": [ROUND], "duck": [{"cpu": 2.5, "wall": 2.0}]}
    told = report.figures(found, ticks=1_250_000, compared={})
    page = report.page(
        found, told, {"Memory": "16 GB"}, "old\n\n## Notes\n\nWhat was tried.\n", "## What a batch costs\n\nMuch.\n"
    )
    assert "| 5 | 8.00 | **missed** by 60% |" in page
    assert "| stream, one batch, warm | 1 | 20.00 | 20.00 | 20.00 | 11.00 | 11.00 | 11.00 |" in page
    assert "1,250,000 generated ticks" in page
    assert "- Memory: 16 GB\n" in page
    assert page.endswith("\n\n## What a batch costs\n\nMuch.\n\n## Notes\n\nWhat was tried.\n")


COMMAND = Submit(
    {"SPARK_LOCAL_IP": "127.0.0.1"},
    "/p/spark-submit",
    [
        ("--master", "local[2]"),
        ("--deploy-mode", "client"),
        ("--py-files", "t.zip"),
        ("--conf", "spark.sql.ansi.enabled=true"),
        ("--conf", "spark.sql.extensions=io.delta.X"),
        ("--conf", "spark.sql.shuffle.partitions=2"),
        ("--conf", "spark.driver.extraJavaOptions=-Da=b -XX:SharedArchiveFile=x"),
    ],
    ["stream.py", "--conf", "c.yaml", "--once"],
)


def test_a_printed_command_is_read_as_what_it_means():
    words = ["env", "SPARK_LOCAL_IP=127.0.0.1", *COMMAND.command()]
    assert parsed(words) == COMMAND
    assert COMMAND.settings()["spark.driver.extraJavaOptions"] == "-Da=b -XX:SharedArchiveFile=x"


def test_a_session_of_ours_is_configured_by_it():
    found = for_a_session_of_ours(COMMAND)
    assert found["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert found["PYSPARK_SUBMIT_ARGS"] == (
        "--master 'local[2]' --conf spark.sql.ansi.enabled=true --conf spark.sql.extensions=io.delta.X "
        "--conf spark.sql.shuffle.partitions=2 --conf 'spark.driver.extraJavaOptions=-Da=b -XX:SharedArchiveFile=x' pyspark-shell"
    )


def test_untuned_keeps_what_the_results_need_and_nothing_else():
    assert startup.untuned(COMMAND, [Path("a.jar"), Path("b.jar")]).command() == [
        "/p/spark-submit",
        *("--master", "local[2]", "--deploy-mode", "client", "--py-files", "t.zip"),
        *("--conf", "spark.sql.ansi.enabled=true", "--conf", "spark.sql.extensions=io.delta.X", "--jars", "a.jar,b.jar"),
        *("stream.py", "--conf", "c.yaml", "--once"),
    ]


def test_objects_are_cut_into_parts_as_equal_as_may_be():
    assert runs.parts(list("abcdefg"), 3) == [["a", "b"], ["c", "d", "e"], ["f", "g"]]


SAMPLES = """
jdk.ExecutionSample {
  startTime = 10:00:00.000
  sampledThread = "Executor task launch worker for task 1.0 in stage 2.0 (TID 3)" (javaThreadId = 45)
  state = "STATE_RUNNABLE"
  stackTrace = [
    java.lang.String.equals(Object) line: 1
    com.fasterxml.jackson.core.json.UTF8Parser.next() line: 5
    org.apache.spark.sql.catalyst.expressions.GeneratedClass$A$$Lambda$4363+0x00007.1.apply(Object) line: 7
  ]
}
jdk.ExecutionSample {
  sampledThread = "dag-scheduler-event-loop" (javaThreadId = 46)
  stackTrace = [
    java.lang.String.equals(Object) line: 1
  ]
}
"""


def test_samples_are_told_by_what_the_tasks_are_busy_with():
    found = phases.summary(SAMPLES.splitlines())
    assert (found["total"], found["work"], found["top"]) == (1, [("JSON", 1)], [("java.lang.String.equals", 1)])
    assert sorted(found["anywhere"]) == [
        ("com.fasterxml.jackson.core.json.UTF8Parser.next", 1),
        ("java.lang.String.equals", 1),
        ("org.apache.spark.sql.catalyst.expressions.GeneratedClass$A$$Lambda$4363+0x00007.1.apply", 1),
    ]


TERMS = {"batch": 1.7, "tick": 14e-6, "object": 0.0008, "file": 0.011}


def found_of(cost: Callable[[Point, int], float]) -> Found:
    """All points of a full run, three times each; the median of the noise is none."""
    found = {}
    for point in dict.fromkeys([*FULL.alone(), *FULL.in_a_row()]):
        written = point.pairs * (1 if point.number == 1 else 2)
        seconds = cost(point, written)
        found[point] = [{"cpu": seconds * noise, "wall": seconds * noise / 2, "files": written} for noise in (1.2, 1, 0.9)]
    return found


def planned(point: Point, written: int) -> float:
    return sum(each * number for each, number in zip(TERMS.values(), (1, point.ticks, point.objects, written), strict=True))


def test_the_terms_of_a_cost_come_back():
    found = found_of(planned)
    # ticks, pairs, objects, tables, the ends of pairs and of tables twice, in a row
    assert len(found) == 5 + 4 + 4 + 3 + 2 * (2 + 2) + 2
    told = fit.fitted(fit.usual(found, "cpu"), fit.files(found))
    assert told.terms == pytest.approx(TERMS)
    assert told.worst()[1] == pytest.approx(0, abs=1e-9)
    figures = costs_report.figures(found, FULL)
    assert (figures["batch_cpu_s"], figures["tick_cpu_us"], figures["object_cpu_ms"], figures["file_wall_ms"]) == (
        1.7,
        14,
        0.8,
        5.5,
    )
    assert {figures[goal.figure] for goal in costs_report.GOALS} == {1.0}


def test_no_term_is_below_zero():
    found = found_of(lambda point, written: planned(point, written) - 0.0007 * point.objects - 0.012 * written + 5)
    told = fit.fitted(fit.usual(found, "cpu"), fit.files(found))
    assert told.terms["file"] == 0
    assert min(told.terms.values()) == 0


@pytest.mark.parametrize(
    ("figure", "more"),
    [
        ("b_growth_ticks", lambda point: 14e-6 * max(point.ticks - FULL.low, 0)),
        ("b_growth_pairs", lambda point: 14e-6 * point.ticks * (point.pairs == FULL.pairs[-1])),
        ("b_growth_table", lambda point: 14e-6 * point.ticks * (point.behind == FULL.behind[-1])),
        ("a_growth_batches", lambda point: planned(point, 8) * (point.number == FULL.batches)),
        ("a_growth_table", lambda point: planned(FULL.point(FULL.few), 8) * (point.behind == FULL.behind[-1])),
        ("c_growth", lambda point: 0.0008 * max(point.objects - FULL.objects[-2], 0)),
        ("d_growth", lambda point: 0.011 * 2 * max(point.pairs - FULL.pairs[-2], 0)),
    ],
)
def test_a_planted_growth_is_told_and_nothing_else(figure: str, more: Callable[[Point], float]):
    told = costs_report.figures(found_of(lambda point, written: planned(point, written) + more(point)), FULL)
    assert told[figure] == 2
    # the ticks of a middling batch are a small part of its cost, so what they cost more hardly shows elsewhere
    assert {goal.figure for goal in costs_report.GOALS if told[goal.figure] > 1.1} == {figure}
    verdicts = {goal: verdict for goal, _, _, verdict in costs_report.verdicts(told)}
    assert next(verdict for goal, verdict in verdicts.items() if figure in goal) == "**missed** by 33%"


def test_what_is_lost_in_the_noise_is_not_told():
    found = found_of(lambda point, written: planned(point, written) - 1e-3 * (min(point.objects, 4000) - 10))
    assert costs_report.figures(found, FULL)["c_growth"] is None


def test_the_section_of_the_page_takes_the_place_of_the_former_one():
    found = found_of(lambda point, written: planned(point, written) * (2 if point.behind == FULL.behind[-1] else 1))
    section = costs_report.section(found, FULL, {"Memory": "16 GB"})
    assert (
        "| `a_growth_table`: a batch of 10,000 ticks behind the biggest table, in that behind the smallest | 1.5 | 2.00 |"
        in section
    )
    assert "| 1,000,000 | 4 | 10 | 0 | 2 | 8 | 14.22 | 15.80 | 18.96 | 7.11 | 7.90 | 9.48 |" in section
    assert "| 100,000 | 1,000,000 | 4 | 100,000,000 | 28.0 | 14.0 |" in section
    assert "| objects read | 4,000 | 10,000 | 0.80 | 0.40 |\n| files written | 2 | 200 | 11.00 | 5.50 |\n" in section
    assert "- Memory: 16 GB\n" in section
    begun = "# Benchmarks\n\n## What is measured\n\n- ticks\n\n"
    notes = "## Notes\n\nWhat was tried.\n\n## Ingest\n"
    first = costs_report.placed(costs_report.kept(begun + notes), begun + notes)
    assert first == f"{begun}## What a batch costs\n\nNot measured yet: `make bench-costs` writes it.\n\n{notes}"
    second = costs_report.placed(section, first)
    assert second == f"{begun}{section}\n{notes}"
    assert costs_report.kept(second) == section
    assert costs_report.placed(section, second) == second


def test_batches_have_the_ticks_pairs_and_objects_that_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data, "CACHE", tmp_path / "cache")
    made = landing.batches(landing.Wanted(101, 3, 10, after=70, batches=2))
    assert [len(keys) for keys in made.keys] == [1, 10, 10]
    found: dict[str, list[int]] = {}
    for number, keys in enumerate(made.keys):
        lines = [json.loads(line) for key in keys for line in gzip.decompress((made.root / key).read_bytes()).splitlines()]
        assert len(lines) == (101 if number else 15)
        assert {line["raw"]["data"]["T"] // 60_000 for line in lines} == {landing.START // 60_000_000 + number}
        for line in lines:
            found.setdefault(line["pair"], []).append(line["raw"]["data"]["a"])
    assert {pair: (ids[0], ids[-1]) for pair, ids in found.items()} == {
        "C000-USDT": (71, 71 + 4 + 34 * 2),
        "C001-USDT": (71, 71 + 4 + 34 * 2),
        "C002-USDT": (71, 71 + 4 + 33 * 2),
    }
    assert all(ids == list(range(ids[0], ids[0] + len(ids))) for ids in found.values())
    before = {path: path.stat().st_mtime_ns for path in made.root.rglob("*")}
    assert landing.batches(landing.Wanted(101, 3, 10, after=70, batches=2)) == made
    assert {path: path.stat().st_mtime_ns for path in made.root.rglob("*")} == before


def test_a_table_is_cut_into_files_by_month_and_said_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(table, "STEP", 3_600_000_000)  # an hour
    monkeypatch.setattr(table, "ROWS", table.ROWS.replace("* 2500000", "* 3600000000"))
    monkeypatch.setattr(table, "FILE_ROWS", 500)
    folder = table.table(4000, 2)
    adds = [json.loads(line) for line in (folder / table.ADDS).read_text(encoding="utf-8").splitlines()]
    assert sorted(add["path"] for add in adds) == sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))
    seen = 0
    for add in adds:
        stats = json.loads(add["stats"])
        rows = duckdb.sql(
            "SELECT count(*), min(trade_id), max(trade_id), strftime(min(ts::TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%gZ'), "
            "strftime(max(ts::TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%gZ'), count(DISTINCT (year(ts::TIMESTAMP), month(ts::TIMESTAMP))), "
            f"any_value(year(ts::TIMESTAMP)), any_value(month(ts::TIMESTAMP)) FROM '{folder / add['path']}'"
        ).fetchall()[0]
        low, high = stats["minValues"], stats["maxValues"]
        folders = add["partitionValues"]
        assert rows == (
            stats["numRecords"], low["trade_id"], high["trade_id"], low["ts"], high["ts"], 1, int(folders["year"]), int(folders["month"]),
        )  # fmt: skip
        seen += stats["numRecords"]
    assert seen == 4000
    assert max(json.loads(add["stats"])["numRecords"] for add in adds) == 500
    assert {json.loads(add["stats"])["maxValues"]["ts"] for add in adds if "month=5" in add["path"]} == {
        "2026-05-04T11:00:00.000Z"
    }
