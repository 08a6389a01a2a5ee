"""The generated pages of docs/, and the copies of generated SQL in conf/."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest.settings import Catalog
from jobs.exports import redshift, snowflake
from jobs.readers import ddl
from jobs.readers.names import HISTORY, delta_name, history_name
from jobs.readers.views import in_order, read, unions
from jobs.tables import IMPORTED, TABLES
from jobs.tables.gaps import STATES
from jobs.tables.loads import VERDICTS as LOADED
from jobs.tables.quarantine import REASONS, SEEN
from jobs.tables.reconciliation import COUNTED, UNEXPLAINED
from jobs.tables.rejects import REASONS as REJECTED
from jobs.tables.table import Table

HOME = Path(__file__).resolve().parent.parent
PAGE = HOME / "docs" / "tables.md"
DATABASE, LAKE = Catalog().database, "s3://bucket/ticklake"
HEAD = """# Tables

Written by `make docs` from the values in `jobs/tables/`; do not edit. All are Delta tables below `<lake>/tables/`, reader 1 and
writer 2, as Athena and Trino document it; tests read them with delta-rs and DuckDB. Those whose name begins with `imported_` are
parquet below `<lake>/history/` instead, an object a month. Times are UTC to the microsecond; no number is ever a float.

| Table | What it holds |
|---|---|
{contents}

## How to read them

A question that names `pair`, `year` and `month` reads only their folders; `quarantine` and `collector_events` have `year` and
`month`. A table is there once something has landed for it. Two feeds of one
pair, such as `trade` and `agg_trade`, are two series of the same trades: a question names one. The examples below are the same
for DuckDB and Athena.

DuckDB, where delta-rs says which files are the table's newest version (`lake` may be any folder):

```python
{duckdb}
```

Or with DuckDB's own extension, which it fetches once: `INSTALL delta; LOAD delta;`, then
`CREATE VIEW trades AS FROM delta_scan('demo/lake/tables/trades')`.

Athena (engine 3), once a table; it finds columns and partitions by itself:

```sql
{athena}
```
"""
DUCKDB = """from pathlib import Path
from urllib.parse import unquote
import duckdb
from deltalake import DeltaTable

lake = "demo/lake"
duckdb.execute("SET TimeZone = 'UTC'")
for table in Path(lake, "tables").iterdir():
    if files := [unquote(uri) for uri in DeltaTable(table).file_uris()]:
        duckdb.execute(f"CREATE OR REPLACE VIEW {table.name} AS FROM read_parquet({files}, hive_partitioning = true)")
for part in Path(lake, "history").glob("imported_*"):
    months = [str(month) for month in part.rglob("*.parquet")]
    duckdb.execute(f"CREATE OR REPLACE VIEW {part.name} AS FROM read_parquet({months}, hive_partitioning = true)")
print(duckdb.sql("SELECT venue, market, feed, pair, count(*) FROM trades GROUP BY ALL"))"""
ATHENA = (
    """CREATE EXTERNAL TABLE ticklake.trades LOCATION 's3://bucket/prefix/tables/trades' TBLPROPERTIES ('table_type' = 'DELTA')"""
)


COMPLETE_BARS = """`is_complete` is true where of each of the bar's minutes

1. the minute itself is complete: of its trades, and of the ids from each of them to the next trade on either side, none is unseen;
2. the minute row before it ends with the id right below its `first_id`, the one after it begins with the id right above its `last_id`,
   also beyond the bar's ends; both rows are there, and at most a week away.

Then nothing of it is lost: a trade that is in no row has an id below or above all those between the row before the bar and the row after
it, for there the ids run on without a break; and venues with dense ids give them out in the order of time. Flags alone would not do: while
the stream corrects its minutes, one that is not written yet looks like one without trades. Where it cannot be shown it is not said: bars
on both sides of a void between two minutes, or of a week without a trade, are not called complete. A feed's newest bar never is.

A minute without trades has no row, and a bar without minutes has none.

"""

ROUNDED_FILLS = """One rule rounds: a level is taken whole while the rest of the notional pays for all of it; of the next one as many whole
0.00000001 of the base are taken as that rest pays for, rounded down, and the walk ends. All else is exact: `cost` is the sum of
price * quantity over what was taken, so it is never more than `notional`, and where `is_full` is true less than the price of one such
0.00000001 is missing. Selling is the same with the bids: at most `notional` is received. Fees are not in it.

