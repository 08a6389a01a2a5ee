"""Lines of the `events` channel to rows of `collector_events`."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.tables.collector_events import COLLECTOR_EVENTS
from jobs.transforms import rules
from jobs.transforms.envelopes import Step, opened
from jobs.transforms.items import item, object_day

TEXTS = ("event", "feed", "stream", "outcome", "detail")
TYPED = {
    **dict.fromkeys(("before_id", "after_id", "first_missing_id", "last_missing_id", "rows"), "BIGINT"),
    **dict.fromkeys(("at", "before_ts", "after_ts"), "TIMESTAMP"),
}
# all as text: where one of them is something else the others are still read
RAW = "STRUCT<" + ", ".join(f"`{name}`: STRING" for name in (*TEXTS, *TYPED)) + ">"


def steps() -> Sequence[Step]:
    """From lines to items: see `items.items`. What a venue says of a connection is a word, and no row."""
    made = {
        **{name: F.col(f"raw.{name}") for name in TEXTS},
        **{name: F.col(f"raw.{name}").try_cast(type_) for name, type_ in TYPED.items()},
        "item": F.lit(0),
        "year": F.year(object_day()),
        "month": F.month(object_day()),
    }
    return (
        *opened(RAW),
        item(COLLECTOR_EVENTS, made, _rules(), word=F.col("raw.event").isNull(), why={"event": _unfit()}),
    )


def _unfit() -> Column:
    """What is there and is not what it has to be."""
    bad = [
        F.when(F.col(f"raw.{name}").isNotNull() & F.col(f"raw.{name}").try_cast(type_).isNull(), f"{name} is unfit")
        for name, type_ in TYPED.items()
    ]
    return F.nullif(F.concat_ws(", ", *bad, F.when(F.col("raw.at").isNull(), "at is missing")), F.lit(""))


def _rules() -> Mapping[str, Column]:
    return {
        **rules.envelope(),
        "unreadable": ~F.col("kind").isin("control", "instruments"),
        "event": (F.col("kind") == "control") & F.col("raw.event").isNotNull() & _unfit().isNotNull(),
    }
