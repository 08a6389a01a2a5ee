"""Minutes of a system of the past, of which no trades are left."""

from jobs.tables.table import AMOUNT, MARKET, MONTH, PAIR, VENUE, YEAR, Column, Table

IMPORTED = "imported"  # the feed of what no feed of ours has brought

_TOLD = "as that system told it, with all its decimals"

IMPORTED_MINUTES = Table(
    name="imported_minutes",
    comment="Minute rows of another system, taken in by adopt. It named the sides the other way round: what it calls s is what takers "
    "bought, and stands here as buy. Its minutes are those in which a file of ticks arrived, so trades of up to a minute before are in "
    "them; its clock's zone is turned into UTC.",
    key=("venue", "market", "feed", "pair", "minute"),
    columns=(
        VENUE,
        MARKET,
        Column("feed", "STRING", f"{IMPORTED}: which of the exchange's series that system read it does not say."),
        PAIR,
        Column("minute", "TIMESTAMP", "The minute in which the ticks arrived, UTC."),
        Column("buy_trades", "BIGINT", "Trades in which the taker bought: total_count_s of the file."),
        Column("buy_volume", AMOUNT, f"Quantity that takers bought: total_btc_s, {_TOLD}."),
        Column("buy_quote_volume", AMOUNT, f"Quote amount of that: total_usd_s, {_TOLD}."),
        Column("avg_buy_price", AMOUNT, f"Average price of that: avg_s, {_TOLD}; NULL without buys."),
        Column("sell_trades", "BIGINT", "Trades in which the taker sold: total_count_b of the file."),
        Column("sell_volume", AMOUNT, f"Quantity that takers sold: total_btc_b, {_TOLD}."),
        Column("sell_quote_volume", AMOUNT, f"Quote amount of that: total_usd_b, {_TOLD}."),
        Column("avg_sell_price", AMOUNT, f"Average price of that: avg_b, {_TOLD}; NULL without sells."),
        Column("object", "STRING", "The file, relative to the lake."),
        Column("line", "BIGINT", "Its line; the first one is 1."),
        YEAR,
        MONTH,
    ),
    skipping=("minute",),
    is_delta=False,
)
