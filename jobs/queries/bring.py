"""Minutes into their table: those that a change of the trades brings along, or all of them."""

from collections.abc import Mapping
from functools import cache

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from jobs.queries import tell
from jobs.queries.live_tables import LiveTables
from jobs.queries.plan import Change, Span, plan, whole
from jobs.runtime.frames import observed
from jobs.transforms.feeds import Feed, State
from jobs.transforms.minutes import minutes

VIEW = "minutes_to_merge"

EVER: tuple[Span, ...] = ((-(2**62), 2**62),)


@cache
def _unfit() -> Column:
    """Nothing but a sum that does not fit leaves a minute without its average price."""
    return F.count_if(F.col("vwap").isNull()).alias("unfit")


def bring(tables: LiveTables, change: Change, *, fast: bool, close: frozenset[Feed] = frozenset()) -> int:
    """Write the minutes of a change; those above each feed's former latest by a blind append, if `fast`.

    Returns how many of them hold a sum that does not fit its column, and so no average price.
    """
    made = plan(change, fast=fast, close=close)
    unfit = 0
    if made.append:
        rows = _told(tables, change.state, whole(made.append), close).drop("begins")
        counted = Observation()
        # where a merge follows, the minutes reflect the trades only after that one
        tables.minutes.append(rows.observe(counted, _unfit()), **({} if made.merge else tables.reflected()))
        unfit += observed(counted, rows, [_unfit()])["unfit"]
    if made.merge:
        rows = _told(tables, change.state, made.merge, close)
        counted = Observation()
        rows.observe(counted, _unfit()).createOrReplaceTempView(VIEW)
        tables.minutes.sql(tell.merge_statement(tables.minutes.path, VIEW, made.merge), **tables.reflected())
        tables.spark.catalog.dropTempView(VIEW)
        unfit += observed(counted, rows, [_unfit()])["unfit"]
    for feed, bare in made.bare.items():
        change.state[feed].bare = bare
    for feed in close:
        change.state[feed].shown = True
    return unfit


def bring_all(tables: LiveTables, state: State) -> None:
    """Every minute anew, in the place of all that is there."""
    rows = minutes(tables.trades.read(), tables.exchanges)
    told = tell.told(tables.spark, rows, state, tables.dense, dict.fromkeys(state, EVER), frozenset(), tables.now())
    tables.minutes.overwrite(told.where("begins").drop("begins"), None, **tables.reflected())


def _told(tables: LiveTables, state: State, spans: Mapping[Feed, list[Span]], close: frozenset[Feed]) -> DataFrame:
    """The minutes of some spans, made of their trades; the last look at the tables before they are written."""
    rows = minutes(tell.within(tables.spark, tables.trades.read(), spans), tables.exchanges)
    told = tell.told(tables.spark, rows, state, tables.dense, spans, close, tables.now())
    tables.check()
    return told
