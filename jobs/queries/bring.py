"""Minutes into their table: those that a change of the trades brings along, or all of them."""

from collections.abc import Mapping, Sequence
from functools import cache

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from jobs.queries import tell
from jobs.queries.live_tables import LiveTables
from jobs.queries.plan import Change, plan, whole
from jobs.runtime.frames import observed
from jobs.transforms.feeds import Feed, State
from jobs.transforms.minutes import minutes
from jobs.transforms.spans import Span

VIEW = "minutes_to_merge"
EVER: tuple[Span, ...] = ((-(2**62), 2**62),)


@cache
def _unfit() -> Column:
    """Nothing but a sum that does not fit leaves a minute without its average price."""
    return F.count(F.when(F.col("vwap").isNull(), 1)).alias("unfit")


def bring(tables: LiveTables, change: Change, *, fast: bool, close: frozenset[Feed] = frozenset()) -> int:
    """Write the minutes of a change; those above each feed's former latest by a blind append, if `fast`.

    Returns how many of them hold a sum that does not fit its column, and so no average price.
    """
    made = plan(change, fast=fast, close=close)
    unfit = 0
    if made.append:
        rows = _of_spans(tables, change.state, whole(made.append), close).drop("begins")
        counted = Observation()
        tables.check()
        # where a merge follows, the minutes reflect the trades only after that one
        tables.minutes.append(rows.observe(counted, _unfit()), **({} if made.merge else tables.reflected()))
        unfit += observed(counted, rows, [_unfit()])["unfit"]
    if made.merge:
        rows = _of_spans(tables, change.state, made.merge, close)
        counted = Observation()
        rows.observe(counted, _unfit()).createOrReplaceTempView(VIEW)
        tables.check()
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
    rows = _rows(tables, state, tables.trades.read(), dict.fromkeys(state, EVER), frozenset())
    tables.minutes.overwrite(rows.where("begins").drop("begins"), None, **tables.reflected())


def _of_spans(tables: LiveTables, state: State, spans: Mapping[Feed, list[Span]], close: frozenset[Feed]) -> DataFrame:
    return _rows(tables, state, tell.within(tables.spark, tables.trades.read(), spans), spans, close)


def _rows(
    tables: LiveTables, state: State, trades: DataFrame, spans: Mapping[Feed, Sequence[Span]], close: frozenset[Feed]
) -> DataFrame:
    """The minutes of some trades, with all that is said of them."""
    return tell.told(tables.spark, minutes(trades, tables.exchanges), state, tables.dense, spans, close, tables.now())
