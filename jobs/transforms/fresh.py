"""Which items of a batch are fresh: their ids are new to the feed, and they are the first copy in the batch."""

import functools
import operator
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from jobs.tables.quarantine import SEEN
from jobs.tables.trades import TRADES
from jobs.transforms.feeds import Known, State
from jobs.transforms.lines import QUICK
from jobs.transforms.ranges import MINUTE

FEED = ("venue", "market", "feed", "pair")
MARK = (*FEED, "trade_id", "us", "starts", "ends")  # times as numbers: a collected timestamp depends on Python's time zone
ARRIVAL = ("recv_ts", "conn", "seq", "item", "object")  # which of several copies came first
MINUTE_OF = "unix_micros(ts) DIV 60000000"

# The class of an item, from what was known before the batch.
CANDIDATE = "candidate"  # fresh if it is the first copy in the batch
COVERED = "covered"  # its id was seen: a duplicate or a conflict (ids that are not dense: or fresh after all)
LATE = "late"  # fresh, but of an earlier day than the feed's present: goes to files of its own
VOID = "void"  # its id exists, without a trade
BAD = "bad"
CONTROL = "control"
REST = "rest"  # not judged yet

RESET_IDS = 100_000
RESET_RANGE = 1_000
RESET_AFTER = timedelta(hours=1) // timedelta(microseconds=1)
SAID = {
    "highest": "BIGINT",
    "covered": "ARRAY<STRUCT<low: BIGINT, high: BIGINT>>",
    "resets": "ARRAY<STRUCT<below: BIGINT, after: BIGINT>>",
    "late_before": "TIMESTAMP",
}
STATE_SCHEMA = ", ".join(f"{name} {kind}" for name, kind in {**dict.fromkeys(FEED, "STRING"), **SAID}.items())
BARS = ", ".join(f"{name} STRING" for name in FEED) + ", above BIGINT, late_before TIMESTAMP"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def state_rows(state: State, *, resets: bool = True) -> list[tuple[object, ...]]:
    """The state as rows of `STATE_SCHEMA`."""
    return [(*feed, *_state_row(known, resets=resets)) for feed, known in state.items()]


def _state_row(known: Known, *, resets: bool) -> tuple[object, ...]:
    covered = known.ranges.all
    bounds = [
        {"below": r.high - RESET_IDS, "after": r.last.ts + RESET_AFTER}
        for r in covered
        if r.last is not None and r.high - r.low + 1 >= RESET_RANGE
    ]
    return (
        known.highest,
        [{"low": r.low, "high": r.high} for r in covered],
        bounds if resets else [],
        None if known.top is None else _day_before(known.top),
    )


def _day_before(top: int) -> datetime:
    """The start of the day that an hour before the feed's latest minute lies in: what is older is late."""
    hour_ago = EPOCH + timedelta(microseconds=top * MINUTE) - timedelta(hours=1)
    return hour_ago.replace(hour=0, minute=0, second=0, microsecond=0)


def classified(items: DataFrame, state: DataFrame | None) -> DataFrame:
    """Each item with its `class` and, where the state knows better than the rules, another `reason`."""
    if state is None:
        joined = items.select("*", *(F.lit(None).cast(kind).alias(name) for name, kind in SAID.items()))
    else:
        joined = items.join(F.broadcast(state), on=list(FEED), how="left")
    below = F.exists("resets", lambda r: (F.col("trade_id") < r["below"]) & (F.unix_micros("ts") > r["after"]))
    reset = F.col("reason").isNull() & F.coalesce(F.col("dense") & below, F.lit(False))
    reason = F.when(reset, F.lit("id_reset")).otherwise(F.col("reason"))
    judged = joined.select(*(name for name in joined.columns if name != "reason"), reason.alias("reason"))
    inside = F.exists("covered", lambda r: (F.col("trade_id") >= r["low"]) & (F.col("trade_id") <= r["high"]))
    covered = F.when(F.col("dense"), inside).otherwise(F.col("trade_id") <= F.col("highest"))
    class_ = (
        F.when(F.col("control"), CONTROL)
        .when(F.col("reason").isin(*SEEN), VOID)
        .when(F.col("reason").isNotNull(), BAD)
        .when(covered, COVERED)
        .when(F.col("ts") < F.col("late_before"), LATE)
        .otherwise(CANDIDATE)
    )
    return judged.select(*items.columns, class_.alias("class"))


def _series(*more: Column) -> Column:
    """A feed as one number in the place of four texts, whose comparison would be most of a batch's sort.

    The chance that two feeds of a lake share one is that of two among some thousand numbers of 64 bits.
    """
    return F.xxhash64(*FEED, *more)


