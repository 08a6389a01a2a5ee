"""Rows of files that are not believed."""

from jobs.tables.table import FEED, MARKET, PAIR, VENUE, Column, Table

REASONS = {
    "columns": "Another number of columns than the file should have.",
    "trade_id": "No id, or none of 18 digits at most.",
    "price": "No number, or one that DECIMAL(20,10) does not hold exactly.",
    "quantity": "No number, or one that DECIMAL(22,8) does not hold exactly.",
    "ts": "No time, or none of the days that the file is of.",
    "taker_side": "Neither true nor false.",
    "aggregate": "No first or last id of an aggregate.",
    "void": "Price or quantity of nought or less: a row that the exchange took back.",
    "overflow": "Price times quantity is 10^20 or more.",
    "conflict": "Another row of the same id, which counts, says something else.",
}

REJECTS = Table(
    name="rejects",
    comment="Each row of a file of the inbox that is not in history, with its line and why.",
    key=("object", "sha256", "line"),
    columns=(
        Column("object", "STRING", "The file, relative to the lake."),
        Column("sha256", "STRING", "Of its bytes."),
        Column("line", "BIGINT", "The line of the CSV; the first one is 1."),
        VENUE,
        MARKET,
        FEED,
        PAIR,
        Column("trade_id", "BIGINT", "Of a row that has an id and is no trade: nothing is missing there. NULL: of any other."),
        Column("reason", "STRING", f"One of {', '.join(REASONS)}."),
        Column("raw", "STRING", "The line as it stands there; of a conflict the id."),
        Column("loaded_at", "TIMESTAMP", "When the run began that found it."),
    ),
    partitioned_by=(),
    skipping=("object",),
)
