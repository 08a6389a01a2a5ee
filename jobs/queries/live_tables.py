"""The three tables of the trades query, and what is needed to read landing objects into them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange
from ingest.settings import Epoch
from jobs.queries.plan import predicate
from jobs.runtime.frames import keys
from jobs.runtime.live import Live
from jobs.transforms import fresh
from jobs.transforms.feeds import Feed, offered
from jobs.transforms.lines import Projection

LONGEST = 4096  # characters of a path


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

    @property
    def all(self) -> tuple[Live, Live, Live]:
        return self.trades, self.quarantine, self.minutes

    @cached_property
    def dense(self) -> Mapping[tuple[str, str, str], bool]:
        """Of each (venue, market, kind): is a missing id a missing trade?"""
        return {
            (venue, market, kind): feed.dense
            for (venue, market), exchange in self.exchanges.items()
            for kind, feed in offered(exchange).items()
        }

    @cached_property
    def projection(self) -> Projection:
        return Projection(self.exchanges, self.epochs)

    def check(self) -> None:
        """Is each table as this driver left it? Asked before each batch and each commit."""
        for live in self.all:
            live.check()

    def reflected(self) -> dict[str, int]:
        """What a commit of the minutes says of itself: the versions whose trades are all in them."""
        return {"trades": self.trades.version, "quarantine": self.quarantine.version}

    def lines(self, objects: Sequence[str]) -> DataFrame:
        """The lines (`value`) of some objects, with the `object`."""
        return self._with_object(self._reader(self.spark.read).text(self._paths(objects)))

    def frames(self, objects: Sequence[str]) -> DataFrame:
        """The same, read as `quick_items` wants them."""
        return self.frames_of(self.spark.read, self._paths(objects))

    def frames_of(self, reader: Any, paths: Any) -> DataFrame:  # noqa: ANN401 - of a batch or of a stream; a path or many
        return self._with_object(self._reader(reader).schema(self.projection.schema).json(paths))

    def _paths(self, objects: Sequence[str]) -> list[str]:
        return [f"{self.root}/{name}" for name in objects]

    def _reader(self, reader: Any) -> Any:  # noqa: ANN401 - see above
        return reader.option("lineSep", "\n").option("recursiveFileLookup", "true")

    def _with_object(self, found: DataFrame) -> DataFrame:
        """What was read, with the object that it lay in, relative to the lake."""
        path = F.col("_metadata.file_path")
        # where the lake's name ends is known, but for a name that a URI writes otherwise; to look for it in each line's path costs
        lake = f"{self.root}/" if "://" in self.root else f"file:{self.root}/"
        below = F.when(F.startswith(path, F.lit(lake)), F.substring(path, len(lake) + 1, LONGEST))
        return found.select(
            "*", below.otherwise(F.substring(path, F.instr(path, "/landing/channel=") + 1, LONGEST)).alias("object")
        )

    def trades_of(self, minutes: Sequence[Any]) -> DataFrame:
        """The trades of these (venue, market, feed, pair, minute), and perhaps of some more."""
        spans: dict[Feed, list[tuple[int, int]]] = {}
        for *feed, minute in minutes:
            spans.setdefault(Feed(*feed), []).append((minute, minute))
        return self.trades.read().where(predicate(spans, "ts") if spans else "FALSE")

    def marks_of(self, added: Sequence[str]) -> list[Any]:
        """Marks of the trades in some files."""
        return list(keys(fresh.marks(self.trades.files(added)))) if added else []
