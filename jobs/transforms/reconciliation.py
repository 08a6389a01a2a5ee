"""Our minutes beside the exchange's candles: what they differ by, and the verdict on it."""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ingest.exchanges.exchange import Exchange
from jobs.tables import reconciliation as told
from jobs.tables.reconciliation import COUNTED, FIGURES, RECONCILIATION, SUMS, VERDICTS
from jobs.transforms.compared import values
from jobs.transforms.minutes import counts_trades
from jobs.transforms.ranges import MINUTE

KEY = RECONCILIATION.key
SERIES = KEY[:-1]
VALUES = values(RECONCILIATION)
COVERED = ", ".join(f"{name} STRING" for name in SERIES) + ", first TIMESTAMP, last TIMESTAMP"
REACH = 240  # minutes; a run of minutes that differ is not followed further, so that a change reaches no further either
RUN = (*SERIES, "in_run", "run")
PRICES = ("open", "high", "low", "close")
IDS = ("first_id", "last_id")
Exchanges = Mapping[tuple[str, str], Exchange]


def reconciled(minutes: DataFrame, candles: DataFrame, covered: DataFrame, exchanges: Exchanges) -> DataFrame:
    """One row a minute of ours, and a candle within what a feed covers: the key, `VALUES`, year and month. `covered`: rows of `COVERED`."""
    differing = _differing(_beside(minutes, candles, covered, exchanges), exchanges)
    rules = _rules()
    assert tuple(rules) == tuple(VERDICTS)[:-1], "the rules are not the verdicts that are documented"
    verdict = F.coalesce(*(F.when(rule, F.lit(name)) for name, rule in rules.items()), F.lit(told.DIFFERS))
    judged = _straddling(_in_runs(differing)).select("*", verdict.alias("verdict"))
    is_straddle = F.col("verdict") == told.STRADDLE
    named = {f"straddle_{end}": F.when(is_straddle, F.col(end)) for end in ("from", "to")}
    dated = {"year": F.year("minute"), "month": F.month("minute")}
    return judged.select(*KEY, *({**named, **dated}.get(name, F.col(name)).alias(name) for name in (*VALUES, *dated)))


def ends(minutes: DataFrame, exchanges: Exchanges) -> DataFrame:
    """Of each feed whose venue has candles: its first and its last minute, as numbers."""
    return minutes.where(_has_candles(exchanges)).groupBy(*SERIES).agg(F.min(_number()), F.max(_number()))


def counted(*, is_told: bool) -> Mapping[str, Column]:
    """Of rows beside those that stood: how many of each verdict, and those that nothing explains and nobody was told of."""
    is_made = F.col("is_made")
    stood_so = F.coalesce(F.col("was.verdict") == F.col("verdict"), F.lit(False))
    is_new = is_made & F.col("verdict").isin(*told.UNEXPLAINED) & ~(F.lit(is_told) & stood_so)
    return {**{name: is_made & (F.col("verdict") == name) for name in VERDICTS}, "new_unexplained": is_new}


def _beside(minutes: DataFrame, candles: DataFrame, covered: DataFrame, exchanges: Exchanges) -> DataFrame:
    own = minutes.where(_has_candles(exchanges)).select(
        *KEY,
        *(F.col(of).alias(f"own_{name}") for name, (_, of, _) in FIGURES.items()),
        *("is_complete", "missing_trades"),
        (F.col("revision") == 0).alias("is_newest"),
        F.lit(True).alias("is_ours"),
    )
    spread = candles.where(F.col("width") == "1m").join(F.broadcast(covered), on=["venue", "market", "pair"], how="inner")
    theirs = spread.where(F.col("open_time").between(F.col("first"), F.col("last"))).select(
        *SERIES,
        F.col("open_time").alias("minute"),
        *(F.col(of).alias(f"exchange_{name}") for name, (_, _, of) in FIGURES.items()),
        F.lit(True).alias("is_theirs"),
    )
    both = own.join(theirs, on=list(KEY), how="full_outer")
    flags = {name: F.coalesce(name, F.lit(False)) for name in ("is_newest", "is_ours", "is_theirs")}
    nought = {f"own_{name}": F.when(~flags["is_ours"], 0).otherwise(F.col(f"own_{name}")) for name in SUMS}
    cast = {name: column.cast(RECONCILIATION.type_of(name)) for name, column in nought.items()}
    return both.select(*({**flags, **cast}.get(name, F.col(name)).alias(name) for name in both.columns))


