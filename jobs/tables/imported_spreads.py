"""Best prices of a system of the past, of which no order books are left."""

from jobs.tables.table import MARKET, MONTH, PAIR, PERCENT, PRICE, VENUE, YEAR, Column, Table

IMPORTED_SPREADS = Table(
    name="imported_spreads",
    comment="Best bid and ask of another system's order books, taken in by adopt.",
    key=("venue", "market", "pair", "ts"),
    columns=(
        VENUE,
        MARKET,
        PAIR,
        Column("ts", "TIMESTAMP", "When that system asked for the book, in whole seconds."),
        Column("bid", PRICE, "The highest price bid."),
        Column("ask", PRICE, "The lowest price asked."),
        Column(
            "spread_pct",
            PERCENT,
            "(ask - bid) * 100 / ask, half up: of the exact prices, as in order_books, where the file has a float.",
        ),
        Column("object", "STRING", "The file, relative to the lake."),
        Column("line", "BIGINT", "Its line; the first one is 1."),
        YEAR,
        MONTH,
    ),
    skipping=("ts",),
    is_delta=False,
)
