"""What a start has to know: the state, and what a former driver committed after the minutes that it wrote."""

from collections.abc import Mapping
from typing import NamedTuple

from pyspark.sql import DataFrame

from jobs.queries import leftovers
from jobs.queries.live_tables import LiveTables
from jobs.queries.plan import Change
from jobs.runtime.frames import keys
from jobs.runtime.progress import Versions
from jobs.transforms import fresh
from jobs.transforms.feeds import Brought, Feed, State, brought, voids


class Later(NamedTuple):
    """What came after some versions."""

    trades: Mapping[Feed, Brought]
    seen: Mapping[Feed, Brought]


def whole(tables: LiveTables) -> State:
    """The state, from one scan of ids and times."""
    return _scanned(tables, tables.trades.read(), tables.quarantine.read())


def up_to(tables: LiveTables, versions: Versions) -> State:
    """The same, of the tables as they once were."""
    trades = tables.spark.read.format("delta").option("versionAsOf", versions.trades).load(tables.trades.path)
    quarantine = tables.spark.read.format("delta").option("versionAsOf", versions.quarantine).load(tables.quarantine.path)
    return _scanned(tables, trades, quarantine)


def _scanned(tables: LiveTables, trades: DataFrame, quarantine: DataFrame) -> State:
    state: State = {}
    change = Change(state)
    change.take(brought(keys(fresh.marks(trades))), tables.dense)
    change.take(voids(leftovers.seen_ids(quarantine)), tables.dense)
    return state


def later(tables: LiveTables, versions: Versions) -> Later | None:
    """What came after these versions; None where the log does not tell any more, so that everything has to be brought.

    `Foreign` where rows were changed by no driver of ours.
    """
    for live, version in zip(tables.all, versions, strict=True):
        live.check_after(version)
    trades = tables.trades.added_after(versions.trades)
    quarantined = tables.quarantine.added_after(versions.quarantine)
    if trades is None or quarantined is None:
        return None
    came = brought(tables.marks_of(trades))
    seen = voids(leftovers.seen_ids(tables.quarantine.files(quarantined))) if quarantined else {}
    return Later(came, seen)
