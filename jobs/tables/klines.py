"""The exchange's own candles."""

from jobs.tables.table import AMOUNT, MARKET, MONTH, PAIR, PRICE, VENUE, VOLUME, YEAR, Column, Table

RANK = ("trades", "first_id IS NOT NULL", "recv_ts")  # of several copies the greatest counts

KLINES = Table(
    name="klines",
    comment="The exchange's own candles, closed ones only. Of several copies the one with the most trades, then with ids, then the newest.",
    key=("venue", "market", "pair", "width", "open_time"),
    columns=(
        VENUE,
        MARKET,
        PAIR,
        Column("width", "STRING", "How long it is, as the exchange says it: 1m, 1h, 1d …"),
        Column("open_time", "TIMESTAMP", "Its start."),
        Column("open", PRICE, "Price of its first trade."),
        Column("high", PRICE, "Highest price."),
        Column("low", PRICE, "Lowest price."),
        Column("close", PRICE, "Price of its last trade."),
        Column("volume", VOLUME, "Sum of the quantities."),
        Column("close_time", "TIMESTAMP", "Its last moment, as the exchange says it."),
        Column("quote_volume", AMOUNT, "Sum of the quote amounts."),
        Column("trades", "BIGINT", "How many trades."),
        Column("taker_buy_volume", VOLUME, "Quantity that takers bought."),
        Column("taker_buy_quote_volume", AMOUNT, "Quote amount of what takers bought."),
        Column("first_id", "BIGINT", "Id of its first trade; NULL: the source does not tell, or there is none."),
        Column("last_id", "BIGINT", "Id of its last trade; NULL: the source does not tell, or there is none."),
        Column("recv_ts", "TIMESTAMP", "When our collector received it."),
        Column("source", "STRING", "ws: the venue sent it; rest: it was asked for; adopted: a file of another collector."),
        Column("object", "STRING", "The landing object that holds it, relative to the lake."),
        Column("conn", "STRING", "The connection that brought it."),
        Column("seq", "BIGINT", "Number of the line on its connection and channel."),
        Column("item", "INT", "Place in the line's array; 0 where there is none."),
        YEAR,
        MONTH,
    ),
    skipping=("open_time",),
)
