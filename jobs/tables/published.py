"""Which months of history are to be believed, and which files each was made of."""

from jobs.tables.table import FEED, MARKET, MONTH, PAIR, VENUE, YEAR, Column, Table

SOURCES = "ARRAY<STRUCT<object: STRING, sha256: STRING>>"
RUNS = "ARRAY<STRUCT<low: BIGINT, high: BIGINT, first_id: BIGINT, first_ts: TIMESTAMP, last_id: BIGINT, last_ts: TIMESTAMP>>"

PUBLISHED = Table(
    name="published",
    comment="The months of history: one row an object below history/, which readers take in the place of the live rows of that month.",
    key=("dataset", "venue", "market", "feed", "pair", "year", "month"),
    columns=(
        Column(
            "dataset",
            "STRING",
            "What it is part of: trades, minute_aggregates, klines, imported_minutes or imported_spreads.",
        ),
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
        Column("first_id", "BIGINT", "Least id of its trades; NULL: of candles."),
        Column("last_id", "BIGINT", "Greatest id of its trades; NULL: of candles."),
        Column(
            "missing",
            "BIGINT",
            "Ids between these two that are missing; of minutes the sum of theirs, of candles those that are absent. NULL: not dense.",
        ),
        Column("duplicates", "BIGINT", "Rows of the files that said again what another one had said."),
        Column("sources", SOURCES, "The files that it was made of, in their order; of minutes the object of their trades."),
        Column(
            "runs",
            RUNS,
            "Of trades the ids without a break, from low to high, with the first and the last trade among them: an id that the venue "
            "gave to nothing is none. Between two of them lies a hole. Of candles the same of their numbers since 1970. NULL: not dense.",
        ),
        Column("made_with", "STRING", "Of minutes: changes with what the months beside this one have to say of their flags."),
        Column("published_at", "TIMESTAMP", "When the run began that published it."),
    ),
    partitioned_by=(),
    skipping=("pair",),
)
