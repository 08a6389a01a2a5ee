"""A channel without trades: what is not there yet is appended by its key, the rest is a copy, a word, or quarantined. Keeps no state."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from jobs.queries import quarantine
from jobs.queries.channels import Channel
from jobs.queries.copies import keep_first
from jobs.runtime.frames import keys
from jobs.runtime.live import Live
from jobs.runtime.mend import Damage
from jobs.runtime.progress import Records
from jobs.transforms.items import DAY, quarantine_row

log = logging.getLogger(__name__)
PLACE = ("conn", "seq")  # of a line: the same one again is a copy, another one with its key a conflict
FRESH, COPY, CONFLICT, WORD, QUARANTINED = "fresh", "duplicates", "conflicts", "control", "quarantined"


@dataclass
class Appended:
    """The query of one channel, and its tables."""

    spark: SparkSession
    channel: Channel
    live: Live
    quarantine: Live
    records: Records

    @property
    def name(self) -> str:
        return self.channel.name

    def start(self) -> None:
        """Nothing is to be learnt: a batch that was committed by half finds its rows there."""
        for live in (self.live, self.quarantine):
            live.open()

    def batch(self, lines: DataFrame, number: int, query: str) -> dict[str, Any]:
        """Take in one batch of lines (`value`, `object`). Returns its record."""
        for live in (self.live, self.quarantine):
            live.check()
        items = self.channel.items(lines).persist()
        try:
            told = keys(items.agg(*_bounds()))[0]
            fated = self._fated(items, told).persist()
            try:
                counts = {row["fate"]: row["count"] for row in keys(fated.groupBy("fate").count())}
                if counts.get(FRESH):
                    self.live.append(fated.where(F.col("fate") == FRESH).select("row.*").coalesce(1))
                if counts.get(QUARANTINED) or counts.get(CONFLICT):
                    self._quarantine(fated, told)
            finally:
                fated.unpersist()
        finally:
            items.unpersist()
        record = {"batch": number, "query": query, "items": told["items"]}
        record |= {fate: counts.get(fate, 0) for fate in (WORD, FRESH, COPY, CONFLICT, QUARANTINED)}
        self.records.record(record, query, number)
        return record

    def repair(self) -> None:
        """After a second driver wrote: each key once, the first committed copy."""
        for live in (self.live, self.quarantine):
            live.open(accept=True)
        keep_first(self.live, [F.col(name) for name in self.channel.table.key])
        keep_first(self.quarantine, [quarantine.key()])

    def note_damage(self, damaged: Sequence[Damage]) -> None:
        """One row in quarantine for each damaged object."""
        quarantine.note_damage(self.quarantine, damaged)

    def finish(self) -> None:
        """Nothing is held back."""

    def _fated(self, items: DataFrame, told: Row) -> DataFrame:
        """Each item with what becomes of it."""
        key = self.channel.table.key
        is_row = F.col("reason").isNull() & ~F.col("word")
        once = Window.partitionBy("row_key").orderBy("recv_ts", *PLACE)
        keyed = items.select("*", F.when(is_row, F.struct(*(F.col(f"row.{name}") for name in key))).alias("row_key"))
        firsts = (F.first(name).over(once).alias(f"first_{name}") for name in PLACE)
        numbered = keyed.select("*", *firsts, F.row_number().over(once).alias("copy"))
        known = (F.col(name).alias(f"known_{name}") for name in PLACE)
        joined = numbered.join(self._there(told).select(F.struct(*key).alias("row_key"), *known), on="row_key", how="left")
        conn, seq = (F.coalesce(f"known_{name}", f"first_{name}") for name in PLACE)
        is_fresh = F.col("known_conn").isNull() & (F.col("copy") == 1)
        fate = (
            F.when(F.col("reason").isNotNull(), QUARANTINED)
            .when(F.col("word"), WORD)
            .when(is_fresh, FRESH)
            .when((F.col("conn") == conn) & (F.col("seq") == seq), COPY)
            .otherwise(CONFLICT)
        )
        why = F.concat(F.lit("its key is that of line "), seq.cast("STRING"), F.lit(" of "), conn)
        fated = joined.select(*items.columns, fate.alias("fate"), why.alias("of"))
        is_conflict = F.col("fate") == CONFLICT
        return fated.select(
            *(name for name in fated.columns if name not in ("reason", "why", "of")),
            F.when(is_conflict, "conflict").otherwise(F.col("reason")).alias("reason"),
            F.when(is_conflict, F.col("of")).otherwise(F.col("why")).alias("why"),
        )

    def _there(self, told: Row) -> DataFrame:
        """The rows that these may be copies of."""
        if told["first"] is None:
            return self.live.read().where("FALSE")
        return self.live.read().where(f"recv_ts BETWEEN TIMESTAMP '{told['first']}' AND TIMESTAMP '{told['last']}'")

    def _quarantine(self, fated: DataFrame, told: Row) -> None:
        rows = fated.where(F.col("fate").isin(QUARANTINED, CONFLICT)).select(*quarantine_row())
        quarantine.append(self.quarantine, rows, told["first_day"], told["last_day"])


def _bounds() -> Sequence[Column]:
    """How many items, and within what their copies are looked up."""
    at, day = F.col("recv_ts").cast("STRING"), F.regexp_extract("object", DAY, 1)
    return (
        F.count(F.lit(1)).alias("items"),
        *(of(at).alias(name) for of, name in ((F.min, "first"), (F.max, "last"))),
        *(of(day).alias(name) for of, name in ((F.min, "first_day"), (F.max, "last_day"))),
    )
