"""What analysts ask of the history: five questions, in words that DuckDB and Trino both understand. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

PAIR = "BTC-USDT"  # of most of them


class Question(NamedTuple):
    """For people, and for engines."""

    says: str
    sql: str  # with the words of a `Place`


class Place(NamedTuple):
    """Where in the months is asked: what one hour takes depends on where a row group or a page ends."""

    day: str
    id: int


def place(number: int, first: int, rows: int) -> Place:
    """Of a round, of a month that begins with this id: far from that of the round before."""
    return Place(f"{1 + (5 + 11 * number) % 28:02}", first + round(rows * ((0.2 + 0.39 * number) % 1)))


QUESTIONS: Mapping[str, Question] = {
    "hour": Question(
        "an hour of trades of a pair",
        "SELECT trade_id, ts, price, quantity, taker_side FROM trades_history "
        "WHERE pair = 'BTC-USDT' AND year = 2025 AND month = 1 "
        "AND ts >= TIMESTAMP '2025-01-{day} 12:00:00' AND ts < TIMESTAMP '2025-01-{day} 13:00:00' ORDER BY ts, trade_id",
    ),
    "id": Question(
        "the trade with an id and its neighbours; the month is not known",
        "SELECT trade_id, ts, price, quantity, taker_side FROM trades_history "
        "WHERE pair = 'BTC-USDT' AND trade_id BETWEEN {id} - 5 AND {id} + 5 ORDER BY trade_id",
    ),
    "days": Question(
        "volume and number of trades, day by day, two months of a pair",
        "SELECT date_trunc('day', ts) AS day, count(*) AS trades, sum(quantity) AS volume FROM trades_history "
        "WHERE pair = 'BTC-USDT' AND year = 2025 AND month IN (1, 2) GROUP BY 1 ORDER BY 1",
    ),
    "largest": Question(
        "the ten largest trades of a pair in a month",
        "SELECT trade_id, ts, price, quantity, quote_quantity FROM trades_history "
        "WHERE pair = 'BTC-USDT' AND year = 2025 AND month = 1 ORDER BY quote_quantity DESC, trade_id LIMIT 10",
    ),
    "vwap": Question(
        "volume and VWAP, minute by minute, a day of two pairs",
        "SELECT pair, date_trunc('minute', ts) AS minute, sum(quantity) AS volume, "
        "CAST(sum(quote_quantity) AS DOUBLE) / CAST(sum(quantity) AS DOUBLE) AS vwap FROM trades_history "
        "WHERE pair IN ('BTC-USDT', 'ETH-USDT') AND year = 2025 AND month = 2 "
        "AND ts >= TIMESTAMP '2025-02-{day} 00:00:00' AND ts < TIMESTAMP '2025-02-{day} 00:00:00' + INTERVAL '1' DAY "
        "GROUP BY 1, 2 ORDER BY 1, 2",
    ),
}
