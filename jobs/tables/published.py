"""Which months of history are to be believed, and which files each was made of."""

from jobs.tables.table import FEED, MARKET, MONTH, PAIR, VENUE, YEAR, Column, Table

SOURCES = "ARRAY<STRUCT<object: STRING, sha256: STRING>>"

PUBLISHED = Table(
    name="published",
    comment="The months of history: one row an object below history/, which readers take in the place of the live rows of that month.",
    key=("dataset", "venue", "market", "feed", "pair", "year", "month"),
    columns=(
        Column("dataset", "STRING", "What it is part of: trades, imported_minutes, imported_spreads."),
        VENUE,
        MARKET,
        FEED,
        PAIR,
        YEAR,
        MONTH,
        Column("object", "STRING", "The parquet object, relative to the lake."),
        Column("sha256", "STRING", "Of its bytes."),
        Column("bytes", "BIGINT", "How many these are."),
        Column("rows", "BIGINT", "Rows in it."),
        Column("first_id", "BIGINT", "Least id."),
        Column("last_id", "BIGINT", "Greatest id."),
        Column("missing", "BIGINT", "Ids between these two that are not in it."),
        Column("duplicates", "BIGINT", "Rows of the files that said again what another one had said."),
        Column("sources", SOURCES, "The files that it was made of, in their order."),
        Column("published_at", "TIMESTAMP", "When the run began that published it."),
    ),
    partitioned_by=(),
    skipping=("pair",),
)