def bar_rows(state: State) -> list[tuple[object, ...]]:
    """The state as rows of `BARS`: what is above and not late is fresh for certain, and nearly everything is."""
    found: list[tuple[object, ...]] = []
    for feed, known in state.items():
        above = known.ranges.all[-1].high if known.ranges.all else known.highest
        found.append((*feed, above, None if known.top is None else _day_before(known.top)))
    return found


def quickly_classified(items: DataFrame, bars: DataFrame | None) -> DataFrame:
    """`quick_items` with a `class`: candidate, void, control, or what has to be read again to know.

    Narrow, and without a function that the compiler cannot take in.
    """
    fine = F.col("sound")
    if bars is None:
        joined = items
    else:
        joined = items.join(
            F.broadcast(bars.select(_series().alias("series"), "above", "late_before")),
            on=_series() == F.col("series"),
            how="left",
        )
        beyond = F.coalesce(F.col("trade_id") > F.col("above"), F.lit(True))
        fine = fine & beyond & F.coalesce(F.col("ts") >= F.col("late_before"), F.lit(True))
    class_ = F.when(fine, CANDIDATE).when(F.col("control"), CONTROL).when(F.col("void"), VOID).otherwise(REST)
    return joined.select(*QUICK, "dense", class_.alias("class"))


def first_copies(classed: DataFrame) -> DataFrame:
    """Every item, with the ids of its neighbours among the candidates and voids of its feed; what that tells, `is_fresh` says.

    The id of a void that a websocket sent takes precedence over a trade with the same id in the batch, whichever came first. Where ids
    are not dense nobody keeps those of voids, so there it has no say. What is to be read again keeps away from both, in a sequence of
    its own.
    """
    order = Window.partitionBy(_series(_in_sequence())).orderBy("trade_id", (F.col("class") != VOID).alias("is_trade"), *ARRIVAL)
    return _placed(classed, order)


def _in_sequence() -> Column:
    return (F.col("class") == CANDIDATE) | ((F.col("class") == VOID) & F.col("dense"))


def is_fresh() -> Column:
    """A candidate, and the first copy. Of `first_copies`."""
    return (F.col("class") == CANDIDATE) & ~_again()


def marks(trades: DataFrame) -> DataFrame:
    """Of rows whose ids are each there once: those at an end of a run of ids, and the first one of each minute on the way."""
    return _placed(trades, Window.partitionBy(_series()).orderBy("trade_id")).where(_is_mark()).select(*_mark())


def _placed(rows: DataFrame, order: WindowSpec) -> DataFrame:
    """Where an id stands among its neighbours."""
    return rows.select(
        "*",
        F.lag("trade_id").over(order).alias("id_before"),
        F.lead("trade_id").over(order).alias("id_after"),
        F.lag(F.expr(MINUTE_OF)).over(order).alias("minute_before"),
    )


def _again() -> Column:
    return F.coalesce(F.col("id_before") == F.col("trade_id"), F.lit(False))


def _edges() -> Mapping[str, Column]:
    """Of a run of ids: its start and its end; and the first one of a minute."""
    return {
        "starts": F.coalesce(F.col("id_before") < F.col("trade_id") - 1, F.lit(True)),
        "ends": F.coalesce(F.col("id_after") > F.col("trade_id") + 1, F.lit(True)),
        "turns": F.coalesce(F.col("minute_before") != F.expr(MINUTE_OF), F.lit(True)),
    }


def _is_mark() -> Column:
    return functools.reduce(operator.or_, _edges().values())


def _mark() -> list[Column]:
    told = {"us": F.unix_micros("ts"), **_edges()}
    return [told.get(name, F.col(name)).alias(name) for name in MARK]


def trade_rows(fresh: DataFrame) -> DataFrame:
    """The contract of `trades`."""
    dated = {"year": F.year("ts"), "month": F.month("ts")}
    return fresh.select(*(dated.get(name, F.col(name)).alias(name) for name in TRADES.names))


def batch_counts() -> list[Column]:
    """What a pass over `first_copies` tells on the way; the marks are exact only where `again` and the voids are none.

    `objects` hold what has to be read again: to know what it is, or why.
    """
    again = (F.col("class") == CANDIDATE) & _again()
    by_class = {name: F.col("class") == name for name in (VOID, CONTROL)}
    counts = {"lines": F.col("item") == 0, **by_class, "fresh": is_fresh(), "again": again}
    return [
        F.count(F.lit(1)).alias("items"),
        # not count_if: Spark computes its conditions in a projection of their own, which copies every row
        *(F.count(F.when(counted, 1)).alias(name) for name, counted in counts.items()),
        F.collect_set(F.when(again | ~F.col("class").isin(CANDIDATE, CONTROL), F.col("object"))).alias("objects"),
        F.collect_list(F.when(_in_sequence() & _is_mark(), F.struct(*_mark()))).alias("marks"),
    ]
