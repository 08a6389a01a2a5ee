"""Landing lines opened: what stands in the envelope, and the received text read as a struct. The same for all channels."""

from collections.abc import Iterable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

HEAD = {
    "v": "INT", "channel": "STRING", "venue": "STRING", "market": "STRING", "kind": "STRING", "pair": "STRING", "stream": "STRING",
    "source": "STRING", "conn": "STRING", "seq": "BIGINT", "recv_ns": "BIGINT", "raw_text": "STRING", "raw_b64": "STRING",
}  # fmt: skip
FRAME_HEAD = tuple(name for name in HEAD if name not in ("stream", "raw_text", "raw_b64"))
DAMAGE = ("is_binary", "is_text")

# what Spark's reader of JSON makes no row of: white space, and an empty array with whatever follows it
EMPTY = r"(?s)\A[ \t\r\n]*(\[[ \t\r\n]*\].*)?\z"

Step = Sequence[Column]


def whole_lines(lines: DataFrame) -> DataFrame:
    """Lines (`value`, `object`) that hold something."""
    return lines.where(~F.rlike("value", F.lit(EMPTY)))


def opened(raw: str) -> Sequence[Step]:
    """Steps from a line to its envelope: the fields of HEAD, `raw` of that type, what of it is damaged (DAMAGE), `value`, `object`."""
    # a text that parses as JSON is read like the rest: a pretty-printed frame comes so
    inside = F.when(F.col("raw_text").isNull(), F.col("e.raw")).otherwise(F.from_json("raw_text", raw))
    is_text = F.col("raw_text").isNotNull() & F.get_json_object("raw_text", "$").isNull()
    return (
        (F.explode_outer(_envelopes(raw)).alias("e"), F.col("value"), F.col("object")),
        (*(F.col(f"e.{name}").alias(name) for name in HEAD), F.col("e"), F.col("value"), F.col("object")),
        (F.col("*"), inside.alias("raw"), F.col("raw_b64").isNotNull().alias("is_binary"), is_text.alias("is_text")),
    )


def bare() -> Column:
    """The received text itself, of an opened line."""
    return F.coalesce(F.col("raw_text"), F.get_json_object("value", "$.raw"))


def line_type(head: Iterable[str], raw: str) -> str:
    """The fields of a line: some of its envelope, and what is read of the text in it."""
    return ", ".join([*(f"`{name}` {HEAD[name]}" for name in head), f"`raw` {raw}"])


def applied(lines: DataFrame, steps: Sequence[Step]) -> DataFrame:
    """Each step a select upon the one before."""
    for step in steps:
        lines = lines.select(*step)
    return lines


def _envelopes(raw: str) -> Column:
    """Of a line: one, or the several of an array, as Spark's reader of JSON takes them; one that is NULL where it cannot be read."""
    read = F.from_json("value", f"ARRAY<STRUCT<{line_type(HEAD, raw)}>>")
    return F.when(F.is_valid_utf8("value"), read)  # the reader looks at bytes and refuses others