def _differing(both: DataFrame, exchanges: Exchanges) -> DataFrame:
    """With the differences, and is there none?"""
    is_aggregate = F.startswith("feed", F.lit("agg_trade"))
    flagged = both.select(
        "*",
        is_aggregate.alias("is_aggregate"),
        (~is_aggregate | counts_trades(exchanges)).alias("is_counted"),
        _number().alias("number"),
    )
    diffs = {name: F.try_subtract(f"own_{name}", f"exchange_{name}").try_cast(kind) for name, (kind, _, _) in FIGURES.items()}
    diffs |= {name: F.when(F.col("is_counted"), diffs[name]) for name in COUNTED}
    found = flagged.select("*", *(diff.alias(f"{name}_diff") for name, diff in diffs.items()))
    # where there is nothing to compare
    otherwise = {**dict.fromkeys(PRICES, ~F.col("is_ours")), **dict.fromkeys(IDS, F.lit(True)), "trades": ~F.col("is_counted")}
    same = (F.coalesce(_diff(name) == 0, otherwise.get(name, F.lit(False))) for name in FIGURES)
    return found.select("*", (F.col("is_theirs") & _all(same)).alias("is_equal"))


def _in_runs(differing: DataFrame) -> DataFrame:
    """With the run of minutes, one after the other, in which the aggregates of a feed differ; and what its sums differ by until here.

    Where an aggregate lies over minutes, that is what the exchange counts in a later one than we do; a minute where nothing does differs
    in nothing, so nothing lies over its edges.
    """
    in_time, alike = Window.partitionBy(*SERIES).orderBy("minute"), Window.partitionBy(*SERIES, "in_run").orderBy("minute")
    run, onwards = Window.partitionBy(*RUN), Window.partitionBy(*RUN).orderBy("minute")
    marked = differing.select("*", (F.col("is_aggregate") & F.col("is_theirs") & ~F.col("is_equal")).alias("in_run"))

    def is_clean(step: int) -> Column:
        near = F.lag(F.struct("number", "is_equal"), step).over(in_time)
        return F.coalesce((near["number"] == F.col("number") - step) & near["is_equal"], F.lit(False))

    numbered = marked.select(
        "*",
        (F.col("number") - F.row_number().over(alike)).alias("run"),
        is_clean(1).alias("is_clean_before"),
        is_clean(-1).alias("is_clean_after"),
    )
    return numbered.select(
        "*",
        F.row_number().over(onwards).alias("place"),
        F.count(F.lit(1)).over(run).alias("length"),
        F.struct(*(_summed(name).over(onwards).alias(name) for name in SUMS)).alias("so_far"),
        F.struct(*(_summed(name).over(run).alias(name) for name in SUMS)).alias("total"),
    )


def _straddling(runs: DataFrame) -> DataFrame:
    """With the stretches of a run that add up to nought, `from` and `to`; and may a run be one of which not all can be seen?

    A stretch adds up to nought where the run differs by as much after it as before it: from each minute the shortest one, and those that
    have a minute in common are one.
    """
    run, onwards = Window.partitionBy(*RUN), Window.partitionBy(*RUN).orderBy("minute")
    earlier = onwards.rowsBetween(Window.unboundedPreceding, -1)
    is_known = _all(_diff(name).isNotNull() for name in SUMS if name not in COUNTED)
    again = F.lead("place").over(Window.partitionBy(*RUN, "so_far").orderBy("minute"))
    nought = F.min(F.when(_each(lambda name: F.col(f"so_far.{name}") == 0), F.col("place"))).over(run)
    spread = runs.select("*", again.alias("again"), nought.alias("nought"), is_known.alias("is_known"))
    reaching = spread.select("*", F.greatest(F.lit(0), "nought", F.max("again").over(earlier)).alias("until"))
    is_followed = F.col("in_run") & (F.col("length") <= REACH)
    is_within = is_followed & (F.col("until") >= F.col("place"))
    is_first = is_within & (F.coalesce(F.lag("until").over(onwards), F.lit(0)) < F.col("place"))
    begun = reaching.select(
        "*",
        is_within.alias("is_within"),
        F.max(F.when(is_first, F.col("minute"))).over(onwards).alias("from"),
        (is_followed & F.col("is_ours") & _is_possible()).alias("is_possible"),
    )
    last = F.max(F.when(F.col("is_within"), F.col("minute"))).over(Window.partitionBy(*RUN, "from"))
    return begun.select("*", last.alias("to"))


