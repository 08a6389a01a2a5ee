"""What each venue trades: the history of every symbol."""

from jobs.tables.table import AMOUNT, MARKET, PRICE, QUANTITY, VENUE, Column, Table

INSTRUMENTS = Table(
    name="instruments",
    comment="A row of a symbol where something of it is another than in the list before, as far as that had come; the newest holds now.",
    key=("venue", "market", "symbol", "recv_ts"),
    columns=(
        VENUE,
        MARKET,
        Column("symbol", "STRING", "The venue's own name of it."),
        Column("recv_ts", "TIMESTAMP", "When our collector received the list."),
        Column("pair", "STRING", "The pair as BASE-QUOTE; NULL: it has none, as a contract with a date."),
        Column("base", "STRING", "What is traded."),
        Column("quote", "STRING", "What it is paid with."),
        Column("status", "STRING", "As the venue says it, such as TRADING, BREAK, online, delisted; NULL: it does not say."),
        Column("tick_size", PRICE, "Prices are multiples of it; NULL: the venue does not say, or it does not fit."),
        Column("lot_size", QUANTITY, "Quantities are multiples of it; NULL: the venue does not say, or it does not fit."),
        Column(
            "min_notional",
            AMOUNT,
            "The least amount of an order in the quote currency; NULL: the venue does not say, or it does not fit.",
        ),
        Column("listed_at", "TIMESTAMP", "Since when it is traded; NULL: the venue does not say."),
        Column("raw", "STRING", "Its element of the list, as JSON."),
        Column("object", "STRING", "The landing object that holds it, relative to the lake."),
        Column("conn", "STRING", "Who asked for it."),
        Column("seq", "BIGINT", "Number of the line on its connection and channel."),
        Column("item", "INT", "Place in the list."),
    ),
    partitioned_by=(),
    skipping=("recv_ts",),
)
