"""What a batch holds besides fresh trades: duplicates, conflicts, voids, the unreadable. Only objects that hold such are read again."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F

from jobs.runtime.frames import keys
from jobs.tables.quarantine import QUARANTINE, SEEN
from jobs.tables.trades import SAME
from jobs.transforms.fresh import ARRIVAL, BAD, CANDIDATE, CONTROL, COVERED, FEED, LATE, MINUTE_OF, marks
from jobs.transforms.items import DAY, object_day

LINEAGE = ("object", "conn", "seq", "item")
TRADE, DUPLICATE, CONFLICT, QUARANTINED, EMPTY = "trade", "duplicate", "conflict", "quarantined", "empty"


def seen_ids(rest: DataFrame) -> list[Row]:
    """Marks of the ids that exist without being trades."""
    ids = rest.where(F.col("reason").isin(*SEEN) & F.col("trade_id").isNotNull() & (F.col("trade_id") >= 0))
    once = ids.groupBy(*FEED, "trade_id").agg(F.min("ts").alias("ts"))
    return keys(marks(once))


def minutes_of(rows: DataFrame) -> list[Row]:
    """(feed, minute) of some items."""
    return keys(rows.select(*FEED, F.expr(MINUTE_OF).alias("minute")).distinct())


def disputable(rest: DataFrame) -> DataFrame:
    """What may be in `trades` already: also what would be an id reset, had it not been taken in before that could be seen."""
    return rest.where("NOT control AND (reason IS NULL OR reason = 'id_reset')")


def suspects(rest: DataFrame) -> DataFrame:
    """What may be fresh all the same: of an earlier day, not read by `quick_items`, or without dense ids and not above the highest."""
    return rest.where(F.col("class").isin(LATE, CANDIDATE) | ((F.col("class") == COVERED) & ~F.col("dense")))


def absent(suspects: DataFrame, there: DataFrame) -> DataFrame:
    """Those whose key is not among the trades that were looked up."""
    return suspects.join(there.select(*FEED, "trade_id"), on=[*FEED, "trade_id"], how="left_anti")


def once(rows: DataFrame) -> DataFrame:
    """The first copy of each key."""
    order = Window.partitionBy(*FEED, "trade_id").orderBy(*ARRIVAL)
    return rows.select("*", F.row_number().over(order).alias("copy")).where(F.col("copy") == 1).drop("copy")


def judged(rest: DataFrame, there: DataFrame) -> DataFrame:
    """Each item with its `fate`: trade (it is the row in `trades`), duplicate, conflict, quarantined, empty, control; and its reason."""
    known = there.select(*FEED, "trade_id", *(F.col(name).alias(f"known_{name}") for name in (*SAME, *LINEAGE)))
    joined = rest.join(known, on=[*FEED, "trade_id"], how="left")
    is_row = _all_equal(LINEAGE)
    is_known_reset = (F.col("reason") == "id_reset") & (is_row | _all_equal(SAME))
    fate = (
        F.when(F.col("class") == CONTROL, F.when(F.col("feed") == CONTROL, CONTROL).otherwise(EMPTY))
        .when(F.col("reason").isNotNull() & ~is_known_reset, QUARANTINED)
        .when(is_row, TRADE)
        .when(_all_equal(SAME), DUPLICATE)
        .otherwise(CONFLICT)
    )
    told = F.concat_ws(", ", *(F.concat(F.lit(f"{name} "), F.col(f"known_{name}").cast("STRING")) for name in SAME))
    disagrees = F.when(F.col("known_ts").isNull(), "the id is covered; no trade of its minute has it").otherwise(
        F.concat(F.lit("in trades: "), told)
    )
    fated = joined.select("*", fate.alias("fate"))
    return fated.select(
        *(name for name in rest.columns if name not in ("reason", "detail")),
        "fate",
        F.when(F.col("fate") == CONFLICT, CONFLICT).otherwise(F.col("reason")).alias("reason"),
        F.when(F.col("fate") == CONFLICT, disagrees).otherwise(F.col("detail")).alias("detail"),
    )


def _all_equal(names: Sequence[str]) -> Column:
    """NULL counts as different: an item without a known row is no duplicate of it."""
    same = F.lit(True)
    for name in names:
        same = same & F.coalesce(F.col(name) == F.col(f"known_{name}"), F.lit(False))
    return same


def quarantine_rows(fated: DataFrame) -> DataFrame:
    """The contract of `quarantine`."""
    made = {
        "line_sha256": F.sha2(F.col("raw").cast("BINARY"), 256),
        "channel": F.coalesce("channel", F.regexp_extract("object", r"/channel=([a-z]+)/", 1)),
        "year": F.year(object_day()),
        "month": F.month(object_day()),
    }
    rows = fated.where(F.col("fate").isin(QUARANTINED, CONFLICT))
    return rows.select(*(made.get(name, F.col(name)).alias(name) for name in QUARANTINE.names))


def counts(fated: DataFrame) -> list[Row]:
    """How many of each fate and reason, and the days within which quarantine has to be looked up."""
    day = F.regexp_extract("object", DAY, 1)
    rows = F.count_distinct(F.when(F.col("fate") == TRADE, F.struct(*FEED, "trade_id")))  # a line may stand twice in an object
    told = [F.count(F.lit(1)).alias("items"), rows.alias("rows"), F.count_if(~F.col("counted")).alias("more")]
    days = [F.min(day).alias("first_day"), F.max(day).alias("last_day")]
    return keys(fated.groupBy("fate", "reason", "was").agg(*told, *days))


def summary(told: Sequence[Row], late: Mapping[str, int]) -> dict[str, Any]:
    """A batch's record of its leftovers."""

    def of(fate: str) -> int:
        return sum(row["items"] for row in told if row["fate"] == fate)

    rows = {row["was"]: row["rows"] for row in told if row["fate"] == TRADE}

    reasons: dict[str, int] = {}
    for row in told:
        if row["fate"] == QUARANTINED:
            reasons[row["reason"]] = reasons.get(row["reason"], 0) + row["items"]
    return {
        "late": sum(late.values()),
        # rows that were in `trades` before this batch, by the very same line: the batch, or an object of it, came again
        "replayed": sum(rows.get(was, 0) - late.get(was, 0) for was in (COVERED, LATE, BAD)),
        "duplicates": of(DUPLICATE) + of(TRADE) - sum(rows.values()),
        "conflicts": of(CONFLICT),
        "quarantined": of(QUARANTINED),
        "empty": of(EMPTY),
        "more": sum(row["more"] for row in told),
        "reasons": reasons,
    }
