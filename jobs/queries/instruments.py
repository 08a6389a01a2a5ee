"""The lists of what venues trade, which come down the `events` channel, into a table of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ingest.exchanges import EXCHANGES
from jobs.queries import quarantine
from jobs.queries.copies import keep_first
from jobs.runtime.frames import keys
from jobs.runtime.live import Live
from jobs.tables.instruments import INSTRUMENTS
from jobs.transforms.envelopes import Step
from jobs.transforms.instruments import changed, lists, parsers, steps
from jobs.transforms.items import DAY, items, quarantine_row


@dataclass
class Instruments:
    """Keeps no state: what is new is told by what is there."""

    live: Live
    quarantine: Live

    def start(self) -> None:
        """Nothing is to be learnt."""
        self.live.open()

    @cached_property
    def steps(self) -> Sequence[Step]:
        """Made once: to build an expression takes Python some thousand calls into the JVM."""
        return steps(parsers(EXCHANGES.values()))

    def take(self, lines: DataFrame) -> int:
        """Take in the lists among these lines, if there are any; how many rows came of it. Comes a batch again, none does."""
        self.live.check()
        if not keys(lists(lines).select(F.lit(1)).limit(1)):
            return 0
        found = items(lists(lines), self.steps).where(~F.col("word")).persist()
        try:
            day = F.regexp_extract("object", DAY, 1)
            told = keys(found.groupBy("venue", "market").agg(F.count("reason").alias("broken"), F.min(day), F.max(day)))
            if any(row["broken"] for row in told):
                rows = found.where(F.col("reason").isNotNull()).select(*quarantine_row())
                quarantine.append(self.quarantine, rows, min(row[3] for row in told), max(row[4] for row in told))
            markets = [(row["venue"], row["market"]) for row in told if row["venue"] is not None]
            return self._keep(found.where("reason IS NULL").select("row.*"), markets) if markets else 0
        finally:
            found.unpersist()

    def repair(self) -> None:
        """After a second driver wrote: each key once."""
        self.live.open(accept=True)
        keep_first(self.live, [F.col(name) for name in INSTRUMENTS.key])

    def _keep(self, new: DataFrame, markets: list[tuple[str, str]]) -> int:
        """Add the rows that tell of a change. One that came late may make another one tell of none: then the markets are written anew."""
        mine = " OR ".join(f"(venue = '{venue}' AND market = '{market}')" for venue, market in sorted(markets))
        rows = changed(self.live.read().where(mine), new).persist()
        try:
            is_new, is_kept = F.col("is_new"), F.col("is_kept")
            counts = keys(rows.agg(F.count_if(is_new & is_kept).alias("new"), F.count_if(~is_new & ~is_kept).alias("gone")))[0]
            kept = rows.where("is_kept").select(*INSTRUMENTS.names)
            if counts["gone"]:
                self.live.overwrite(kept.coalesce(1), mine)
            elif counts["new"]:
                self.live.append(rows.where("is_new AND is_kept").select(*INSTRUMENTS.names).coalesce(1))
            return int(counts["new"])
        finally:
            rows.unpersist()
