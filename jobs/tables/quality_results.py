"""What every check of the data came to, run by run."""

from jobs.tables.table import PERCENT, Column, Table

QUALITY_RESULTS = Table(
    name="quality_results",
    comment="One row a run, table, expectation and day that was looked at; and what the stream's own rules kept out since the run before.",
    key=("run", "table", "expectation", "day"),
    columns=(
        Column("run", "STRING", "The run of quality: its record is control/runs/quality/<run>.json."),
        Column("table", "STRING", "The table that was looked at; of the stream's own rules the one that its query writes."),
        Column(
            "expectation",
            "STRING",
            "Its name in the file of conf/expectations; of the stream's own rules stream_ and the reason of quarantine, or one of "
            "stream_quarantined (all reasons), stream_conflicts and stream_unfit (minutes whose sums do not fit).",
        ),
        Column(
            "day",
            "DATE",
            "The day, UTC, whose rows were looked at; the open day for those that ask how fresh a table is. Of the stream's own rules: "
            "the day of the run.",
        ),
        Column("suite", "STRING", "The file of conf/expectations, without .json; stream for the stream's own rules."),
        Column("kind", "STRING", "What Great Expectations calls it; NULL for the stream's own rules."),
        Column("column_name", "STRING", "The column that it is about, also one that the file computes; NULL: not one alone."),
        Column(
            "success", "BOOLEAN", "Is it so? NULL: there was nothing to look at; or a count of the stream's, which nobody judges."
        ),
        Column(
            "observed",
            "STRING",
            "What was found, in words: how many of how many, the error that it ended in, nothing to look at.",
        ),
        Column("checked", "BIGINT", "Rows that it looked at, or items of the stream; NULL: not known."),
        Column(
            "unexpected_count",
            "BIGINT",
            "How many of them are not as expected; of a question in SQL, the rows of its answer. NULL: not counted in rows.",
        ),
        Column(
            "unexpected_pct",
            PERCENT,
            "unexpected_count in percent of checked, half up; NULL where one of them is, or checked is 0.",
        ),
        Column(
            "examples", "STRING", "Some of them, twenty at most, as a JSON list: the key of each row, or the rows of the answer."
        ),
        Column("table_version", "BIGINT", "Delta's version of the table that was looked at; NULL for the stream's own rules."),
        Column("checked_at", "TIMESTAMP", "When the run began."),
    ),
    partitioned_by=(),
    skipping=("run", "day"),
)
