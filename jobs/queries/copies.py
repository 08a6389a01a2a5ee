"""A table in which a key stands more than once, as two drivers may leave it: each once."""

import logging
from collections.abc import Sequence
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.runtime import deltalog
from jobs.runtime.frames import frame, keys
from jobs.runtime.live import Live

log = logging.getLogger(__name__)


def keep_first(live: Live, by: Sequence[Column]) -> None:
    """Each key once, the first committed copy; partitions without a doubled key are left alone."""
    order = frame(live.spark, _versions(live), "file STRING, version BIGINT")
    found = live.read().select("*", F.element_at(F.split("_metadata.file_path", "/"), -1).alias("file"))
    copies = Window.partitionBy(*by).orderBy(
        F.coalesce("version", F.lit(-1)),
        *(F.col(name) for name in ("recv_ts", "conn", "seq", "item") if name in live.table.names),
    )
    numbered = found.join(order, on="file", how="left").select("*", F.row_number().over(copies).alias("copy"))
    keep(live, numbered.where("copy = 1"), but=numbered.where("copy > 1"))


def keep(live: Live, rows: DataFrame, *, but: DataFrame) -> None:
    """Write the partitions that hold rows of `but` without them."""
    parts = live.table.partitioned_by
    spoilt = keys(but.select(*parts).distinct() if parts else but.limit(1))
    if spoilt:
        log.error("event=rows_removed table=%s rows=%d partitions=%d", live.table.name, but.count(), len(spoilt))
        predicate = " OR ".join("(" + " AND ".join(f"{name} = {row[name]!r}" for name in parts) + ")" for row in spoilt if parts)
        live.overwrite(rows.where(predicate or "TRUE").select(*live.table.names), predicate or None)


def _versions(live: Live) -> list[tuple[str, int]]:
    """Which version brought each file, as far as the log tells; what it no longer tells is older than all that it does."""
    found: dict[str, int] = {}
    for version in range(live.version, -1, -1):
        commit = deltalog.commit(live.store, live.table.name, version)
        if commit is None:
            break
        found.update({unquote(name).rsplit("/", 1)[-1]: version for name in commit.added})
    return list(found.items())
