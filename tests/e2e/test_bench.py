"""The benchmark runs, on next to nothing: its parts, its comparison and the line that it ends with."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.project import HOME

FIGURES = {
    "warm": {
        "ratio_cpu_warm",
        "ratio_wall_warm",
        "stream_cpu_s",
        "stream_wall_s",
        "duckdb_cpu_s",
        "duckdb_wall_s",
        "start_cpu_s",
    },
    "cold": {"ratio_cpu_cold", "cold_cpu_s"},
    "split": {"split_cost"},
    "tiny": {"tiny_batch_cpu_s", "tiny_batch_wall_s"},
    "startup": {"startup_ratio", "startup_cpu_s", "startup_wall_s", "startup_end_cpu_s", "startup_end_ratio"},
}

TERMS = {"batch": "s", "tick": "us", "object": "ms", "file": "ms"}
COSTS = {
    f"{name}_{unit}{scale}"
    for unit in ("cpu", "wall")
    for name, scale in (*((t, f"_{s}") for t, s in TERMS.items()), ("off_most", ""))
}


def bench(*parts: str, of: str = "") -> dict[str, Any]:
    """The last line of a run of these parts, of the stream's benchmark or of another one."""
    only = [word for part in parts for word in ("--only", part)]
    command = [sys.executable, "-m", f"tests.benchmarks{of}", "--smoke", *only]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.timeout(600)  # a JVM that makes eight small lakes
@pytest.mark.long
def test_the_parts_of_one_jvm():
    told = bench("warm", "cold", "split", "tiny", "costs")
    assert (told["bench"], told["ticks"]) == ("stream", 2400)
    assert told["equal"] == ["one", "split"]  # both ways gave DuckDB's rows, every column
    measured = FIGURES["warm"] | FIGURES["cold"] | FIGURES["split"] | FIGURES["tiny"] | {"session_cpu_s"}
    assert {name for name, value in told.items() if isinstance(value, float)} == measured
    assert all(told[name] > 0 for name in measured)
    assert {name for name, value in told.items() if value is None} == FIGURES["startup"]
    costs = told["costs"]
    assert (costs["points"], costs["repeats"]) == (4, 1)  # a batch, one with a table before it, the first and the last of a row
    assert {name for name, value in costs.items() if isinstance(value, float)} == COSTS | {"a_growth_batches"}
    assert min(costs[f"{term}_cpu_{scale}"] for term, scale in TERMS.items()) >= 0
    assert costs["batch_cpu_s"] + costs["file_cpu_ms"] > 0


@pytest.mark.long
@pytest.mark.timeout(900)  # one of its two starts is Spark's own
def test_the_start():
    told = bench("startup")
    assert {name for name, value in told.items() if isinstance(value, float)} == FIGURES["startup"]
    assert 0 < told["startup_ratio"] < 1


@pytest.mark.timeout(600)
@pytest.mark.long
def test_the_profile_tells_of_each_phase_and_stage():
    command = [sys.executable, "-m", "tests.benchmarks", "--smoke", "--profile", "--rounds", "1"]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = [line.split()[0] for line in done.stdout.splitlines() if line]
    assert [word for word in words if word in {"start", "batch", "close"}] == ["start", "batch", "close"]
    assert "trades.append" in words
    assert " samples of tasks" in done.stdout or "no samples: jcmd and jfr" in done.stdout


def layout(*engines: str) -> dict[str, Any]:
    """The same of what these engines answer."""
    found = bench(*engines, of=".layout")
    assert (found["bench"], found["rows"]) == ("layout", 200_000)
    assert 0 < found["mb_ours"] < found["mb_naive"]
    assert all(value > 0 for value in found.values() if isinstance(value, float))
    return found


def test_the_benchmark_of_the_layout_by_duckdb_alone():
    told = layout("duckdb")
    assert {name for name, value in told.items() if value is None} == {name for name in told if name.startswith("trino_")}
    assert told["duckdb_hour_bytes"] > 1  # even where an hour is in a row group of two weeks


@pytest.mark.timeout(900)  # an S3, a Glue and a Trino
@pytest.mark.long
def test_the_benchmark_of_the_layout():
    told = layout("duckdb", "trino")
    assert len([name for name, value in told.items() if isinstance(value, float)]) == 2 * 5 * 2 + 2


@pytest.mark.timeout(1200)  # four starts of a JVM
@pytest.mark.long
def test_the_benchmark_of_history():
    told = bench(of=".history")
    assert (told["bench"], told["rows"], told["equal"]["trades"]) == (
        "history",
        200_000,
        200_000,
    )  # the job's, DuckDB's and polars'
    assert told["equal"]["minute_aggregates"] > 100_000
    ratios = {name: value for name, value in told.items() if name.startswith(("ratio_", "peak_"))}
    assert len(ratios) == 9
    assert all(value > 0 for value in ratios.values())
