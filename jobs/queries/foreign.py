"""After a second driver wrote: keep each key once, forget what was known, bring every minute."""

import logging
from collections.abc import Sequence
from urllib.parse import unquote

from pyspark.sql import Column, Window
from pyspark.sql import functions as F

from jobs.queries.leftovers import key
from jobs.queries.trades import Trades
from jobs.runtime import deltalog
from jobs.runtime.frames import frame, keys
from jobs.runtime.live import Live

log = logging.getLogger(__name__)


def repair(query: Trades) -> None:
    """Make the tables what one driver would have made of the same landing zone."""
    query.progress.drop()
    for live in (query.trades, query.quarantine, query.minutes):
        live.open(accept=True)
    keep_first(query.trades, [F.col(name) for name in query.trades.table.key])
    keep_first(query.quarantine, [key()])
    query.start_over()


def keep_first(live: Live, by: Sequence[Column]) -> None:
    """Each key once, the first committed copy; partitions without a doubled key are left alone."""
    order = frame(live.spark, _versions(live), "file STRING, version BIGINT")
    parts = list(live.table.partitioned_by)
    found = live.read().select("*", F.element_at(F.split("_metadata.file_path", "/"), -1).alias("file"))
    copies = Window.partitionBy(*by).orderBy(
        F.coalesce("version", F.lit(-1)), *(F.col(name) for name in ("recv_ts", "conn", "seq", "item"))
    )
    numbered = found.join(order, on="file", how="left").select("*", F.row_number().over(copies).alias("copy"))
    doubled = keys(numbered.where("copy > 1").select(*parts).distinct())
    if not doubled:
        return
    log.error("event=keys_doubled table=%s partitions=%d", live.table.name, len(doubled))
    predicate = " OR ".join("(" + " AND ".join(f"{name} = {row[name]!r}" for name in parts) + ")" for row in doubled)
    live.overwrite(numbered.where("copy = 1").where(predicate).select(*live.table.names), predicate)


def _versions(live: Live) -> list[tuple[str, int]]:
    """Which version brought each file, as far as the log tells; what it no longer tells is older than all that it does."""
    found: dict[str, int] = {}
    for version in range(live.version, -1, -1):
        commit = deltalog.commit(live.store, live.table.name, version)
        if commit is None:
            break
        found.update({unquote(name).rsplit("/", 1)[-1]: version for name in commit.added})
    return list(found.items())
