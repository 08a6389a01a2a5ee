"""What is said of minutes beyond their own trades: missing, complete, revision; and how rows get into the table."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.queries.plan import predicate
from jobs.runtime.frames import frame
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.transforms.feeds import Feed, State
from jobs.transforms.fresh import FEED, MINUTE_OF
from jobs.transforms.minutes import KEY, VALUES
from jobs.transforms.spans import Span, time_of

SPANS = "venue STRING, market STRING, feed STRING, pair STRING, low TIMESTAMP, high TIMESTAMP"
SAYINGS = (
    "venue STRING, market STRING, feed STRING, pair STRING, dense BOOLEAN, top TIMESTAMP, begin_open BOOLEAN, now TIMESTAMP, "
    "flags ARRAY<STRUCT<minute: BIGINT, missing: BIGINT>>"
)
EXACT = 24  # spans a literal condition may hold exactly; more of them are joined


def within(spark: SparkSession, trades: DataFrame, spans: Mapping[Feed, list[Span]]) -> DataFrame:
    """The trades of exactly these minutes, from the files that may hold them."""
    pruned = trades.where(predicate(spans, "ts"))
    rows = [(*feed, time_of(low), time_of(high + 1)) for feed, found in spans.items() for low, high in found]
    if len(rows) <= EXACT:
        exact = F.lit(False)
        for *feed, low, high in rows:
            mine = (F.col("ts") >= F.lit(low)) & (F.col("ts") < F.lit(high))
            for name, value in zip(FEED, feed, strict=True):
                mine = mine & (F.col(name) == value)
            exact = exact | mine
        return pruned.where(exact)
    wanted = frame(spark, rows, SPANS)
    inside = [pruned[name] == wanted[name] for name in FEED] + [pruned["ts"] >= wanted["low"], pruned["ts"] < wanted["high"]]
    return pruned.join(F.broadcast(wanted), on=inside, how="left_semi")


def told(  # noqa: PLR0913, PLR0917 - everything that may be said of a minute, told by its caller
    spark: SparkSession,
    minutes: DataFrame,
    state: State,
    dense: Mapping[tuple[str, str, str], bool],
    spans: Mapping[Feed, Sequence[Span]],
    begin_open: frozenset[Feed],
    now: datetime,
) -> DataFrame:
    """Minutes as the contract of `minute_aggregates`, and `begins`: may the row be inserted, or only correct one that is there?"""
    rows = [
        (
            *feed,
            dense[feed.venue, feed.market, feed.kind],
            None if (top := state[feed].top) is None else time_of(top),
            feed in begin_open,
            now,  # not as a literal: generated code that differs from batch to batch is compiled anew each time
            [
                {"minute": minute, "missing": missing}
                for minute, missing in state[feed].ranges.flags().items()
                if _in(minute, inside)
            ],
        )
        for feed, inside in spans.items()
    ]
    joined = minutes.join(F.broadcast(frame(spark, rows, SAYINGS)), on=list(FEED), how="inner")
    number = F.expr(MINUTE_OF.replace("ts", "minute"))
    missing = F.try_element_at(F.map_from_entries("flags"), number)
    closed = F.col("minute") < F.col("top")
    made = {
        "missing_trades": F.when(F.col("dense"), F.coalesce(missing, F.lit(0).cast("BIGINT"))),
        "is_complete": F.when(F.col("dense"), missing.isNull()),
        "revision": F.when(closed, 1).otherwise(0).cast("BIGINT"),
        "updated_at": F.col("now"),
        "year": F.year("minute"),
        "month": F.month("minute"),
    }
    return joined.select(
        *(made.get(name, F.col(name)).alias(name) for name in MINUTE_AGGREGATES.names),
        (closed | F.col("begin_open")).alias("begins"),
    )


def _in(minute: int, spans: Sequence[Span]) -> bool:
    """Spans are in order and do not touch."""
    place = bisect_right(spans, minute, key=lambda span: span[0]) - 1
    return place >= 0 and minute <= spans[place][1]


def merge_statement(path: str, source: str, spans: Mapping[Feed, list[Span]]) -> str:
    """Correct the rows that differ, begin those that are not there. Only recent, small files are rewritten: the condition is literal."""
    keys = " AND ".join(f"t.{name} = s.{name}" for name in (*KEY, "year", "month"))
    where = f"{predicate(spans, 'minute', alias='t.')} AND {keys}"
    values = (*VALUES, "missing_trades", "is_complete")
    differs = " OR ".join(f"NOT (t.`{name}` <=> s.`{name}`)" for name in values)
    sets = ", ".join(f"t.`{name}` = s.`{name}`" for name in (*values, "updated_at"))
    columns = ", ".join(f"`{name}`" for name in MINUTE_AGGREGATES.names)
    inserted = ", ".join(f"s.`{name}`" for name in MINUTE_AGGREGATES.names)
    # 0 exactly while the feed has no later minute; 1 when it closes; more with each change after that
    revision = "CASE WHEN s.revision = 0 THEN 0 WHEN t.revision = 0 THEN 1 ELSE t.revision + 1 END"
    return (
        f"MERGE INTO delta.`{path}` t USING {source} s ON {where}\n"  # noqa: S608 - made of our own names and numbers
        f"WHEN MATCHED AND (({differs}) OR (t.revision = 0) != (s.revision = 0)) THEN UPDATE SET {sets}, t.revision = {revision}\n"
        f"WHEN NOT MATCHED AND s.begins THEN INSERT ({columns}) VALUES ({inserted})"
    )
