"""What the measurements of history mean: figures, goals, the table, our part of the page. Pure."""

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.report import Found, Goal, Section, lines, listed, ratio

SECTION = Section("## History\n", "<!-- the end of what `make bench-history` writes -->\n", "## Ingest\n")
GOALS = (
    Goal("ratio_cpu_warm", 1.6, 1.2, "trades and minutes of months, processor time, warm, in DuckDB's for both"),
    Goal("ratio_cpu_trades", 1.6, 1.2, "the trades alone"),
    Goal(
        "ratio_wall_process", 2.5, None, "the whole process, start of the JVM included, on the clock, in that of DuckDB's process"
    ),
    Goal("peak_rss_mb", 3000, None, "the most memory that all its processes held"),
    Goal("peak_rss_big_mb", 3000, None, "the same with several times as many rows"),
)


def _part(name: str) -> Callable[[Any, str], float]:
    return lambda found, unit: float(found[name][unit])


def _both(found: Any, unit: str) -> float:  # noqa: ANN401 - JSON values
    return float(found["trades"][unit] + found["minute_aggregates"][unit])


def _rest(found: Any, unit: str) -> float:  # noqa: ANN401 - JSON values
    return float(found["whole"][unit] - found["minutes"][unit])


def _plain(found: Any, unit: str) -> float:  # noqa: ANN401 - JSON values
    return float(found[unit])


# row of the table -> (what was measured, the values of one measurement)
ROWS: Mapping[str, tuple[str, Callable[[Any, str], float]]] = {
    "`compact`, warm": ("job", _part("whole")),
    "… all but the minutes": ("job", _rest),
    "… the minutes": ("job", _part("minutes")),
    "DuckDB, warm": ("duck", _both),
    "… the trades": ("duck", _part("trades")),
    "… the minutes, of what it has written": ("duck", _part("minute_aggregates")),
    "polars, warm, the trades alone": ("polars", _part("trades")),
    "`compact`, first round of a JVM": ("job_first", _part("whole")),
    "DuckDB, first round of a process": ("duck_first", _both),
    "a session (JVM, Spark, Delta)": ("session", _plain),
    "`./spark-submit.sh compact`, exec to the end": ("process", _plain),
    "DuckDB, a process": ("duck_process", _plain),
    "`./spark-submit.sh compact` with more rows": ("process_big", _plain),
}


def middle(found: Found, row: str, unit: str) -> float | None:
    """The median of a row; None: not measured."""
    name, of = ROWS[row]
    each = [of(one, unit) for one in found.get(name, ())]
    return median(each) if each else None


def figures(found: Found, *, rows: int, size: int, compared: Mapping[str, int]) -> dict[str, Any]:
    """The JSON line."""

    def of(above: str, below: str, unit: str) -> float | None:
        return ratio(middle(found, above, unit), middle(found, below, unit))

    job, rest, minutes, duck, duck_trades, duck_minutes, polars, _, _, session, process, duck_process, _ = ROWS
    made = {
        "ratio_cpu_warm": of(job, duck, "cpu"),
        "ratio_cpu_trades": of(rest, duck_trades, "cpu"),
        "ratio_cpu_minutes": of(minutes, duck_minutes, "cpu"),
        "ratio_cpu_polars": of(rest, polars, "cpu"),
        "ratio_wall_warm": of(job, duck, "wall"),
        "ratio_wall_process": of(process, duck_process, "wall"),
        "session_wall_s": middle(found, session, "wall"),
        "job_cpu_s": middle(found, job, "cpu"),
        "duckdb_cpu_s": middle(found, duck, "cpu"),
        "polars_cpu_s": middle(found, polars, "cpu"),
        "peak_rss_mb": _most(found, "process"),
        "peak_rss_big_mb": _most(found, "process_big"),
        "peak_rss_duckdb_mb": _most(found, "duck_process"),
    }
    rounded = {name: None if value is None else round(value, 3) for name, value in made.items()}
    return {"bench": "history", **rounded, "rows": rows, "text_mb": round(size / 1e6), "equal": dict(compared)}


def _most(found: Found, name: str) -> float | None:
    return max((float(one["peak_mb"]) for one in found.get(name, ())), default=None)


def table(found: Found) -> list[tuple[str, ...]]:
    """Rows: what, how often, CPU min/median/max, wall min/median/max."""
    rows = []
    for row, (name, of) in ROWS.items():
        if found.get(name):
            used, passed = (sorted(of(one, unit) for one in found[name]) for unit in ("cpu", "wall"))
            rows.append((row, str(len(used)), *(f"{f(each):.2f}" for each in (used, passed) for f in (min, median, max))))
    return rows


def verdicts(told: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Goal, bound, figure, verdict."""
    return report.verdicts(told, GOALS)


def section(found: Found, told: Mapping[str, Any], machine: Mapping[str, str]) -> str:
    """Our part of the page."""
    return PART.format(
        begin=SECTION.begin,
        end=SECTION.end,
        goals=lines(verdicts(told)),
        head=" | ".join(report.HEAD),
        measured=lines(table(found)),
        where=listed(machine),
        **{name: f"{told[name]:,}" for name in ("rows", "text_mb")},
    )


PART = """{begin}
Written by `make bench-history`; do not edit. The first time it makes its files, 9 GB below `.cache/benchmarks`.

| Goal | at most | here | |
|---|---:|---:|---|
{goals}

| {head} |
|---|---:|---:|---:|---:|---:|---:|---:|
{measured}

{where}

- {rows} generated aggregates of four pairs in two months, eight CSVs of together {text_mb} MB, sorted, as Binance spot publishes
  them but for the zip. What comes out: a parquet object a month of a pair, zstd, sorted by time and id, row groups of 131,072, all
  columns of `trades`, the amount exact; and the minutes of each. Before a time counts, the rows of all are compared, every column that
  both have, their order, and the size of the row groups.
- *compact*: the job's own `run`, on a fresh lake each time, in one JVM with two cores; or the whole of `./spark-submit.sh compact`. It also
  takes the sha256 of each file, looks for holes and doubled ids, keeps three Delta tables, says of each minute whether it is complete.
- *DuckDB*, *polars*: the same columns and types from the same files with two threads each, in a process of their own; neither asks
  whether the rows are believable. `seq` is computed from the id, as ids are dense here. DuckDB makes the minutes of the parquet that it
  has written, as the job does.
- Processor seconds are those of all processes and threads, from /proc; memory is what all processes of the job held together, what
  they share counted once, looked at ten times a second. Rounds take turns, forth and back; the first ones do not count.
{end}"""
