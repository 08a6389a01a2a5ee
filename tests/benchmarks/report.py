"""What the measurements mean: figures, goals, the table, the page. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

Found = Mapping[str, Sequence[Any]]
NOTES = "## Notes"


class Section(NamedTuple):
    """A part of the page that a benchmark of its own writes."""

    begin: str
    end: str
    below: str  # what it stands before, the first time

    def placed(self, part: str, page: str) -> str:
        """The page with the part in the place of the former one; the first time, before what it is to stand before, or at the end."""
        if self.begin in page:
            start = page.index(self.begin)
            return page[:start] + part + page[page.index(self.end, start) + len(self.end) :]
        above, found, rest = page.partition(self.below)
        return f"{above.rstrip()}\n\n{part}\n{found}{rest}" if found else f"{above.rstrip()}\n\n{part}"


@dataclass(frozen=True)
class Goal:
    """A figure that must not be above a bound."""

    figure: str
    bound: float
    aim: float | None
    says: str


GOALS = (
    Goal("ratio_cpu_warm", 5, 4, "one batch into both tables, processor time, warm, in DuckDB's"),
    Goal("ratio_cpu_cold", 12, None, "the same, first batch of a new JVM"),
    Goal("split_cost", 3.2, None, "the same ticks in 13 batches, in the processor time of one batch"),
    Goal("tiny_batch_cpu_s", 3, None, "a batch of 400 ticks, processor seconds, warm"),
    Goal("tiny_batch_wall_s", 2.5, None, "the same, seconds on the clock"),
    Goal("startup_ratio", 0.45, None, "exec to first batch done, processor time, in that of Spark's defaults"),
)


def work(found: Mapping[str, Mapping[str, float]], unit: str) -> float:
    """A round's work is its batches and the closing of the open minutes: then the tables hold what DuckDB's files hold."""
    return found["batches"][unit] + found["close"][unit]


# row of the table -> (what was measured, the values of one measurement)
ROWS: Mapping[str, tuple[str, Callable[[Any, str], float]]] = {
    "stream, one batch, warm": ("one", work),
    "DuckDB, warm": ("duck", lambda found, unit: float(found[unit])),
    "stream, first batch of a JVM": ("cold", work),
    "DuckDB, first round of a process": ("duck_cold", lambda found, unit: float(found[unit])),
    "stream, the same ticks in many batches, warm": ("split", work),
    "stream, 400 ticks, warm": ("tiny", lambda found, unit: float(found[unit])),
    "start of the query on a fresh lake, warm": ("one", lambda found, unit: float(found["start"][unit])),
    "a session (JVM, Spark, Delta)": ("session", lambda found, unit: float(found[unit])),
    "exec to first batch done, spark-submit.sh": ("start", lambda found, unit: float(found[f"first_{unit}"])),
    "exec to first batch done, Spark's defaults": ("start_plain", lambda found, unit: float(found[f"first_{unit}"])),
    "exec to the end, spark-submit.sh": ("start", lambda found, unit: float(found[f"end_{unit}"])),
    "exec to the end, Spark's defaults": ("start_plain", lambda found, unit: float(found[f"end_{unit}"])),
}


def values(found: Found, row: str, unit: str) -> list[float]:
    """The measurements of a row."""
    name, of = ROWS[row]
    return [of(each, unit) for each in found.get(name, ())]


def middle(found: Found, row: str, unit: str) -> float | None:
    """Their median; None if there are none."""
    each = values(found, row, unit)
    return median(each) if each else None


def ratio(above: float | None, below: float | None) -> float | None:
    """None where either is not known."""
    return None if above is None or not below else above / below


def figures(found: Found, *, ticks: int, compared: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON line."""
    names = list(ROWS)
    one, duck, cold, duck_cold, split, tiny, start, session, first, plain, end, plain_end = (
        {unit: middle(found, name, unit) for unit in ("cpu", "wall")} for name in names
    )
    made = {
        "ratio_cpu_warm": ratio(one["cpu"], duck["cpu"]),
        "ratio_cpu_cold": ratio(cold["cpu"], duck_cold["cpu"]),
        "ratio_wall_warm": ratio(one["wall"], duck["wall"]),
        "split_cost": ratio(split["cpu"], one["cpu"]),
        "tiny_batch_cpu_s": tiny["cpu"],
        "tiny_batch_wall_s": tiny["wall"],
        "startup_ratio": ratio(first["cpu"], plain["cpu"]),
        "startup_cpu_s": first["cpu"],
        "startup_wall_s": first["wall"],
        "startup_end_cpu_s": end["cpu"],
        "startup_end_ratio": ratio(end["cpu"], plain_end["cpu"]),
        "stream_cpu_s": one["cpu"],
        "stream_wall_s": one["wall"],
        "duckdb_cpu_s": duck["cpu"],
        "duckdb_wall_s": duck["wall"],
        "cold_cpu_s": cold["cpu"],
        "start_cpu_s": start["cpu"],
        "session_cpu_s": session["cpu"],
    }
    rounded = {name: None if value is None else round(value, 3) for name, value in made.items()}
    return {"bench": "stream", **rounded, "ticks": ticks, "equal": sorted(compared)}


