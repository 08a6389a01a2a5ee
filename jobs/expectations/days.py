"""Days of a table: which of them changed, and the rows of some."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.runtime.frames import keys
from jobs.transforms.spans import Spans, time_of

DAY = timedelta(days=1)
Days = Mapping[str, Iterable[date]]  # of tables


def days_in(spans: Spans) -> set[date]:
    """The days that minutes lie in."""
    found: set[date] = set()
    for low, high in (span for spans_ in spans.values() for span in spans_):
        first, last = time_of(low).date(), time_of(high).date()
        found |= {first + DAY * place for place in range((last - first).days + 1)}
    return found


def within(column: str, first: date, last: date) -> str:
    """A literal condition that skips files. Not by partition: a row that lies in a wrong one is to be seen."""
    return f"({column} >= TIMESTAMP '{first} 00:00:00+00:00' AND {column} < TIMESTAMP '{last + DAY} 00:00:00+00:00')"


def days_there(rows: DataFrame, column: str) -> set[date]:
    """The days that have rows."""
    found = keys(rows.select(F.to_date(column).alias("day")).where("day IS NOT NULL").distinct())
    return {row["day"] for row in found}


def plain(days: Days) -> dict[str, list[str]]:
    """As JSON."""
    return {name: sorted(map(str, found)) for name, found in sorted(days.items())}


def days(told: Mapping[str, Iterable[str]]) -> dict[str, set[date]]:
    """From JSON."""
    return {name: {date.fromisoformat(text) for text in found} for name, found in told.items()}


def computed(rows: DataFrame, columns: Mapping[str, str]) -> DataFrame:
    """With columns more. One that cannot be, as what it is made of is not there, is left out: the expectation that wants it says so."""
    if not columns:
        return rows
    try:
        return rows.select("*", *(F.expr(text).alias(name) for name, text in columns.items()))
    except AnalysisException:
        if len(columns) == 1:
            return rows
    for name, text in columns.items():
        rows = computed(rows, {name: text})
    return rows
