"""What a table is: a value, from which its DDL, its documentation and the projections of the jobs are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PRICE = "DECIMAL(20,10)"
QUANTITY = "DECIMAL(22,8)"
VOLUME = "DECIMAL(30,8)"  # a sum of quantities
AMOUNT = "DECIMAL(38,18)"  # price times quantity, exact, and its sums
PERCENT = "DECIMAL(12,6)"


@dataclass(frozen=True)
class Column:
    """One column; the comment is what a reader of the table is told."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A table of the lake."""

    name: str
    comment: str
    key: Sequence[str]
    columns: Sequence[Column]
    partitioned_by: Sequence[str] = ("pair", "year", "month")
    skipping: Sequence[str] = ()  # columns whose minima and maxima each file tells
    properties: Mapping[str, str] = field(default_factory=dict)
    is_delta: bool = True  # False: parquet below history/ alone, an object a month, and no live table

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def type_of(self, name: str) -> str:
        return next(column.type for column in self.columns if column.name == name)

    def ddl(self, path: str) -> str:
        """The statement that creates it."""
        columns = ",\n".join(f"  `{c.name}` {c.type} COMMENT {_quoted(c.comment)}" for c in self.columns)
        properties = {
            # the ranges of these columns are what makes a look-up read few files; others would only cost
            "delta.dataSkippingStatsColumns": ",".join(self.skipping),
            # a log checkpoint costs more than a small batch; readers still replay 50 small files at most
            "delta.checkpointInterval": "50",
            **self.properties,
        }
        listed = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
        parts = ", ".join(f"`{name}`" for name in self.partitioned_by)
        partitioned = f"PARTITIONED BY ({parts})\n" if parts else ""
        return (
            f"CREATE TABLE IF NOT EXISTS delta.`{path}` (\n{columns}\n) USING DELTA\n{partitioned}"
            f"COMMENT {_quoted(self.comment)}\nTBLPROPERTIES ({listed})"
        )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


VENUE = Column("venue", "STRING", "The exchange, such as binance.")
MARKET = Column("market", "STRING", "The exchange's market: spot or usdm (USD-margined futures).")
PAIR = Column("pair", "STRING", "The pair as BASE-QUOTE, such as BTC-USDT.")
FEED = Column(
    "feed",
    "STRING",
    "The series: trade or agg_trade (the exchange's aggregates); .2, .3 … after an id reset that a person confirmed.",
)
YEAR = Column("year", "INT", "Year of the time, UTC.")
MONTH = Column("month", "INT", "Month of the time, UTC: 1, not 01.")
