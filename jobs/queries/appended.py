"""A channel without trades: what is not there yet is added by its key, the rest is a copy, a word, or quarantined. Keeps no state."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from jobs.queries import quarantine
from jobs.queries.channels import Channel
from jobs.queries.copies import keep_first
from jobs.queries.instruments import Instruments
from jobs.runtime.frames import keys
from jobs.runtime.live import Live
from jobs.runtime.mend import Damage
from jobs.runtime.progress import Records
from jobs.transforms.items import DAY, quarantine_row

log = logging.getLogger(__name__)
PLACE = ("conn", "seq")  # of a line: the same one again is a copy, another one with its key a conflict
FRESH, BETTER, COPY, CONFLICT, WORD, QUARANTINED = "fresh", "improved", "duplicates", "conflicts", "control", "quarantined"
FATES = (WORD, FRESH, BETTER, COPY, CONFLICT, QUARANTINED)


@dataclass
class Appended:
    """The query of one channel, and its tables."""

    spark: SparkSession
    channel: Channel
    live: Live
    quarantine: Live
    records: Records
    beside: Instruments | None = None  # what else comes down the channel

    @property
    def name(self) -> str:
        return self.channel.name

    def start(self) -> None:
        """Nothing is to be learnt: a batch that was committed by half finds its rows there."""
        for live in (self.live, self.quarantine):
            live.open()
        if self.beside:
            self.beside.start()

    def batch(self, lines: DataFrame, number: int, query: str) -> dict[str, Any]:
        """Take in one batch of lines (`value`, `object`). Returns its record."""
        for live in (self.live, self.quarantine):
            live.check()
        items = self.channel.items(lines).persist()
        try:
            told = keys(items.agg(*_bounds(self.channel.time)))[0]
            fated = self._fated(items, told).persist()
            try:
                counts = {row["fate"]: row["count"] for row in keys(fated.groupBy("fate").count())}
                if counts.get(BETTER):
                    self._merge(fated.where(F.col("fate").isin(FRESH, BETTER)).select("row.*"), told)
                elif counts.get(FRESH):
                    self.live.append(fated.where(F.col("fate") == FRESH).select("row.*").coalesce(1))
                if counts.get(QUARANTINED) or counts.get(CONFLICT):
                    self._quarantine(fated, told)
            finally:
                fated.unpersist()
        finally:
            items.unpersist()
        record = {"batch": number, "query": query, "items": told["items"]}
        record |= {fate: counts.get(fate, 0) for fate in FATES}
        if self.beside:
            record["instruments"] = self.beside.take(lines)
        self.records.record(record, query, number)
        return record

    def repair(self) -> None:
        """After a second driver wrote: each key once, the first committed copy."""
        for live in (self.live, self.quarantine):
            live.open(accept=True)
        keep_first(self.live, [F.col(name) for name in self.channel.table.key])
        keep_first(self.quarantine, [quarantine.key()])
        if self.beside:
            self.beside.repair()

    def note_damage(self, damaged: Sequence[Damage]) -> None:
        """One row in quarantine for each damaged object."""
        quarantine.note_damage(self.quarantine, damaged)

    def _fated(self, items: DataFrame, told: Row) -> DataFrame:
        """Each item with what becomes of it."""
        key = self.channel.table.key
        is_row = F.col("reason").isNull() & ~F.col("word")
        place = [F.col(f"row.{name}").alias(name) for name in PLACE]
        keyed = items.select("*", F.when(is_row, F.struct(*(F.col(f"row.{name}") for name in key))).alias("row_key"))
        keyed = keyed.select("*", self._rank("row.").alias("rank"), F.struct(*place).alias("place"))
        once = Window.partitionBy("row_key").orderBy(F.col("rank").desc(), "recv_ts", *PLACE)
        numbered = keyed.select("*", F.first("place").over(once).alias("first"), F.row_number().over(once).alias("copy"))
        known = self._there(told).select(
            F.struct(*key).alias("row_key"), F.struct(*PLACE).alias("known"), self._rank("").alias("known_rank")
        )
        joined = numbered.join(known, on="row_key", how="left")
        first = F.coalesce("known", "first")
        fate = (
            F.when(F.col("reason").isNotNull(), QUARANTINED)
            .when(F.col("word"), WORD)
            .when(F.col("known").isNull() & (F.col("copy") == 1), FRESH)
            .when((F.col("copy") == 1) & (F.col("rank") > F.col("known_rank")), BETTER)
            .when(F.lit(bool(self.channel.rank)) | (F.col("place") == first), COPY)
            .otherwise(CONFLICT)
        )
        why = F.concat(F.lit("its key is that of line "), first["seq"].cast("STRING"), F.lit(" of "), first["conn"])
        fated = joined.select(*items.columns, fate.alias("fate"), why.alias("of"))
        is_conflict = F.col("fate") == CONFLICT
        return fated.select(
            *(name for name in fated.columns if name not in ("reason", "why", "of")),
            F.when(is_conflict, "conflict").otherwise(F.col("reason")).alias("reason"),
            F.when(is_conflict, F.col("of")).otherwise(F.col("why")).alias("why"),
        )

    def _rank(self, of: str) -> Column:
        """What makes a copy better than another."""
        return F.struct(
            F.lit(0).alias("none"), *(F.expr(f"{of}{name}").alias(f"r{place}") for place, name in enumerate(self.channel.rank))
        )

    def _merge(self, rows: DataFrame, told: Row) -> None:
        pairs = ", ".join(f"'{row[0]}'" for row in keys(rows.select("pair").distinct().orderBy("pair")))
        self.live.merge(rows, f"t.pair IN ({pairs}) AND t.{self._within(told)}")

    def _within(self, told: Row) -> str:
        return f"{self.channel.time} BETWEEN TIMESTAMP '{told['first']}' AND TIMESTAMP '{told['last']}'"

    def _there(self, told: Row) -> DataFrame:
        """The rows that these may be copies of."""
        if told["first"] is None:
            return self.live.read().where("FALSE")
        return self.live.read().where(self._within(told))

    def _quarantine(self, fated: DataFrame, told: Row) -> None:
        rows = fated.where(F.col("fate").isin(QUARANTINED, CONFLICT)).select(*quarantine_row())
        quarantine.append(self.quarantine, rows, told["first_day"], told["last_day"])


def _bounds(time: str) -> Sequence[Column]:
    """How many items, and within what their copies are looked up."""
    is_row = F.col("reason").isNull() & ~F.col("word")
    at, day = F.when(is_row, F.col(f"row.{time}").cast("STRING")), F.regexp_extract("object", DAY, 1)
    return (
        F.count(F.lit(1)).alias("items"),
        *(of(at).alias(name) for of, name in ((F.min, "first"), (F.max, "last"))),
        *(of(day).alias(name) for of, name in ((F.min, "first_day"), (F.max, "last_day"))),
    )
