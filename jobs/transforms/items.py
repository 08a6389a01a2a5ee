"""What a line of a channel without trades becomes: a row, a word that is none, or an item with the reason why it is no row."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.tables.quarantine import QUARANTINE
from jobs.tables.table import Table
from jobs.transforms import rules
from jobs.transforms.envelopes import Step, applied, whole_lines

IDENTITY = ("channel", "venue", "market", "pair", "object", "conn", "seq")
DAY = r"/dt=(\d{4}-\d{2}-\d{2})/"


def object_day() -> Column:
    """The day in the object's name."""
    return F.to_date(F.regexp_extract("object", DAY, 1))


def items(lines: DataFrame, steps: Sequence[Step]) -> DataFrame:
    """Items of lines (`value`, `object`): IDENTITY, `item`, `recv_ts`, `row`, `word`, `reason`, `why`, `line`."""
    return applied(whole_lines(lines), steps)


def item(
    table: Table, made: Mapping[str, Column], broken: Mapping[str, Column], *, word: Column, why: Mapping[str, Column]
) -> Step:
    """Of an opened line: who it is, its `row` in the table, `word`, `reason` and `why`. A `word` is neither a row nor quarantined.

    `made` are the columns of the row that do not stand in the envelope; `why` tells more of some of the rules that are broken.
    """
    columns = {"recv_ts": F.timestamp_micros(F.expr("recv_ns DIV 1000")), **made}
    reason = rules.first(broken)
    return (
        *map(F.col, IDENTITY),
        made.get("item", F.lit(0)).alias("item"),
        columns["recv_ts"].alias("recv_ts"),
        F.struct(*(columns.get(name, F.col(name)).alias(name) for name in table.names)).alias("row"),
        (reason.isNull() & word).alias("word"),
        reason.alias("reason"),
        F.coalesce(*(F.when(reason == name, text) for name, text in why.items()), F.lit(None).cast("STRING")).alias("why"),
        F.col("value").alias("line"),
    )


def quarantine_row() -> Step:
    """The contract of `quarantine`, of an item with a reason."""
    made = {
        "detail": F.col("why"),
        "raw": F.col("line"),
        "line_sha256": F.sha2(F.col("line").cast("BINARY"), 256),
        "channel": F.coalesce("channel", F.regexp_extract("object", r"/channel=([a-z]+)/", 1)),
        "year": F.year(object_day()),
        "month": F.month(object_day()),
    }
    nothing = {"feed": "STRING", "trade_id": "BIGINT", "ts": "TIMESTAMP"}  # of trades alone
    made |= {name: F.lit(None).cast(type_) for name, type_ in nothing.items()}
    return tuple(made.get(name, F.col(name)).alias(name) for name in QUARANTINE.names)
