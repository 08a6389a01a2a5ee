"""What it costs to buy or sell an amount at once: order books, walked."""

from jobs.tables.table import AMOUNT, MARKET, MONTH, PAIR, PERCENT, PRICE, VENUE, VOLUME, YEAR, Column, Table

FILLS = Table(
    name="fills",
    comment="One row a book of order_books, side and notional of the configuration: what buying or selling so much at once comes to.",
    key=("venue", "market", "pair", "recv_ts", "side", "notional"),
    columns=(
        VENUE,
        MARKET,
        PAIR,
        Column("recv_ts", "TIMESTAMP", "When our collector received the book."),
        Column("side", "STRING", "buy: the asks are walked; sell: the bids. From the best price on."),
        Column("notional", AMOUNT, "How much is to be spent or received, in the quote currency."),
        Column("average_price", PRICE, "cost / filled, half up to ten decimals; NULL where nothing is filled."),
        Column("worst_price", PRICE, "Price of the last level of which something is taken; NULL where nothing is filled."),
        Column(
            "filled",
            VOLUME,
            "Base quantity bought or sold. Of the last level as many whole 0.00000001 are taken as what is left of the notional pays "
            "for, rounded down; of each level before it all.",
        ),
        Column("levels", "INT", "Levels of which something is taken."),
        Column(
            "cost", AMOUNT, "Quote amount spent or received, exact: the sum of price * quantity taken. Never more than notional."
        ),
        Column(
            "slippage_pct",
            PERCENT,
            "How much worse than mid average_price is, in percent of mid, half up: above 0 for paying more or receiving less. NULL "
            "without a mid, where nothing is filled, or where it does not fit.",
        ),
        Column(
            "is_full",
            "BOOLEAN",
            "Is it all there? What is left of notional, if anything, does not pay for another 0.00000001 at the next price. False where "
            "nothing is filled.",
        ),
        Column(
            "is_cut",
            "BOOLEAN",
            "Not full, and the walked side ends where the request for the book ended, so there may be more in the market: it has as many "
            "levels as were asked for (levels of order_books; one at level 1) or more. Of level 3, where orders of one price are one level "
            "here, any will do if their number was asked for. False where all levels were asked for, or fewer came: that was all.",
        ),
        Column("ts", "TIMESTAMP", "The venue's time of the book; NULL where it does not say."),
        Column("level", "INT", "What a level of the book is, as in order_books; 1: the best price is all that was asked for."),
        Column("mid", PRICE, "(best_bid + best_ask) / 2 of the book; NULL where a side is empty."),
        Column(
            "state",
            "STRING",
            "ok, crossed, one_sided, or empty, as in order_books. A crossed book is not walked: all figures are NULL, both flags false.",
        ),
        YEAR,
        MONTH,
    ),
    skipping=("recv_ts",),
)
