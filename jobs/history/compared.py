"""The file of a day held to that of its month: both are the venue's, and one of them may have been replaced."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.tables.klines import KLINES
from jobs.tables.trades import TRADES

# what the venue says of a row, its key first
SAID = {
    TRADES.name: ("trade_id", "ts", "price", "quantity", "taker_side", "first_id", "last_id"),
    KLINES.name: (
        *("open_time", "open", "high", "low", "close", "volume", "close_time"),
        *("quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume"),
    ),
}
TIME = {TRADES.name: "ts", KLINES.name: "open_time"}


def difference(dataset: str, month: Path, day: Path, begin: int) -> str:
    """What is otherwise in the object of the month than in that of the day, which begins then; empty: nothing."""
    start = datetime.fromtimestamp(begin // 1_000_000, UTC)
    time, key = TIME[dataset], SAID[dataset][0]
    mine = [(time, ">=", start), (time, "<", start + timedelta(days=1))]
    ours, theirs = (
        pq.read_table(path, columns=list(SAID[dataset]), filters=mine).sort_by(key).combine_chunks() for path in (month, day)
    )
    if ours.equals(theirs):
        return ""
    here, there = ours.column(key), theirs.column(key)
    more, less = (len(one.filter(pc.invert(pc.is_in(one, other)))) for one, other in ((here, there), (there, here)))
    others = _otherwise(ours, theirs, key)
    return f"the month has {more} rows that the day has not, the day {less} that the month has not; {others} say something else"


def _otherwise(ours: pa.Table, theirs: pa.Table, key: str) -> int:
    """How many rows of the same key differ."""
    one, other = (
        table.filter(pc.is_in(table.column(key), beside.column(key))) for table, beside in ((ours, theirs), (theirs, ours))
    )
    same = pa.chunked_array([pa.array([True] * len(one))])
    for name in one.column_names:
        here, there = one.column(name), other.column(name)
        alike = pc.or_(pc.and_(pc.is_null(here), pc.is_null(there)), pc.fill_null(pc.equal(here, there), False))
        same = pc.and_(same, alike)
    return len(same) - (pc.sum(same).as_py() or 0)
