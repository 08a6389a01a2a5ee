"""The minutes: a function of their trades, and what can be said about them."""

from jobs.tables.table import AMOUNT, FEED, MARKET, MONTH, PAIR, PRICE, VENUE, VOLUME, YEAR, Column, Table

MINUTE_AGGREGATES = Table(
    name="minute_aggregates",
    comment="One row a minute that has trades. Always equal to the aggregation of the rows of trades; corrected when one arrives late.",
    key=("venue", "market", "feed", "pair", "minute"),
    columns=(
        VENUE,
        MARKET,
        FEED,
        PAIR,
        Column("minute", "TIMESTAMP", "Start of the minute, UTC."),
        Column("open", PRICE, "Price of the trade with the least id."),
        Column("high", PRICE, "Highest price."),
        Column("low", PRICE, "Lowest price."),
        Column("close", PRICE, "Price of the trade with the greatest id."),
        Column("vwap", PRICE, "quote_volume / volume, half up to ten decimals; NULL where it does not fit."),
        Column("volume", VOLUME, "Sum of quantity."),
        Column("quote_volume", AMOUNT, "Sum of quote_quantity, exact."),
        Column("trades", "BIGINT", "The exchange's trades: those inside the aggregates where the market's ids tell, else rows."),
        Column("buy_trades", "BIGINT", "Trades in which the taker bought."),
        Column("buy_volume", VOLUME, "Quantity that takers bought."),
        Column("buy_quote_volume", AMOUNT, "Quote amount of what takers bought."),
        Column("sell_trades", "BIGINT", "Trades in which the taker sold."),
        Column("sell_volume", VOLUME, "Quantity that takers sold."),
        Column("sell_quote_volume", AMOUNT, "Quote amount of what takers sold."),
        Column("avg_buy_price", PRICE, "buy_quote_volume / buy_volume, half up; NULL without buys or where it does not fit."),
        Column("avg_sell_price", PRICE, "sell_quote_volume / sell_volume, half up; NULL without sells or where it does not fit."),
        Column("first_id", "BIGINT", "Least trade_id."),
        Column("last_id", "BIGINT", "Greatest trade_id."),
        Column("first_trade_id", "BIGINT", "First of the exchange's trades; NULL where an aggregate does not tell."),
        Column("last_trade_id", "BIGINT", "Last of the exchange's trades; NULL where an aggregate does not tell."),
        Column("first_ts", "TIMESTAMP", "Time of the earliest trade."),
        Column("last_ts", "TIMESTAMP", "Time of the latest trade."),
        Column("ticks", "BIGINT", "Rows of trades."),
        Column(
            "missing_trades", "BIGINT", "Ids absent directly below its trades, down to the next one there is; NULL: not dense."
        ),
        Column("is_complete", "BOOLEAN", "Is every id next to one of its trades seen? NULL where ids are not dense."),
        Column("revision", "BIGINT", "0 while the feed has no later minute; grows with each committed change after that."),
        Column("updated_at", "TIMESTAMP", "When this row was written."),
        YEAR,
        MONTH,
    ),
    skipping=("minute", "first_id", "last_id"),
)
