"""What the collectors say of themselves: starts and stops, connections, holes seen and repaired."""

from jobs.tables.table import MARKET, PAIR, VENUE, Column, Table

COLLECTOR_EVENTS = Table(
    name="collector_events",
    comment="Every event of a collector or a repair, once; docs/ingest.md says when each is written.",
    key=("channel", "conn", "seq", "item"),
    columns=(
        Column("channel", "STRING", "The landing zone's channel: events."),
        VENUE,
        MARKET,
        PAIR,
        Column(
            "event",
            "STRING",
            "What happened: start, stop, connect, subscribed, disconnect, mute, gap, repair, drift, side, clock, spool.",
        ),
        Column("feed", "STRING", "The kind that it is about, such as agg_trade; NULL: the process."),
        Column("stream", "STRING", "The venue's name of the stream; NULL: all of the connection."),
        Column("at", "TIMESTAMP", "When it happened, by the collector's clock."),
        Column("before_id", "BIGINT", "The last id before a hole, or before an end."),
        Column("after_id", "BIGINT", "The first id after a hole; NULL where none has come."),
        Column("first_missing_id", "BIGINT", "The least id that is missing; NULL where ids do not tell."),
        Column("last_missing_id", "BIGINT", "The greatest id that is missing; NULL where ids do not tell."),
        Column("before_ts", "TIMESTAMP", "The venue's time of before_id."),
        Column("after_ts", "TIMESTAMP", "The venue's time of after_id."),
        Column("rows", "BIGINT", "How many: frames of a stream, rows of a repair."),
        Column("outcome", "STRING", "How it ended, or of which sort it is."),
        Column("detail", "STRING", "In words."),
        Column("source", "STRING", "Who tells: ws the collector, rest and dump a repair from there."),
        Column("recv_ts", "TIMESTAMP", "When the line was written."),
        Column("object", "STRING", "The landing object that holds it, relative to the lake."),
        Column("conn", "STRING", "The connection that it is of."),
        Column("seq", "BIGINT", "Number of the line on its connection and channel."),
        Column("item", "INT", "Place in the line's array; 0 where there is none."),
        Column("year", "INT", "Year of the day in the object's name."),
        Column("month", "INT", "Month of the day in the object's name."),
    ),
    partitioned_by=("year", "month"),
    skipping=("recv_ts", "at"),
)
