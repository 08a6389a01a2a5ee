"""What did not become a row, with the reason."""

from jobs.tables.table import FEED, MARKET, PAIR, VENUE, Column, Table

QUARANTINE = Table(
    name="quarantine",
    comment="Every item of the landing zone that no other table holds and that is no duplicate, with the reason.",
    key=("channel", "conn", "seq", "item"),
    columns=(
        Column("channel", "STRING", "The landing zone's channel."),
        VENUE,
        MARKET,
        FEED,
        PAIR,
        Column("trade_id", "BIGINT", "The trade's id; NULL where unknown."),
        Column("ts", "TIMESTAMP", "The trade's own time; NULL where unknown."),
        Column("reason", "STRING", "Why, in a word: one of the reasons in docs/tables.md."),
        Column("detail", "STRING", "What stood there, or what it disagrees with."),
        Column("raw", "STRING", "The line as it lies in the landing object."),
        Column("object", "STRING", "The landing object, relative to the lake."),
        Column("line_sha256", "STRING", "Sha256 of the line; with object the key where the line is no envelope."),
        Column("recv_ts", "TIMESTAMP", "When our collector received it; NULL where unknown."),
        Column("conn", "STRING", "The connection (or file) that brought it; NULL where unknown."),
        Column("seq", "BIGINT", "Number of the line on its connection and channel; NULL where unknown."),
        Column("item", "INT", "Place in the line's array; 0 where there is none."),
        Column("year", "INT", "Year of the day in the object's name."),
        Column("month", "INT", "Month of the day in the object's name."),
    ),
    partitioned_by=("year", "month"),
    skipping=("recv_ts", "ts"),
)

REASONS = {
    "not_envelope": "The line is not JSON of ours, or lacks a part of the envelope.",
    "version": "The envelope is of a version that this program does not know.",
    "not_utf8": "The venue sent bytes that are not UTF-8.",
    "not_json": "The venue sent a text that is not JSON.",
    "unreadable": "No parser is known for this venue, market, kind and source.",
    "pair": "The pair is not BASE-QUOTE in capitals and digits.",
    "trade_id": "The id is missing, negative or not a whole number.",
    "price": "The price is missing, negative, not a plain number, or does not fit DECIMAL(20,10) exactly.",
    "quantity": "The quantity is missing, negative, not a plain number, or does not fit DECIMAL(22,8) exactly.",
    "taker_side": "The taker's side is missing or neither of the two known values.",
    "ts": "The trade's time is missing or not a time.",
    "aggregate": "An aggregate whose first id is above its last, or is missing.",
    "void": "The exchange marked the trade as void (price 0, quantity 0, or first id -1). Its id counts as seen.",
    "not_market": "A fill outside the market (insurance fund, auto-deleveraging). Its id counts as seen.",
    "overflow": "price * quantity does not fit DECIMAL(38,18). Its id counts as seen.",
    "future": "The trade's time is more than an hour ahead of its receipt.",
    "id_reset": "The id is far below a covered range and the time above its end: the venue began its ids anew. See docs/operations.md.",
    "levels": "An order book without a side, or with a level that is no price and quantity that fit.",
    "kline": "A candle without its width or a time, or with a number that does not fit its column exactly.",
    "event": "An event of a collector with a number or a time that is none.",
    "instruments": "A venue's answer that is no list of what it trades, or an element of it without a symbol.",
    "conflict": "The id is known with another price, quantity, side or time; the first committed copy is in trades.",
    "object_corrupt": "The landing object was damaged; what could be believed of it was read, the original is under damaged/.",
}
SEEN = ("void", "not_market", "overflow")  # their ids exist: they are no holes
