"""The demo's tables as a person reads them; without Spark."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import unquote

COLUMNS = ("minute", "open", "high", "low", "close", "volume", "trades", "buys", "missing", "complete")
QUERY = """
SELECT venue, market, feed, pair, strftime(minute AT TIME ZONE 'UTC', '%H:%M'), open, high, low, close, volume, trades,
       CASE WHEN volume > 0 THEN cast(round(100 * buy_volume / volume) AS INTEGER) END AS buys, missing_trades, is_complete
FROM read_parquet(?, hive_partitioning = true, hive_types = {'year': INT, 'month': INT})
ORDER BY venue, market, feed, pair, minute
"""
DAYS = "SELECT DISTINCT strftime(minute AT TIME ZONE 'UTC', '%Y-%m-%d') AS day FROM read_parquet(?) ORDER BY day"
SIZE = "SELECT count(*) FROM read_parquet(?)"
NOTES = """buys: the share of the volume that takers bought. missing: trades that must have been, going by the venue's ids.
cut: what was collected begins or ends here. unknown: the venue's ids are not dense, so a missing trade cannot be told."""
NEXT = {
    ".venv/bin/python notebooks/01_first_look.py": "pictures of this lake, saved beside it",
    "./spark-submit.sh stream --conf {folder}/conf.yaml --once": "the stream again: nothing is read twice, nothing changes",
    "make test": "all that is promised, tried",
}


def files(table: Path) -> list[str]:
    """The data files of a Delta table's newest version."""
    from deltalake import DeltaTable  # noqa: PLC0415 - only the demo needs it

    return [unquote(uri) for uri in DeltaTable(table).file_uris()]  # a folder may have a space


def rows(query: str, table: Path) -> list[tuple[Any, ...]]:
    """What a query finds in a table; nothing in a table without files."""
    import duckdb  # noqa: PLC0415 - only the demo needs it

    found = files(table)
    return duckdb.execute(query, [found]).fetchall() if found else []


def places(value: Decimal) -> int:
    """How many decimals say all of it."""
    return len(f"{value:f}".partition(".")[2].rstrip("0"))


def numbers(values: Sequence[Decimal]) -> list[str]:
    """With as many decimals as the longest one needs, so that their points stand below each other."""
    longest = max(map(places, values), default=0)
    return [f"{value:,.{longest}f}" for value in values]


def completeness(*, is_complete: bool | None, missing: int | None, is_edge: bool) -> str:
    """What the flags mean, in a word or two."""
    if is_complete is None:
        return "unknown"
    if is_complete:
        return "yes"
    return f"no: {missing} missing" if missing else "cut: first or last" if is_edge else "no: next to a hole"


def table(minutes: Sequence[Sequence[Any]]) -> str:
    """The minutes of one series."""
    prices = iter(numbers([price for minute in minutes for price in minute[1:5]]))
    volumes = iter(numbers([minute[5] for minute in minutes]))
    lines = [list(COLUMNS)]
    for place, (clock, *_, trades, buys, missing, is_complete) in enumerate(minutes):
        word = completeness(is_complete=is_complete, missing=missing, is_edge=place in (0, len(minutes) - 1))
        candle = [next(prices) for _ in range(4)]
        told = [f"{trades:,}", f"{buys} %", "" if missing is None else str(missing), word]
        lines.append([clock, *candle, next(volumes), *told])
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


def _written(table: Path) -> str:
    ((count,),) = rows(SIZE, table) or [(0,)]
    return f"  {table!s:<36}{count:>7,} rows in {len(files(table))} files"


def report(folder: Path, hole: Sequence[str]) -> str:
    """All that the demo has to say at its end."""
    lake = folder / "lake"
    landed = sorted(lake.glob("landing/**/*.jsonl.gz"))
    size = sum(path.stat().st_size for path in landed)
    with (folder / "truth.jsonl").open(encoding="utf-8") as lines:
        true = sum(1 for _ in lines)
    written = [_written(path) for path in sorted(lake.glob("tables/*"))]
    minutes = lake / "tables/minute_aggregates"
    venue, market, pair, _, count = hole
    return "\n".join(
        [
            "",
            f"Minutes of {' and '.join(day for (day,) in rows(DAYS, minutes))}, UTC:",
            "",
            tables(rows(QUERY, minutes)),
            "",
            f"The hole in {pair} of {venue} {market} was planted: the simulator kept {count} messages back.",
            "The collector missed them at once (channel=events below the landing zone says so), and was given no REST to fetch them from.",
            NOTES,
            "",
            "Written:",
            f"  {f'{lake}/landing':<36}{len(landed):>7,} objects, {size / 1000:,.0f} kB: every message as it arrived",
            *written,
            f"  {f'{folder}/truth.jsonl':<36}{true:>7,} trades: what there was on the market, sent or not, to compare",
            "",
            "Next:",
            *(f"  {command.format(folder=folder):<56}  {what}" for command, what in NEXT.items()),
        ]
    )