def table(found: Found) -> list[tuple[str, ...]]:
    """Rows: what, how often, CPU min/median/max, wall min/median/max."""
    rows = []
    for row in ROWS:
        if found.get(ROWS[row][0]):
            used, passed = (sorted(values(found, row, unit)) for unit in ("cpu", "wall"))
            rows.append((row, str(len(used)), *(f"{f(each):.2f}" for each in (used, passed) for f in (min, median, max))))
    return rows


HEAD = ("seconds", "times", "CPU min", "median", "max", "wall min", "median", "max")


def plain_table(found: Found) -> str:
    """For a terminal."""
    rows = [HEAD, *table(found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def verdict(goal: Goal, value: float | None) -> str:
    """Of one goal."""
    if value is None:
        return "not measured"
    if value > goal.bound:
        return f"**missed** by {value / goal.bound - 1:.0%}"
    if goal.aim is not None:
        return f"met; the aim of {goal.aim:g} is " + (
            "met, too" if value <= goal.aim else f"missed by {value / goal.aim - 1:.0%}"
        )
    return "met"


def verdicts(told: Mapping[str, Any], goals: Sequence[Goal] = GOALS) -> list[tuple[str, str, str, str]]:
    """Goal, bound, figure, verdict."""
    return [
        (
            f"`{goal.figure}`: {goal.says}",
            f"{goal.bound:g}",
            "?" if told[goal.figure] is None else f"{told[goal.figure]:.2f}",
            verdict(goal, told[goal.figure]),
        )
        for goal in goals
    ]


def page(found: Found, told: Mapping[str, Any], machine: Mapping[str, str], before: str, costs: str) -> str:
    """docs/benchmarks.md; `costs` is the section about what a batch costs, and the notes that people wrote into the former page stay."""
    notes = before[before.index(NOTES) :] if NOTES in before else f"{NOTES}\n"
    return PAGE.format(
        goals=lines(verdicts(told)),
        measured=lines(table(found)),
        where=listed(machine),
        costs=costs,
        notes=notes,
        ticks=f"{told['ticks']:,}",
        wall=_text(told["ratio_wall_warm"]),
        head=" | ".join(HEAD),
    )


def lines(rows: Sequence[Sequence[str]]) -> str:
    """Rows of a table on the page."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def listed(machine: Mapping[str, str]) -> str:
    """What it ran on, on the page."""
    return "\n".join(f"- {name}: {value}" for name, value in machine.items())


def _text(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


PAGE = """# Benchmarks

Written by `make bench`; do not edit, except for the notes at the end, which it keeps. `make bench` takes about ten minutes
on two quiet cores; `.venv/bin/python -m tests.benchmarks --help` names the parts, other sizes and the profile.

## Goals

| Goal | at most | here | |
|---|---:|---:|---|
{goals}

On the clock, warm, one batch takes {wall} times what DuckDB takes.

## Measurements

| {head} |
|---|---:|---:|---:|---:|---:|---:|---:|
{measured}

{where}

## What is measured

- {ticks} generated ticks of four Binance feeds (`agg_trade`), one hour, in 60 gzip landing objects, each tick once; no
  making of data is measured. Both sides write all columns of `trades` and the values of `minute_aggregates`, deduplicated,
  sorted, exact, as zstd parquet by pair. Before a time counts, the rows of both are compared, every column that both have.
- *stream*: the query of `jobs/queries/trades.py` as the job runs it, on a fresh lake each time, in a session configured by
  what `spark-submit.sh --dry-run` says, on two cores. Its work is the batch and the closing of the open minutes; the start
  of the query (three tables are made) stands apart. It also keeps the state of the feeds, completeness, quarantine and the
  record of the batch, which DuckDB does not.
- *DuckDB*: `tests/benchmarks/duck.sql` in a process of its own with two threads.
- Processor seconds are those of all threads of the processes (JVM and Python), from /proc: compilers and garbage collection
  included.
- *Warm* rounds take turns in one JVM and one DuckDB process, after two rounds that do not count; *cold* ones are the first
  of new processes. The tiny batches hold 400 new ticks each, of the minutes after the hour, on the lake that holds the hour.
- *Spark's defaults*: the same job with only the settings without which it refuses to start, Delta's two, and the jars by
  `--jars`: no class-data archive, both compilers, 200 shuffle partitions. `spark-submit.sh` runs with `TICKLAKE_JIT=c1`.

{costs}
{notes}"""
