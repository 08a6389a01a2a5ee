"""What the stream's own rules kept out, out of the records of its batches: each is counted in one run only."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from ingest.landing import Store
from jobs.tables.collector_events import COLLECTOR_EVENTS
from jobs.tables.klines import KLINES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.order_books import ORDER_BOOKS
from jobs.tables.trades import TRADES

TABLES = {
    "trades": TRADES.name,
    "books": ORDER_BOOKS.name,
    "klines": KLINES.name,
    "events": COLLECTOR_EVENTS.name,
}  # of the queries
UNFIT = "unfit"
Marks = Mapping[str, int]  # query and its id -> the last batch that was counted


class Count(NamedTuple):
    """Of a query's batches."""

    table: str
    name: str
    unexpected: int
    items: int | None  # None: it is minutes that are counted
    batches: int


def folded(store: Store, marks: Marks) -> tuple[list[Count], Marks]:
    """The counts of all batches that are not counted yet, and the marks after them.

    A query's record of a batch is written before its next batch begins, so that the last one tells of all before it.
    """
    counts: list[Count] = []
    after = dict(marks)
    for query, table in TABLES.items():
        new = _new(store, query, marks)
        figures, unfit, items = Counter[str](), Counter[str](), 0
        for key, mark, batch in new:
            found = store.get(key)
            if found is None:  # removed a moment ago
                continue
            told = json.loads(found[0])
            items += told.get("items", 0)
            figures.update({name: told.get(name, 0) for name in ("quarantined", "conflicts")} | told.get("reasons", {}))
            unfit.update({UNFIT: told[UNFIT]} if UNFIT in told else {})
            after[mark] = max(after.get(mark, -1), batch)
        counts += [Count(table, f"stream_{name}", count, items, len(new)) for name, count in sorted(figures.items())]
        counts += [Count(MINUTE_AGGREGATES.name, f"stream_{name}", count, None, len(new)) for name, count in unfit.items()]
    return counts, after


def _new(store: Store, query: str, marks: Marks) -> list[tuple[str, str, int]]:
    """(Key, query and its id, batch) of the records after the marks."""
    place = re.compile(rf"control/runs/{query}/(.+)-(\d+)\.json")
    found = [(key, *match.groups()) for key in store.keys(f"control/runs/{query}/") if (match := place.fullmatch(key))]
    named = [(key, f"{query}/{id_}", int(batch)) for key, id_, batch in found]
    return [one for one in named if one[2] > marks.get(one[1], -1)]
