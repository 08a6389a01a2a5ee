"""Our minutes against the exchange's own candles of a minute: equal, or by how much they are not, and why."""

from jobs.tables.table import AMOUNT, FEED, MARKET, MONTH, PAIR, PRICE, VENUE, VOLUME, YEAR, Column, Table

# each as own_, exchange_ and _diff -> its type, what it is of our minute, of the candle
FIGURES = {
    "open": (PRICE, "open", "open"),
    "high": (PRICE, "high", "high"),
    "low": (PRICE, "low", "low"),
    "close": (PRICE, "close", "close"),
    "volume": (VOLUME, "volume", "volume"),
    "quote_volume": (AMOUNT, "quote_volume", "quote_volume"),
    "buy_volume": (VOLUME, "buy_volume", "taker_buy_volume"),
    "buy_quote_volume": (AMOUNT, "buy_quote_volume", "taker_buy_quote_volume"),
    "trades": ("BIGINT", "trades", "trades"),
    "first_id": ("BIGINT", "first_trade_id", "first_id"),
    "last_id": ("BIGINT", "last_trade_id", "last_id"),
}
SUMS = ("volume", "quote_volume", "buy_volume", "buy_quote_volume", "trades")  # what a minute without trades has nought of
COUNTED = ("trades", "first_id", "last_id")  # left out where a feed's aggregates do not count the exchange's trades

EQUAL, UNCOUNTED, STRADDLE, OPEN, NO_CANDLE = "equal", "equal_uncounted", "straddle", "open", "no_candle"
MISSING, UNCLEAR, NO_MINUTE, DIFFERS = "missing_trades", "unclear", "no_minute", "differs"
VERDICTS = {
    EQUAL: "Every figure that both sides tell is the same.",
    UNCOUNTED: "The same, but for count and ids: the market's aggregates do not count the exchange's trades (USD-M agg_trade).",
    STRADDLE: "The exchange counts a part of an aggregate in the next minute: what these neighbouring minutes, straddle_from to "
    "straddle_to, differ by adds up to nought in every sum.",
    OPEN: "The feed's newest minute (revision 0): more of it may come.",
    NO_CANDLE: "There is no closed candle of the minute (yet).",
    MISSING: "Our minute is known to be incomplete, and all of it that differs is what a loss takes away.",
    UNCLEAR: "Of aggregates: one that straddles the minute's edge may explain it, but a minute that it would have to be seen in has no "
    "candle, is open, or is incomplete.",
    NO_MINUTE: "The exchange has trades, we have no row. Nothing explains it.",
    DIFFERS: "Nothing explains it.",
}
UNEXPLAINED = (NO_MINUTE, DIFFERS)

RECONCILIATION = Table(
    name="reconciliation",
    comment="Our minutes against the exchange's own candles of a minute, exact: a row a minute of ours, and a candle between a feed's "
    "first and last minute. Only of venues that have candles.",
    key=("venue", "market", "feed", "pair", "minute"),
    columns=(
        VENUE,
        MARKET,
        FEED,
        PAIR,
        Column("minute", "TIMESTAMP", "Start of the minute, UTC."),
        Column(
            "verdict",
            "STRING",
            f"The first of these that holds. {' '.join(f'{name}: {text}' for name, text in VERDICTS.items())}",
        ),
        *(
            Column(
                f"own_{name}",
                kind,
                f"{own} of minute_aggregates; {'0' if name in SUMS else 'NULL'} where we have no row.",
            )
            for name, (kind, own, _) in FIGURES.items()
        ),
        *(
            Column(
                f"exchange_{name}",
                kind,
                f"{theirs} of klines; NULL where {'it tells none' if 'id' in name else 'there is none'}.",
            )
            for name, (kind, _, theirs) in FIGURES.items()
        ),
        *(
            Column(
                f"{name}_diff",
                kind,
                f"own_{name} - exchange_{name}; NULL where one of them is{', or it is left out' if name in COUNTED else ''}.",
            )
            for name, (kind, _, _) in FIGURES.items()
        ),
        Column("is_complete", "BOOLEAN", "Of our minute; NULL where we have no row."),
        Column("missing_trades", "BIGINT", "Of our minute; NULL where we have no row."),
        Column("straddle_from", "TIMESTAMP", "First of the minutes that a straddle lies over; NULL: it is none."),
        Column("straddle_to", "TIMESTAMP", "Last of the minutes that a straddle lies over; NULL: it is none."),
        Column("revision", "BIGINT", "1 when the row is first written; grows with each committed change."),
        Column("updated_at", "TIMESTAMP", "When these values were written."),
        YEAR,
        MONTH,
    ),
    skipping=("minute",),
)
