"""What makes an item a trade. A rule is a Column: NULL if fine, the reason if not; the first one that speaks is the reason."""

import functools
import operator
from collections.abc import Iterable, Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from ingest.envelope import VERSION
from ingest.settings import PAIR
from jobs.tables.quarantine import SEEN

ENVELOPE = ("v", "channel", "venue", "market", "kind", "source", "conn", "seq", "recv_ts")


MOST = 10**18  # an id above it is none; sums and differences of ids stay far from the end of BIGINT


def reason() -> Column:
    """Why the item is no trade; NULL: it is one."""
    return first(_rules())


def sound() -> Column:
    """Does no rule speak? Of an item from `quick_items`, which leaves damaged texts without values."""
    return ~_any(broken for name, broken in _rules().items() if name not in ("not_utf8", "not_json"))


def void() -> Column:
    """Is there an id, though no trade?"""
    rules = _rules()
    return _any(rules[name] for name in SEEN) & ~_any(rules[name] for name in ("trade_id", "ts"))


def _any(broken: Iterable[Column]) -> Column:
    """NULL means that the rule does not speak."""
    return F.coalesce(functools.reduce(operator.or_, broken), F.lit(False))


def envelope() -> Mapping[str, Column]:
    """What every line has to be, whatever its channel."""
    lacking = F.lit(False)
    for name in ENVELOPE:
        lacking = lacking | F.col(name).isNull()
    return {
        "not_envelope": lacking,
        "version": F.col("v") != VERSION,
        "not_utf8": F.col("is_binary"),
        "not_json": F.col("is_text"),
    }


def pair() -> Column:
    """Is the pair none?"""
    return F.coalesce(~F.col("pair").rlike(f"^{PAIR.pattern}$"), F.lit(True))


def first(broken: Mapping[str, Column]) -> Column:
    """The name of the first rule that speaks; NULL: none does."""
    return F.coalesce(*(F.when(rule, F.lit(name)) for name, rule in broken.items()))


def _rules() -> Mapping[str, Column]:
    negative = {name: F.coalesce(F.col(name) < 0, F.lit(True)) for name in ("price", "quantity")}
    backwards = (F.col("first_id") < 0) | (F.col("last_id") < F.col("first_id")) | (F.col("last_id") > MOST)
    return {
        **envelope(),
        "unreadable": F.col("parser").isNull(),
        "pair": pair(),
        "trade_id": F.coalesce((F.col("trade_id") < 0) | (F.col("trade_id") > MOST), F.lit(True)),
        "ts": F.col("ts").isNull(),
        "void": (F.col("price") == 0) | (F.col("quantity") == 0) | (F.col("first_id") == -1),
        "not_market": F.col("order_type") != "MARKET",
        "aggregate": F.col("is_aggregate") & F.coalesce(backwards, F.lit(True)),
        "price": negative["price"],
        "quantity": negative["quantity"],
        "taker_side": F.col("taker_side").isNull(),
        "overflow": F.col("overflows"),
        "future": F.col("ts") > F.col("recv_ts") + F.expr("INTERVAL 1 HOUR"),
    }


def detail(reason: Column) -> Column:
    """What stood where the rule looked, for the person who reads the quarantine."""
    shown = {
        "version": "v", "pair": "pair", "trade_id": "trade_id", "price": "price_text", "quantity": "quantity_text", "void": "price_text",
        "not_market": "order_type", "aggregate": "first_id", "overflow": "quantity_text", "future": "ts",
    }  # fmt: skip
    return F.coalesce(*(F.when(reason == name, F.concat(F.lit(f"{column} = "), F.col(column))) for name, column in shown.items()))