def _is_possible() -> Column:
    """Does the run end at a minute of which too little is known, or hold one; and can it be that aggregates lie over it?

    An aggregate has the time of its first trade, so what lies over an edge is more in the minute before it, and less in the one after.
    """
    run = Window.partitionBy(*RUN)
    is_hurt = ~F.col("is_ours") | F.col("is_newest") | ~F.coalesce("is_complete", F.lit(True))
    is_cut_before = F.bool_or((F.col("place") == 1) & ~F.col("is_clean_before")).over(run)
    is_cut_after = F.bool_or((F.col("place") == F.col("length")) & ~F.col("is_clean_after")).over(run)
    from_here = F.bool_and(_each(lambda name: F.col(f"so_far.{name}") >= 0)).over(run)
    to_here = F.bool_and(_each(lambda name: F.col(f"so_far.{name}") >= F.col(f"total.{name}"))).over(run)
    is_back = to_here & _each(lambda name: F.col(f"total.{name}") <= 0)
    is_cut = (is_cut_before | is_cut_after) & (is_cut_before | from_here) & (is_cut_after | is_back)
    return F.bool_or(is_hurt).over(run) | is_cut


def _rules() -> Mapping[str, Column]:
    """The verdicts, the first that holds first; none: nothing explains it."""
    return {
        told.EQUAL: F.col("is_equal") & F.col("is_counted"),
        told.UNCOUNTED: F.col("is_equal"),
        told.STRADDLE: F.col("is_within") & F.col("is_known") & _fits_straddle(),
        told.OPEN: F.col("is_newest"),
        told.NO_CANDLE: ~F.col("is_theirs"),
        told.MISSING: ~F.coalesce("is_complete", F.lit(True)) & _is_less(),
        told.UNCLEAR: F.col("is_possible") & _is_inside("high", "low"),
        told.NO_MINUTE: ~F.col("is_ours"),
    }


def _fits_straddle() -> Column:
    """Its trades are the exchange's but for such at the prices of others; the first and the last differ only at an edge within."""
    is_first, is_last = F.col("minute") == F.col("from"), F.col("minute") == F.col("to")
    begins = ~is_first | _all(F.coalesce(_diff(name) == 0, F.lit(True)) for name in ("open", "first_id"))
    ends = ~is_last | _all(F.coalesce(_diff(name) == 0, F.lit(True)) for name in ("close", "last_id"))
    return begins & ends & _is_inside("high", "low")


def _is_less() -> Column:
    """Is it what the exchange has, less some trades?"""
    less = (F.coalesce(_diff(name) <= 0, F.lit(True)) for name in SUMS)
    sold = (_diff(name) <= _diff(f"buy_{name}") for name in ("volume", "quote_volume"))
    return F.coalesce((_diff("volume") < 0) & _all([*less, *sold]), F.lit(False)) & _is_inside("high", "low", *IDS)


def _is_inside(*names: str) -> Column:
    """No higher, no lower, no earlier, no later than the exchange's."""
    is_upper = {"high": True, "low": False, "first_id": False, "last_id": True}
    return _all(F.coalesce(_diff(name) <= 0 if is_upper[name] else _diff(name) >= 0, F.lit(True)) for name in names)


def _has_candles(exchanges: Exchanges) -> Column:
    of = ((F.col("venue") == one.venue) & (F.col("market") == one.market) for one in exchanges.values() if one.klines)
    return functools.reduce(operator.or_, of, F.lit(False))


def _number() -> Column:
    """The minute, counted since 1970."""
    return F.expr(f"unix_micros(minute) DIV {MINUTE}")


def _diff(name: str) -> Column:
    return F.col(f"{name}_diff")


def _summed(name: str) -> Column:
    return F.try_sum(F.coalesce(_diff(name), F.lit(0).cast(FIGURES[name][0])))


def _each(of: Callable[[str], Column]) -> Column:
    return _all(of(name) for name in SUMS)


def _all(columns: Iterable[Column]) -> Column:
    return functools.reduce(operator.and_, columns)
