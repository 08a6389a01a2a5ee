"""What the answers took: ratios, the table, our part of the page. Pure."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from tests.benchmarks.layout.data import FILES, NAIVE, OURS, Size
from tests.benchmarks.layout.questions import QUESTIONS
from tests.benchmarks.layout.reading import Found
from tests.benchmarks.report import Section, lines, listed, ratio

SECTION = Section("## Layout of the history\n", "<!-- the end of what `make bench-layout` writes -->\n", "## Ingest\n")
ENGINES = {"duckdb": "DuckDB", "trino": "Trino"}
HEAD = ("", "ours MB", "naive MB", "naive / ours", "ours ms", "naive ms", "naive / ours")


def middle(found: Found, engine: str, question: str, layout: str, unit: str) -> float | None:
    """The median; None: not measured."""
    each = [float(getattr(reading, unit)) for reading in found.get((engine, question, layout), ())]
    return median(each) if each else None


def ratios(found: Found, engine: str, question: str) -> dict[str, float | None]:
    """How many times ours the other layout takes, of bytes and of seconds."""
    return {
        unit: ratio(middle(found, engine, question, NAIVE, unit), middle(found, engine, question, OURS, unit))
        for unit in ("bytes", "seconds")
    }


def figures(found: Found, sizes: Mapping[str, Size], rows: int) -> dict[str, Any]:
    """The JSON line. Above 1 is better than the other layout; None: not measured."""
    made = {
        f"{engine}_{question}_{unit}": None if value is None else round(value, 3)
        for engine in ENGINES
        for question in QUESTIONS
        for unit, value in ratios(found, engine, question).items()
    }
    return {
        "bench": "layout",
        **made,
        **{f"mb_{layout}": round(size.bytes / 1e6, 1) for layout, size in sizes.items()},
        "rows": rows,
    }


def table(found: Found, engine: str) -> list[tuple[str, ...]]:
    """Rows of one engine: what is asked, megabytes and their ratio, milliseconds and theirs. A ratio that speaks against us is bold."""
    return [
        (question.says, *_cells(found, engine, name)) for name, question in QUESTIONS.items() if (engine, name, OURS) in found
    ]


def _cells(found: Found, engine: str, question: str) -> list[str]:
    told = ratios(found, engine, question)
    cells = []
    for unit, scale, digits in (("bytes", 1e-6, 2), ("seconds", 1e3, 0)):
        for layout in (OURS, NAIVE):
            value = middle(found, engine, question, layout, unit)
            cells.append("?" if value is None else f"{value * scale:,.{digits}f}")
        cells.append(_ratio(told[unit]))
    return cells


def _ratio(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:.1f}" if value >= 1 else f"**{value:.2f}**"


def plain(found: Found) -> str:
    """For a terminal."""
    rows = [
        row for engine, name in ENGINES.items() if (of_engine := table(found, engine)) for row in ((name, *HEAD[1:]), *of_engine)
    ]
    return "\n".join(f"{row[0]:<66}" + "".join(f"{cell.replace('*', ''):>14}" for cell in row[1:]) for row in rows)


def section(found: Found, sizes: Mapping[str, Size], rows: int, machine: Mapping[str, str]) -> str:
    """Our part of the page."""
    measured = "\n\n".join(
        "\n".join(("| " + " | ".join((name, *HEAD[1:])) + " |", "|---" + "|---:" * (len(HEAD) - 1) + "|", lines(of_engine)))
        for engine, name in ENGINES.items()
        if (of_engine := table(found, engine))
    )
    stored = [(layout, f"{size.files:,}", f"{size.groups:,}", f"{size.bytes / 1e6:,.0f}") for layout, size in sizes.items()]
    return PART.format(
        begin=SECTION.begin,
        end=SECTION.end,
        measured=measured,
        stored=lines(stored),
        where=listed(machine),
        rows=f"{rows:,}",
        files=FILES,
    )


PART = """{begin}
Written by `make bench-layout`; do not edit. The first time it makes its files, 1 GB below `.cache/benchmarks`.

Five questions to the same trades in two layouts: how many megabytes an engine reads for the answer, and how long that takes. A bold
ratio: ours is the worse one.

{measured}

| layout | files | row groups | MB |
|---|---:|---:|---:|
{stored}

{where}

- {rows} generated aggregates of four pairs in two months, as `make bench-history` has them. Prices are drawn by chance, so that
  no layout can make them small: real ones lie closer together.
- *ours*: `history/trades` as the workers of `compact` make it, anew in each run.
- *naive*: the same rows in the same columns, types and folders. Within a month their order is chance's, in {files} files, as if so many
  tasks had appended what they had. pyarrow writes them as it does where it is told nothing (snappy, dictionaries wherever they fit, row
  groups of up to 1,048,576 rows: one a file, no page index), but for times as INT96, which is Spark's way.
- Before a figure counts, every row of the two is compared, every column; and the answers of all engines and layouts are the same.
- *DuckDB*: two threads, a process of its own, files on this machine in the memory of the system; its bytes are what the process read by
  whatever call (`rchar` of /proc/self/io). *Trino*: one node, 2 GB, by Glue's records from an S3 on this machine; its bytes are its own
  `physicalInputBytes`, which is what the S3 serves, but for the ends of files of which nothing else is read. Athena, which bills what it
  reads, was not tried.
- Medians of the rounds after the first one, each of which asks for another hour, id and day, of both layouts in turns; nothing is cached
  by the engines. Milliseconds are those of a person who waits, with an S3 next door: where it is farther away each megabyte costs more,
  and each file.
- Times of ours are UTC's and say so, INT96 says nothing; so to DuckDB they have a zone, and `date_trunc` asks a calendar for each. That is
  most of the time that it loses day by day: with `date_trunc('day', make_timestamp(epoch_us(ts)))` the answer took 67 ms in place of 214,
  by hand on the same files, and the other layout's 57.
- Trino passes over the pages that the index excludes, DuckDB over row groups alone. But where less than 1 MB lies between two pieces
  that it wants, Trino reads that, too.
{end}"""
