"""The figures of a batch's cost, their goals, and the section of the page. Pure."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.costs.fit import Fit, Step, files, fitted, growths, steps_of_files, steps_of_objects, steps_of_ticks, usual
from tests.benchmarks.costs.points import Found, Sizes

BEGIN, END = "## What a batch costs\n", "\n## "
UNITS = ("cpu", "wall")
# how a term is written, and how many of that make a second
SCALES = {"batch": ("s", 1), "tick": ("µs", 1e6), "object": ("ms", 1e3), "file": ("ms", 1e3)}
FLAT = 1.5
GOALS = (
    report.Goal("b_growth_ticks", FLAT, None, "a tick's cost beyond 100,000 of them, in that below"),
    report.Goal("b_growth_pairs", FLAT, None, "a tick's cost with the most pairs, in that with one"),
    report.Goal("b_growth_table", FLAT, None, "a tick's cost behind the biggest table, in that behind the smallest"),
    report.Goal("a_growth_batches", FLAT, None, "the hundredth batch of 100 ticks, in the second"),
    report.Goal("a_growth_table", FLAT, None, "a batch of 10,000 ticks behind the biggest table, in that behind the smallest"),
    report.Goal("c_growth", FLAT, None, "an object's cost among the most objects, in that among fewer"),
    report.Goal("d_growth", FLAT, None, "a file's cost among the most files, in that among fewer"),
)


def figures(found: Found, sizes: Sizes) -> dict[str, Any]:
    """Of the JSON line."""
    told: dict[str, Any] = {"points": len(found), "repeats": sizes.repeats}
    for unit in UNITS:
        fit = _fit(found, unit)
        for name, (scale, many) in SCALES.items():
            told[f"{name}_{unit}_{scale.replace('µ', 'u')}"] = round(fit.terms[name] * many, 3)
        told[f"off_most_{unit}"] = round(abs(fit.worst()[1]), 3)
    grown = growths(usual(found, "cpu"), files(found), sizes)
    return told | {name: None if value is None else round(value, 3) for name, value in grown.items()}


def section(found: Found, sizes: Sizes, machine: Mapping[str, str]) -> str:
    """Our part of the page."""
    fits = {unit: _fit(found, unit) for unit in UNITS}
    costs = {unit: usual(found, unit) for unit in UNITS}
    written = files(found)
    steps = zip(*(steps_of_ticks(costs[unit], sizes) for unit in UNITS), strict=True)
    objects = zip(*(steps_of_objects(costs[unit], sizes) for unit in UNITS), strict=True)
    of_files = zip(*(steps_of_files(costs[unit], written, sizes) for unit in UNITS), strict=True)
    return PART.format(
        begin=BEGIN,
        goals=report.lines(verdicts(figures(found, sizes))),
        terms=report.lines([_terms(unit, fits[unit]) for unit in UNITS]),
        worst="; ".join(f"{unit} {off:+.0%} at {point}" for unit, (point, off) in ((u, fits[u].worst()) for u in UNITS)),
        points=report.lines(table(found)),
        steps=report.lines([_step(cpu, wall) for cpu, wall in steps]),
        ends=report.lines(
            [
                *(("objects read", f"{cpu.low.objects:,}", f"{cpu.high.objects:,}", *_ms(cpu, wall)) for cpu, wall in objects),
                *(
                    ("files written", f"{written[cpu.low]:,}", f"{written[cpu.high]:,}", *_ms(cpu, wall))
                    for cpu, wall in of_files
                ),
            ]
        ),
        where="\n".join(f"- {name}: {value}" for name, value in machine.items()),
        repeats=sizes.repeats,
        pairs=sizes.usual_pairs,
    )


def kept(before: str) -> str:
    """Our part of a page that is written anew, as it was."""
    if BEGIN not in before:
        return f"{BEGIN}\nNot measured yet: `make bench-costs` writes it.\n"
    own = before[before.index(BEGIN) :]
    return own[: end + 1].rstrip() + "\n" if (end := own.find(END)) >= 0 else own


def placed(part: str, before: str) -> str:
    """The page with our part in the place of the former one, or before the notes."""
    if BEGIN in before:
        return before.replace(kept(before), part, 1)
    rest, notes, own = before.partition(report.NOTES)
    return f"{rest.rstrip()}\n\n{part}\n{notes}{own}"


def verdicts(told: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Goal, bound, figure, verdict."""
    return report.verdicts(told, GOALS)


