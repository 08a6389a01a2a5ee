"""The same batches to the stream's query and to the oracle; each record is held to the oracle's counts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ingest.landing import Files
from jobs.queries.trades import Trades
from tests.support.oracle import Oracle
from tests.support.stream import take


def land(lake: Path, objects: Mapping[str, bytes]) -> None:
    """Put objects into the landing zone."""
    for key, data in objects.items():
        Files(lake).create(key, data)


def feed(
    query: Trades, oracle: Oracle, objects: Mapping[str, bytes], batches: Sequence[Sequence[str]]
) -> list[Mapping[str, Any]]:
    """Each batch to both."""
    records = []
    for number, keys in enumerate(batches):
        record = take(query, keys, number)
        told = oracle.batch({key: objects[key] for key in keys})
        assert accounted(record) == told, record
        records.append(record)
    return records


def accounted(record: Mapping[str, Any]) -> dict[str, int]:
    """A batch's record in the oracle's words: what became of each item."""
    return {
        "items": record["items"],
        "control": record["control"],
        "trades": record["fresh"] + record.get("late", 0),
        "duplicates": record.get("duplicates", 0) + record.get("replayed", 0),
        "conflicts": record.get("conflicts", 0),
        "quarantined": record.get("quarantined", 0),
    }
