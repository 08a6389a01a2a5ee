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
    "kline": "No candle: a number is missing, below nought, or one that its column does not hold exactly.",
    "void": "Price or quantity of nought or less: a row that the exchange took back.",
    "overflow": "Price times quantity is 10^20 or more.",
    "conflict": "Another row of the same id, or of the same time, which counts, says something else.",
    "pair": "A symbol that no pair BASE-QUOTE is known for.",
    "number": "A number of a candle or of a minute is none, or its column does not hold it exactly.",
    "width": "A candle of another width than the first one of the file.",
    "open": "The last candle of the file: whether it was closed when it was fetched, nothing tells.",
    "hour": "A minute of the hour that comes twice in autumn, where the order of the rows does not tell which.",
    "spread": "No spread of the prices beside it.",
}

REJECTS = Table(
    name="rejects",
    comment="Each row of a file of the inbox that is not in history, with its line and why.",
    key=("object", "sha256", "line", "item"),
    columns=(
        Column("object", "STRING", "The file, relative to the lake."),
        Column("sha256", "STRING", "Of its bytes."),
        Column(
            "line",
            "BIGINT",
            "The line of the CSV; the first one is 1. Of a file of lines its number on its connection.",
        ),
        Column("item", "INT", "Place in the line's array; 0 where there is none."),
        VENUE,
        MARKET,
        FEED,
        PAIR,
        Column("trade_id", "BIGINT", "Of a row that has an id and is no trade: nothing is missing there. NULL: of any other."),
        Column("reason", "STRING", f"One of {', '.join(REASONS)}; of a file of lines those of quarantine, too."),
        Column("raw", "STRING", "The line as it stands there; of a conflict the id, or the candle's start."),
        Column("loaded_at", "TIMESTAMP", "When the run began that found it."),
    ),
    partitioned_by=(),
    skipping=("object",),
)
