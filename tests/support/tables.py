"""Rows of tables, whole, as Python values; and what differs between those that are there and those that should be."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame

from jobs.queries.trades import Trades
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.trades import TRADES
from tests.support.oracle import Oracle
from tests.support.stream import NOW

PLACE = ("object", "line_sha256", "channel", "conn", "seq", "item")
MINUTES = tuple(name for name in MINUTE_AGGREGATES.names if name != "updated_at")


def rows_of(frame: DataFrame) -> list[dict[str, Any]]:
    """All rows, times with their zone, structs as dicts."""
    return [_plain(row.asDict(recursive=True)) for row in frame.collect()]


def _plain(value: Any) -> Any:  # noqa: ANN401 - what stands in a row
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def assert_rows(found: Iterable[Mapping[str, Any]], expected: Iterable[Mapping[str, Any]], key: Sequence[str]) -> None:
    """The same rows, each once, in every column."""
    there, wanted = list(found), list(expected)
    by_key = {tuple(row[name] for name in key): row for row in there}
    should = {tuple(row[name] for name in key): row for row in wanted}
    assert len(should) == len(wanted), "the expectation holds a key twice"
    wrong = [f"there, and should not be: {place}" for place in by_key.keys() - should.keys()]
    wrong += [f"not there: {place}" for place in should.keys() - by_key.keys()]
    for place in by_key.keys() & should.keys():
        here, right = by_key[place], should[place]
        assert here.keys() == right.keys(), f"columns: {sorted(here.keys() ^ right.keys())}"
        wrong += [f"{place}: {name} is {here[name]}, not {right[name]}" for name in right if here[name] != right[name]]
    assert not wrong, f"{len(wrong)} differences\n" + "\n".join(sorted(wrong)[:20])
    assert len(there) == len(by_key), f"{len(there) - len(by_key)} keys are there more than once"


def assert_tables(query: Trades, oracle: Oracle, *, open_too: bool) -> None:
    """All three tables, whole rows, all columns (of quarantine all but the words of `detail`)."""
    assert_rows(rows_of(query.tables.trades.read()), oracle.trades, TRADES.key)
    quarantined = rows_of(query.tables.quarantine.read().drop("detail"))
    assert_rows(quarantined, oracle.quarantine, PLACE)
    assert_minutes(query.tables.minutes.read(), oracle.minutes(open_too=open_too))


def assert_minutes(frame: DataFrame, expected: Iterable[Mapping[str, Any]], *, at: datetime | None = NOW) -> None:
    """All of `minute_aggregates`; of a revision above 0 only that it is. `at`: when all of it was written; None: at any time."""
    found = rows_of(frame)
    written = {row.pop("updated_at") for row in found}
    assert None not in written
    assert at is None or written <= {at}
    assert all(set(row) == set(MINUTES) for row in found)
    assert_rows([row | {"revision": min(row["revision"], 1)} for row in found], expected, MINUTE_AGGREGATES.key)
