"""Every trade, once."""

from jobs.tables.table import AMOUNT, FEED, MARKET, MONTH, PAIR, PRICE, QUANTITY, VENUE, YEAR, Column, Table

SAME = ("price", "quantity", "taker_side", "ts")  # of two copies of a trade: by these the exchange says what it was

TRADES = Table(
    name="trades",
    comment="Every trade that reached us, once. The first committed copy wins; one that differs is in quarantine as conflict.",
    key=("venue", "market", "feed", "pair", "trade_id"),
    columns=(
        VENUE,
        MARKET,
        FEED,
        PAIR,
        Column("trade_id", "BIGINT", "The feed's own id: of the trade, or of the aggregate where feed is agg_trade."),
        Column("first_id", "BIGINT", "First of the exchange's trades in an aggregate; NULL for a single trade."),
        Column("last_id", "BIGINT", "Last of the exchange's trades in an aggregate; NULL for a single trade."),
        Column("price", PRICE, "Price in the quote currency, as received."),
        Column("quantity", QUANTITY, "Quantity of the base currency, as received."),
        Column("quote_quantity", AMOUNT, "price * quantity, exact, always computed here."),
        Column("taker_side", "STRING", "buy or sell: what the taker did."),
        Column("ts", "TIMESTAMP", "The trade's own time, floored to the coarsest unit that any source of the feed offers."),
        Column("event_ts", "TIMESTAMP", "When the exchange sent it; NULL where it does not say."),
        Column("recv_ts", "TIMESTAMP", "When our collector received it; of an adopted tick, when the exchange sent it."),
        Column("source", "STRING", "How it reached us: ws, rest, dump or adopted."),
        Column("object", "STRING", "The landing object that holds it, relative to the lake."),
        Column("conn", "STRING", "The connection (or file) that brought it."),
        Column("seq", "BIGINT", "Number of the line on its connection and channel."),
        Column("item", "INT", "Place in the line's array; 0 where there is none."),
        YEAR,
        MONTH,
    ),
    skipping=("trade_id", "ts"),
)
