"""The table `quarantine` as all queries of the driver write it: an item once, whoever finds it."""

import logging
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.runtime.frames import frame
from jobs.runtime.live import Live
from jobs.runtime.mend import Damage
from jobs.tables.quarantine import QUARANTINE

log = logging.getLogger(__name__)
DAMAGE_SCHEMA = ", ".join(f"{column.name} {column.type}" for column in QUARANTINE.columns)


def key() -> Column:
    """What makes a quarantined item one: its place on the connection; for a line that is no envelope, the object and the line."""
    line = F.concat_ws("|", F.lit("line"), "object", "line_sha256")
    place = F.concat_ws("|", F.lit("item"), "channel", "conn", F.col("seq").cast("STRING"), F.col("item").cast("STRING"))
    return F.when(F.col("reason").isin("not_envelope", "object_corrupt"), line).otherwise(place)


def append(live: Live, rows: DataFrame, first_day: str, last_day: str) -> None:
    """What is not there yet, once. The days are those of the objects that the rows come from."""
    months = f"year * 12 + month BETWEEN {_month_number(first_day)} AND {_month_number(last_day)}"
    fresh = _new(rows, live.read().where(months))
    live.check()
    live.append(fresh.coalesce(1))


def note_damage(live: Live, damaged: Sequence[Damage]) -> None:
    """A row for each damaged object."""
    for damage in damaged:
        log.error("event=object_corrupt object=%s detail=%s", damage.object, damage.detail)
    if damaged:
        rows = frame(live.spark, [_damage_row(damage) for damage in damaged], DAMAGE_SCHEMA)
        live.append(_new(rows, live.read().where("reason = 'object_corrupt'")))


def _new(rows: DataFrame, there: DataFrame) -> DataFrame:
    keyed = rows.select("*", key().alias("key")).dropDuplicates(["key"])
    return keyed.join(there.select(key().alias("key")), on="key", how="left_anti").select(*QUARANTINE.names)


def _month_number(day: str) -> int:
    return int(day[:4]) * 12 + int(day[5:7])


def _damage_row(damage: Damage) -> tuple[object, ...]:
    """The row of a damaged object."""
    said = {
        "channel": damage.object.split("/channel=")[1].split("/")[0],
        "reason": "object_corrupt",
        "detail": damage.detail,
        "object": damage.object,
        "line_sha256": damage.sha256,
        "year": damage.day.year,
        "month": damage.day.month,
    }
    return tuple(said.get(name) for name in QUARANTINE.names)
