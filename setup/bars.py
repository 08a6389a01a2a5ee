"""The demo's tables as a person reads them; without Spark."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

COLUMNS = ("minute", "open", "high", "low", "close", "volume", "trades", "buys", "missing", "complete")
QUERY = """
SELECT venue, market, feed, pair, strftime(minute AT TIME ZONE 'UTC', '%H:%M') AS clock, open, high, low, close, volume, trades,
       CASE WHEN volume > 0 THEN cast(round(100 * buy_volume / volume) AS INTEGER) END AS buys, missing_trades, is_complete
FROM read_parquet(?, hive_partitioning = true, hive_types = {'year': INT, 'month': INT})
ORDER BY venue, market, feed, pair, minute
"""
NEXT = """Next:
  ./spark-submit.sh stream --conf {folder}/conf.yaml --once    again: nothing is read twice, nothing changes
  .venv/bin/python notebooks/01_first_look.py                  a day's candles from this lake
  make test                                                    all that is promised, tried"""


def files(table: Path) -> list[str]:
    """The data files of a Delta table's newest version."""
    from deltalake import DeltaTable  # noqa: PLC0415 - only the demo needs it

    return DeltaTable(table).file_uris()


def rows(lake: Path) -> list[tuple[Any, ...]]:
    """The minutes, in the order of the report."""
    import duckdb  # noqa: PLC0415 - only the demo needs it

    return duckdb.execute(
        QUERY.replace("minute_aggregates.minute", "minute"), [files(lake / "tables" / "minute_aggregates")]
    ).fetchall()


def number(value: Decimal | None) -> str:
    """A decimal without the zeros that its column adds."""
    if value is None:
        return ""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def completeness(*, is_complete: bool | None, missing: int | None, is_edge: bool) -> str:
    """What the flags mean, in a word or two."""
    if is_complete is None:
        return "unknown: ids are not dense"
    if is_complete:
        return "yes"
    return f"no: {missing} missing" if missing else "cut: first or last" if is_edge else "no: next to a hole"


def table(minutes: Sequence[Sequence[Any]]) -> str:
    """The minutes of one series."""
    lines = [list(COLUMNS)]
    for place, (minute, *prices, trades, buys, missing, is_complete) in enumerate(minutes):
        word = completeness(is_complete=is_complete, missing=missing, is_edge=place in (0, len(minutes) - 1))
        shown = [number(price) for price in prices]
        lines.append([minute, *shown, f"{trades:,}", f"{buys} %", "" if missing is None else str(missing), word])
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join("  " + "  ".join(_cell(line, column, widths) for column in range(len(COLUMNS))).rstrip() for line in lines)


def _cell(line: Sequence[str], column: int, widths: Sequence[int]) -> str:
    return line[column].ljust(widths[column]) if column in (0, len(COLUMNS) - 1) else line[column].rjust(widths[column])


def tables(minutes: Iterable[tuple[Any, ...]]) -> str:
    """One table a series."""
    parts = []
    for (venue, market, feed, pair), of_series in groupby(minutes, lambda row: row[:4]):
        parts.append(f"{pair}  {venue} {market}, {feed}\n{table([row[4:] for row in of_series])}")
    return "\n\n".join(parts)


def report(folder: Path, hole: Sequence[str]) -> str:
    """All that the demo has to say at its end."""
    lake = folder / "lake"
    landed = sorted(lake.glob("landing/**/*.jsonl.gz"))
    size = sum(path.stat().st_size for path in landed)
    written = [f"  {lake}/tables/{path.name:<20} {len(files(path))} files" for path in sorted(lake.glob("tables/*"))]
    venue, market, pair, _, count = hole
    return "\n".join(
        [
            "",
            tables(rows(lake)),
            "",
            f"The hole in {pair} of {venue} {market} was planted: the simulator kept {count} messages back.",
            "The first and the last minute of each series are cut by the start and the end of the demo.",
            "",
            "Written:",
            f"  {lake}/landing/  {len(landed)} objects, {size / 1000:,.0f} kB: every message as it arrived",
            *written,
            f"  {folder}/truth.jsonl: what the simulator says it sent, to compare",
            "",
            NEXT.format(folder=folder),
        ]
    )
