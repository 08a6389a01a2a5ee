"""The ledger of holes: each one that was ever seen, and what became of it."""

from jobs.tables.table import FEED, MARKET, PAIR, VENUE, Column, Table

OPEN, HALT, VOID, IMPLAUSIBLE, UNRECOVERABLE = "open", "exchange_halt", "void", "implausible", "unrecoverable"
NOT_COLLECTED = "not_collected"
FILLED = {"rest": "repaired_rest", "dump": "repaired_dump"}  # by the source of the row that came last
LATE = "repaired_late"  # any other source
STATES = {
    OPEN: "Something is missing, and may still be had.",
    "repaired_rest": "Everything is there; what came last was asked for over REST.",
    "repaired_dump": "Everything is there; what came last stood in a published file.",
    LATE: "Everything is there; what came last was a late spool, or a second collector had it.",
    HALT: "Nothing is missing: the ids go on, and the time jumps by more than jobs.gaps.halt_after. The exchange stood still.",
    VOID: "Nothing was missing: the ids were no trades, or the suspicion was unfounded.",
    NOT_COLLECTED: "Nobody was to have it: between history and the first live trade, or a month that history leaves out. It is repaired by "
    "nobody unasked; `python -m ingest backfill` and compact fill it.",
    IMPLAUSIBLE: "Ten million ids and more, or ids that began anew: for a person to judge. Nobody repairs it unasked.",
    UNRECOVERABLE: "Something is missing, and the exchange has not got it either.",
}

GAPS = Table(
    name="gaps",
    comment="One row a hole: how it was found, what of it is missing still, and how it was closed.",
    key=("venue", "market", "feed", "pair", "before_id"),
    columns=(
        VENUE,
        MARKET,
        FEED,
        PAIR,
        Column("before_id", "BIGINT", "The last id before the hole; never changes."),
        Column(
            "after_id",
            "BIGINT",
            "The first id after it; never changes. NULL: nobody knows.",
        ),
        Column("first_missing_id", "BIGINT", "The least id that is absent still; NULL: none, or ids do not tell."),
        Column("last_missing_id", "BIGINT", "The greatest id that is absent still; NULL: none, or ids do not tell."),
        Column("missing", "BIGINT", "How many ids are absent still; NULL: not dense."),
        Column("before_ts", "TIMESTAMP", "The trade's time of before_id; never changes. NULL: not known."),
        Column("after_ts", "TIMESTAMP", "The trade's time of after_id; never changes. NULL: not known."),
        Column("detected_by", "STRING", "minutes: missing in minute_aggregates; collector: a collector told of it."),
        Column("state", "STRING", "What became of it: one of the states in docs/tables.md."),
        Column("repaired_rows", "BIGINT", "Rows of trades that lie in it by now; NULL where ids do not tell and no repair did."),
        Column("detected_at", "TIMESTAMP", "When a collector saw it, or the run of gaps that found it."),
        Column("closed_at", "TIMESTAMP", "When a run of gaps saw that it is not open any more."),
        Column("year", "INT", "Year of before_ts, else of after_ts, else of detected_at."),
        Column("month", "INT", "Month of the same: 1, not 01."),
    ),
    skipping=("before_id", "state"),
)
