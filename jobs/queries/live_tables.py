"""The three tables of the trades query, and what is needed to read landing objects into them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ingest.exchanges.exchange import Exchange
from ingest.settings import Epoch
from jobs.queries.plan import predicate
from jobs.runtime import landed
from jobs.runtime.frames import keys
from jobs.runtime.live import Foreign, Live
from jobs.transforms import feeds, fresh
from jobs.transforms.feeds import Feed
from jobs.transforms.lines import Projection


@dataclass
class LiveTables:
    """Who writes, what, from where. Knows nothing of batches."""

    spark: SparkSession
    exchanges: Mapping[tuple[str, str], Exchange]
    epochs: Sequence[Epoch]
    root: str  # where landing objects are, as Spark names it
    trades: Live
    quarantine: Live
    minutes: Live
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    accepted: int = 0  # how often somebody else's versions of `quarantine` were taken over, when they were last looked at

    @property
    def all(self) -> tuple[Live, Live, Live]:
        return self.trades, self.quarantine, self.minutes

    @cached_property
    def dense(self) -> Mapping[tuple[str, str, str], bool]:
        return feeds.dense(self.exchanges)

    @cached_property
    def projection(self) -> Projection:
        return Projection(self.exchanges, self.epochs)

    def check(self) -> None:
        """Is each table as this driver left it? Asked before each batch and each commit."""
        for live in self.all:
            live.check()
        if self.quarantine.accepted != self.accepted:
            raise Foreign(f"{self.quarantine.path}: somebody else wrote, as another query has found")

    def open(self, *, accept: bool = False) -> None:
        """Learn their newest versions."""
        for live in self.all:
            live.open(accept=accept)
        self.accepted = self.quarantine.accepted

    def reflected(self) -> dict[str, int]:
        """What a commit of the minutes says of itself: the versions whose trades are all in them."""
        return {"trades": self.trades.version, "quarantine": self.quarantine.version}

    def lines(self, objects: Sequence[str]) -> DataFrame:
        """The lines (`value`) of some objects, with the `object`."""
        return landed.lines(self.spark.read, self.root, landed.paths(self.root, objects))

    def frames(self, objects: Sequence[str]) -> DataFrame:
        """The same, read as `quick_items` wants them."""
        return self.frames_of(self.spark.read, landed.paths(self.root, objects))

    def frames_of(self, reader: Any, paths: Any) -> DataFrame:  # noqa: ANN401 - of a batch or of a stream; a path or many
        return landed.with_object(landed.options(reader).schema(self.projection.schema).json(paths), self.root)

    def trades_of(self, minutes: Sequence[Any]) -> DataFrame:
        """The trades of these (venue, market, feed, pair, minute), and perhaps of some more."""
        spans: dict[Feed, list[tuple[int, int]]] = {}
        for *feed, minute in minutes:
            spans.setdefault(Feed(*feed), []).append((minute, minute))
        return self.trades.read().where(predicate(spans, "ts") if spans else "FALSE")

    def marks_of(self, added: Sequence[str]) -> list[Any]:
        """Marks of the trades in some files."""
        return list(keys(fresh.marks(self.trades.files(added)))) if added else []
