"""Order books as they were: the levels, and what follows from them."""

from jobs.tables.table import AMOUNT, MARKET, MONTH, PAIR, PRICE, VENUE, YEAR, Column, Table

LEVELS = "ARRAY<STRUCT<price: DECIMAL(20,10), quantity: DECIMAL(22,8)>>"
BASIS_POINTS = (10, 50, 100)
SIDES = ("bid", "ask")


def depth_name(side: str, points: int) -> str:
    """The column that holds how much lies so near the middle."""
    return f"{side}_depth_{points}bp"


ORDER_BOOKS = Table(
    name="order_books",
    comment="Every snapshot of an order book, streamed or asked for. Crossed, empty and one-sided ones are kept, and say so.",
    key=("venue", "market", "pair", "recv_ts"),
    columns=(
        VENUE,
        MARKET,
        PAIR,
        Column("recv_ts", "TIMESTAMP", "When our collector received it."),
        Column("sequence", "BIGINT", "The venue's number of the book; NULL where it does not say."),
        Column("ts", "TIMESTAMP", "The venue's time of the book; NULL where it does not say."),
        Column("level", "INT", "What a level is: 1 the best price, 2 a sum a price, 3 each order (summed by price here)."),
        Column("levels", "INT", "How many levels a side were asked for; NULL: all that the venue gives."),
        Column("aggregated", "BOOLEAN", "Did the venue sum the orders by price?"),
        Column("bids", LEVELS, "What is bid, the best price first."),
        Column("asks", LEVELS, "What is asked, the best price first."),
        Column("best_bid", PRICE, "The highest price bid; NULL where nothing is."),
        Column("best_ask", PRICE, "The lowest price asked; NULL where nothing is."),
        Column("mid", PRICE, "(best_bid + best_ask) / 2, half up; NULL where a side is empty."),
        Column("spread", PRICE, "best_ask - best_bid; negative where the book is crossed."),
        Column("spread_pct", "DECIMAL(12,6)", "spread * 100 / best_ask, half up; NULL where it does not fit."),
        *(
            Column(
                depth_name(side, points),
                AMOUNT,
                f"Quote amount of the {side}s within {points} basis points of mid; NULL without a mid or where it does not fit.",
            )
            for side in SIDES
            for points in BASIS_POINTS
        ),
        Column("state", "STRING", "ok, crossed (best_bid >= best_ask), one_sided, or empty."),
        Column("source", "STRING", "ws: the venue sent it; rest: it was asked for; adopted: a file of another collector."),
        Column("object", "STRING", "The landing object that holds it, relative to the lake."),
        Column("conn", "STRING", "The connection that brought it."),
        Column("seq", "BIGINT", "Number of the line on its connection and channel."),
        YEAR,
        MONTH,
    ),
    skipping=("recv_ts",),
)