HEAD = (
    "ticks",
    "pairs",
    "objects",
    "trades before",
    "batch",
    "files",
    "CPU min",
    "median",
    "max",
    "wall min",
    "median",
    "max",
    "off",
)


def table(found: Found) -> list[tuple[str, ...]]:
    """A row for each point, with the seconds of its repeats and by how much the median is off the fit."""
    off, written = _fit(found, "cpu").off, files(found)
    return [
        (
            *(f"{number:,}" for number in (point.ticks, point.pairs, point.objects, point.behind, point.number, written[point])),
            *(f"{of(cost[unit] for cost in costs):.2f}" for unit in UNITS for of in (min, median, max)),
            f"{off[point]:+.0%}",
        )
        for point, costs in found.items()
    ]


def plain(found: Found) -> str:
    """For a terminal."""
    rows = [HEAD, *table(found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, "", *("  ".join(_terms(unit, _fit(found, unit))) for unit in UNITS)])


def _fit(found: Found, unit: str) -> Fit:
    return fitted(usual(found, unit), files(found))


def _terms(unit: str, fit: Fit) -> tuple[str, ...]:
    told = (f"{fit.terms[name] * many:.{2 if scale == 's' else 1}f} {scale}" for name, (scale, many) in SCALES.items())
    return ("CPU" if unit == "cpu" else unit, *told, f"{abs(fit.worst()[1]):.0%}")


def _step(cpu: Step, wall: Step) -> tuple[str, ...]:
    low, high = cpu.low, cpu.high
    return (
        *(f"{number:,}" for number in (low.ticks, high.ticks, low.pairs, low.behind)),
        *(f"{each.each * SCALES['tick'][1]:.1f}" for each in (cpu, wall)),
    )


def _ms(cpu: Step, wall: Step) -> tuple[str, ...]:
    return tuple(f"{each.each * SCALES['file'][1]:.2f}" for each in (cpu, wall))


PART = """{begin}
Written by `make bench-costs`, which keeps the rest of the page. What it reads is made once, 3 GB below `.cache/benchmarks`.

| Goal | at most | here | |
|---|---:|---:|---|
{goals}

The cost of a batch as a sum: so much for the batch itself, for each tick, for each landing object that it reads, for each file that it
writes.

| | a batch | a tick | an object | a file | off at most |
|---|---:|---:|---:|---:|---:|
{terms}

Farthest off: {worst}.

| ticks | pairs | objects | trades before | batch | files | CPU s min | median | max | wall s min | median | max | off |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
{points}

What one more tick costs, from one batch to a bigger one, without the fit:

| from ticks | to | pairs | trades before | CPU µs | wall µs |
|---:|---:|---:|---:|---:|---:|
{steps}

And what one more object or file costs:

| | from | to | CPU ms | wall ms |
|---|---:|---:|---:|---:|
{ends}

{where}

- A batch of the stream in a warm JVM, as above, after a round over all points that does not count; {repeats} more rounds follow. Each batch
  has a lake of its own and is its second: the first is a small one of the same pairs, whose minute it closes. Those that are first and
  hundredth are of a row of batches of 100 ticks; of it the last {repeats} count as the hundredth. {pairs} pairs and ten objects where
  nothing else is said.
- Before a time counts, every row of the batches' trades and minutes is compared with DuckDB's.
- The sum is fitted to the medians of the rounds, each point weighed by its cost, no term below zero. *Off* is by how much of its cost a
  point is above (+) or below (-) the sum. Every pair of a batch is a file of trades and one of minutes, so what a pair costs beside them
  is in a file's.
- Trades before: a table that DuckDB wrote, by pair and month, up to two years, in files of some 30 MB that are sorted by time, with its
  statistics in the log; the driver knows its state from the progress. Of the table of minutes there is none before.
"""
