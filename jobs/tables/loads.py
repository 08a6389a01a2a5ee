"""What became of each file of the inbox."""

from jobs.tables.table import FEED, MARKET, PAIR, VENUE, Column, Table

VERDICTS = {
    "loaded": "Its rows are in the month's object.",
    "as_in_month": "The month's file is there, too, and says the same of the day: history has the day from that.",
    "differs_from_month": "The month's file says something else of the day, and history has the day from that; detail says how much.",
    "checksum": "It is not what its checksum says.",
    "unreadable": "It is, and yet no file that we know: damaged, packed to burst, of other columns.",
    "adopted": "Another system's file, taken in by adopt; detail says where its rows went.",
    "not_published": "It is in order; its month was refused, for the reason in detail.",
}

LOADS = Table(
    name="loads",
    comment="What compact found in each file of the inbox, and adopt in each file of another system: a row a version of a file, of a file "
    "of lines a row a month of it; a run that finds the same changes nothing.",
    key=("object", "sha256", "first_day"),
    columns=(
        Column(
            "object",
            "STRING",
            "The file, relative to the lake; of an adopted one the name under which the lake keeps it where no lines are made of it.",
        ),
        Column("sha256", "STRING", "Of its bytes."),
        Column(
            "dataset",
            "STRING",
            "What it was made part of below history/: trades, klines, imported_minutes, imported_spreads; of lines the table.",
        ),
        VENUE,
        MARKET,
        FEED,
        PAIR,
        Column("first_day", "DATE", "The first day, UTC, that it is of."),
        Column("last_day", "DATE", "The last one."),
        Column("bytes", "BIGINT", "As it lies in the inbox."),
        Column("rows", "BIGINT", "Rows that are believed; NULL where it was not read."),
        Column("first_id", "BIGINT", "Least id of these; NULL: of candles."),
        Column("last_id", "BIGINT", "Greatest id of these; NULL: of candles."),
        Column("rejected", "BIGINT", "Rows that are not; each is in rejects."),
        Column("verdict", "STRING", f"One of {', '.join(VERDICTS)}."),
        Column("detail", "STRING", "What is wrong, in words; empty where nothing is."),
        Column("loaded_at", "TIMESTAMP", "When the run began that found it so."),
    ),
    partitioned_by=(),
    skipping=("object",),
)