`is_full` false means one of three things: the book was cut (`is_cut`), that was all that the venue had, or there was nothing to walk
(`state` says why).

"""


GAPS_OF_TRADES = """A hole is found in the minutes, where ids are dense, or a collector's `gap` event tells of it; told twice it is one row,
matched by its ids. Two rows of a feed never overlap: an absent id belongs to the row between whose ends it lies, also when it goes missing
later, and else to a new one. So the sum of `missing` over all rows of a feed is that of `missing_trades` over its closed minutes, and a
little more where a collector knows what the minutes cannot: what lies above the newest trade. Ids that exist without a trade (voids) are
not absent. Where ids are not dense (Bitso) the word of whoever asked the exchange closes a row; elsewhere the trades themselves do.

"""


RECONCILING = """Compared are all minutes of a venue that has candles with its closed candles of a minute, each feed for itself, from its
first minute to its last. A candle between them in which nothing was traded, where we have no row either, is `equal` and has a row. Ids are
compared where the candle tells them (a websocket's do) and the feed counts the exchange's trades. A difference is ours less the exchange's.

A straddle is something of aggregates alone: the exchange puts trades at one price together and gives them the time of the first, but
counts each in its own candle. What one minute has too much the next one lacks; where aggregates lie over several edges in a row, the
differences of all these minutes add up to nought, in each sum. Open and first id of the first, close and last id of the last of them are
the exchange's; no price is beyond the exchange's. A run of differing minutes is followed for four hours; in a longer one none is explained
so.

"""


CHECKING = """A day is looked at once it is over, and again when a row of it came, changed or went: of a table, expectation and day
the newest row holds. `success` is false where something is not as expected, and where a check ended in an error; it is NULL where
there was nothing to look at, as of a spread where no book has both sides: that is no pass. Rows with suite `stream` count what the stream
itself kept out, each batch in one run, so their sum over all runs is that of all batches.

Names, limits and questions are in `conf/expectations/`, in the form of Great Expectations; [operations](operations.md#quality) says how
to add one.

"""


@dataclass(frozen=True)
class Example:
    """A question that the table answers, in words and in SQL that DuckDB and Athena both understand."""

    question: str
    sql: str


EXAMPLES: Mapping[str, Example] = {
    "trades": Example(
        "the ten largest trades of a market in a month",
        """SELECT ts, taker_side, price, quantity, quote_quantity
FROM trades
WHERE pair = 'BTC-USDT' AND year = 2026 AND month = 11 AND venue = 'binance' AND market = 'spot' AND feed = 'agg_trade'
ORDER BY quote_quantity DESC
LIMIT 10""",
    ),
    "minute_aggregates": Example(
        "bars of an hour, and how complete they are",
        """SELECT date_trunc('hour', minute) AS hour, min_by(open, minute) AS open, max(high) AS high, min(low) AS low,
       max_by(close, minute) AS close, sum(volume) AS volume, sum(missing_trades) AS missing_trades,
       bool_and(is_complete) AS is_complete
FROM minute_aggregates
WHERE pair = 'BTC-USDT' AND year = 2026 AND month = 11 AND venue = 'binance' AND market = 'spot' AND feed = 'agg_trade'
GROUP BY 1
ORDER BY 1""",
    ),
    "order_books": Example(
        "the widest spreads of a month, and what lay near the middle then",
        """SELECT recv_ts, venue, market, pair, best_bid, best_ask, spread_pct, bid_depth_50bp, ask_depth_50bp
FROM order_books
WHERE pair = 'BTC-USDT' AND year = 2026 AND month = 11 AND state = 'ok'
ORDER BY spread_pct DESC
LIMIT 10""",
    ),
    "klines": Example(
        "our minutes beside the exchange's own",
        """SELECT k.open_time, k.volume, m.volume AS ours, k.trades, m.trades AS our_trades, m.is_complete
FROM klines k
JOIN minute_aggregates m
  ON m.venue = k.venue AND m.market = k.market AND m.pair = k.pair AND m.minute = k.open_time AND m.feed = 'agg_trade'
WHERE k.pair = 'BTC-USDT' AND k.year = 2026 AND k.month = 11 AND k.width = '1m'
  AND m.pair = 'BTC-USDT' AND m.year = 2026 AND m.month = 11
ORDER BY 1""",
    ),
    "collector_events": Example(
        "the holes of a month, and how they ended",
        """SELECT event, venue, market, pair, feed, before_id, after_id, outcome, rows, "at"
FROM collector_events
WHERE year = 2026 AND month = 11 AND event IN ('gap', 'repair')
ORDER BY venue, market, pair, "at", before_id""",
    ),
    "instruments": Example(
        "what changed of the pairs of a base currency, and when",
        """SELECT recv_ts, venue, market, symbol, status, tick_size, lot_size, min_notional
FROM instruments
WHERE base = 'BTC' AND quote = 'USDT'
ORDER BY venue, market, symbol, recv_ts""",
    ),
    "bars": Example(
        "the days of a month on which a market moved most, and whether anything of them is missing",
        """SELECT start, open, close, price_change, volume, missing_trades, is_complete
FROM bars
WHERE pair = 'BTC-USDT' AND year = 2026 AND month = 11 AND venue = 'binance' AND market = 'spot' AND feed = 'agg_trade'
  AND width = '1d'
ORDER BY abs(price_change) DESC
LIMIT 10""",
    ),
    "gaps": Example(
        "what is missing by now, the largest holes first",
        """SELECT venue, market, feed, pair, before_ts, after_ts, missing, state, detected_by
FROM gaps
WHERE state IN ('open', 'implausible', 'unrecoverable')
ORDER BY missing DESC NULLS FIRST
LIMIT 10""",
    ),
    "fills": Example(
        "what buying 50,000 at once came to on each venue, hour by hour",
        """SELECT date_trunc('hour', recv_ts) AS hour, venue, market, count(*) AS books, min(slippage_pct) AS least,
       max(slippage_pct) AS most, sum(CASE WHEN is_full THEN 0 ELSE 1 END) AS not_full
FROM fills
WHERE pair = 'BTC-USDT' AND year = 2026 AND month = 11 AND side = 'buy' AND notional = 50000
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3""",
    ),
    "reconciliation": Example(
        "what nothing explains of a month, and by how much it differs",
        """SELECT minute, venue, market, feed, verdict, trades_diff, volume_diff, quote_volume_diff, is_complete
FROM reconciliation
WHERE pair = 'BTC-USDT' AND year = 2026 AND month = 11 AND verdict IN ('differs', 'no_minute')
ORDER BY minute, venue, market, feed
LIMIT 10""",
    ),
    "quality_results": Example(
        "what is not as expected by now",
        """SELECT "table", day, expectation, observed, examples
FROM (
  SELECT *, row_number() OVER (PARTITION BY "table", expectation, day ORDER BY checked_at DESC) AS place
  FROM quality_results
)
WHERE place = 1 AND success = false
ORDER BY day DESC, "table", expectation""",
    ),
    "imported_minutes": Example(
        "the days that another system had minutes of, and what takers bought and sold on each",
        """SELECT date_trunc('day', minute) AS day, count(*) AS minutes, sum(buy_volume) AS bought, sum(sell_volume) AS sold
FROM imported_minutes
WHERE pair = 'BTC-USDT' AND year = 2026 AND month = 11 AND venue = 'binance' AND market = 'spot'
GROUP BY 1
ORDER BY 1""",
    ),
    "imported_spreads": Example(
        "the widest spreads of a month that another system saw",
        """SELECT ts, venue, market, bid, ask, spread_pct
FROM imported_spreads
WHERE pair = 'BTC-MXN' AND year = 2026 AND month = 11
ORDER BY spread_pct DESC, ts
LIMIT 10""",
    ),
    "loads": Example(
        "the files that history was not made of, and why",
        """SELECT object, verdict, detail, loaded_at
FROM loads
WHERE verdict NOT IN ('loaded', 'adopted')
ORDER BY loaded_at DESC, object""",
    ),
    "published": Example(
        "the months of a pair that there are, and what each misses",
        """SELECT year, month, rows, first_id, last_id, missing, duplicates, object
FROM published
WHERE dataset = 'trades' AND venue = 'binance' AND market = 'spot' AND feed = 'agg_trade' AND pair = 'BTC-USDT'
ORDER BY year, month""",
    ),
    "rejects": Example(
        "what is not believed of each file",
        """SELECT object, reason, count(*) AS rows, min(line) AS first_line, min(raw) AS for_example
FROM rejects
GROUP BY object, reason
ORDER BY rows DESC, object""",
    ),
    "quarantine": Example(
        "what did not become a trade in a month, and why",
        """SELECT reason, venue, market, pair, count(*) AS items, min(detail) AS for_example
FROM quarantine
WHERE year = 2026 AND month = 11
GROUP BY reason, venue, market, pair
ORDER BY items DESC""",
    ),
}


def tables_page(tables: Iterable[Table]) -> str:
    """Every column of every table."""
    known = list(tables)
    head = HEAD.format(
        contents="\n".join(f"| [`{table.name}`](#{table.name}) | {_cell(table.comment)} |" for table in known),
        duckdb=DUCKDB,
        athena=ATHENA,
    )
    return "\n".join([head, *(_section(table) for table in known)])


def _section(table: Table) -> str:
    rows = "\n".join(f"| `{column.name}` | {column.type} | {_cell(column.comment)} |" for column in table.columns)
    example = EXAMPLES[table.name]
    more = {
        "quarantine": _reasons(),
        "bars": COMPLETE_BARS,
        "fills": ROUNDED_FILLS,
        "gaps": _words("State", STATES) + GAPS_OF_TRADES,
    }
    notes = {**more, "reconciliation": _verdicts(), "quality_results": CHECKING}
    notes |= {"loads": _words("Verdict", LOADED), "rejects": _words("Reason", REJECTED)}
    return (
        f"## {table.name}\n\n{table.comment}\n\n"
        f"Key: {_names(table.key)}. {f'Partitioned by {_names(table.partitioned_by)}' if table.partitioned_by else 'Not partitioned'}. "
        f"{_skipping(table)}\n\n"
        f"| Column | Type | Meaning |\n|---|---|---|\n{rows}\n\n"
        f"{notes.get(table.name, '')}"
        f"Example: {example.question}.\n\n```sql\n{example.sql}\n```\n"
    )


def _skipping(table: Table) -> str:
    if table.is_delta:
        return f"Ranges of {_names(table.skipping)} skip files."
    place = "/".join(f"{name}=…" for name in table.partitioned_by)
    return f"Parquet, `<lake>/history/{table.name}/{place}/<venue>-<market>-imported.parquet`."


def _words(name: str, meanings: Mapping[str, str]) -> str:
    rows = "\n".join(f"| `{word}` | {_cell(meaning)} |" for word, meaning in meanings.items())
    return f"| {name} | Meaning |\n|---|---|\n{rows}\n\n"


def _reasons() -> str:
    seen = f"An item has one reason. Ids that are there as {_names(SEEN)} count as seen: they are no holes."
    return f"{seen}\n\n{_words('Reason', REASONS)}"


def _verdicts() -> str:
    counted = f"{_names(COUNTED)} are left out where a market's aggregates do not count the exchange's trades."
    return f"{RECONCILING}{counted} A new {' or '.join(f'`{verdict}`' for verdict in UNEXPLAINED)} is exit code 3.\n\n"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def statements() -> Mapping[Path, str]:
    """The copies of SQL that is generated; of what `catalog --ddl` says those of all tables and of nothing published."""
    names = [*map(delta_name, TABLES.values()), *map(history_name, HISTORY)]
    made, _ = in_order([*unions({}, TABLES), *read(HOME / "conf/views")], names)
    return {
        HOME / "conf/athena/lake.sql": ddl.text(ddl.athena(DATABASE, LAKE, TABLES.values(), made, {})),
        HOME / "conf/redshift/lake.sql": ddl.text(ddl.redshift(DATABASE, TABLES.values(), {})),
        HOME / "conf/redshift/exports.sql": redshift.script(),
        **{HOME / "conf/snowflake" / name: text for name, text in snowflake.scripts().items()},
    }


def main() -> int:
    """Write them."""
    pages = {PAGE: tables_page([*TABLES.values(), *IMPORTED.values()]), **statements()}
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
        print(f"written: {path.relative_to(HOME)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
