"""A month of trades as one parquet object, sorted by time and id: written as it is read, where the files are in that order.

Where they are not, the rows are put by days on the disk and each day is sorted: of a month no more is in memory than its ids.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.packed import UnreadableError
from jobs.history.columns import TRADE_SCHEMA, writing
from jobs.history.files import Month
from jobs.history.rows import DAY, Batch, Reject, midnight
from jobs.tables.trades import SAME
from jobs.transforms.ranges import Mark, Range, Ranges

GROUP = 131_072  # rows: an hour or two of a busy pair, so that a question for an hour reads little
HOLES = 100_000  # of a month: one with more is not what it says it is
Span = tuple[int, int]  # ids, both included


class Source(NamedTuple):
    """A file that the rows come from."""

    object: str  # its key
    conn: str
    recv_us: int  # when it came


Part = tuple[Source, Iterator[Batch]]


@dataclass
class Told:
    """What a file says."""

    rows: int = 0  # that are believed
    first_id: int | None = None
    last_id: int | None = None
    rejects: int = 0

    def take(self, batch: Batch) -> None:
        self.rejects += len(batch.rejects)
        if len(batch.line):
            low, high = (one.as_py() for one in pc.min_max(batch.trade_id).values())
            self.rows += len(batch.line)
            self.first_id = low if self.first_id is None else min(self.first_id, low)
            self.last_id = high if self.last_id is None else max(self.last_id, high)


@dataclass
class Found:
    """What the rows of a month were."""

    rows: int = 0
    first_id: int | None = None
    last_id: int | None = None
    runs: Ranges = field(default_factory=Ranges)  # of ids that are there, and of those that the venue gave no trade
    duplicates: int = 0
    rejects: list[tuple[str, Reject]] = field(default_factory=list)  # key of the file, row
    is_dense: bool = True  # are missing ids missing trades?
    is_sorted: bool = True  # as they stood in the files
    files: dict[str, Told] = field(default_factory=dict)  # by key

    @property
    def holes(self) -> list[Span]:
        """Ids that are absent between the first and the last."""
        return [(before.high + 1, after.low - 1) for before, after in pairwise(self.runs.all)]

    def take(self, source: Source, batch: Batch) -> None:
        """Count what a file says."""
        self.rejects += [(source.object, reject) for reject in batch.rejects]
        self.files.setdefault(source.object, Told()).take(batch)

    def span(self, ids: pa.Array, at: pa.Array) -> None:
        """Take in ids in their order, with their times: those without a break are a run."""
        breaks = pc.indices_nonzero(pc.greater(pc.fill_null(pc.pairwise_diff(ids), 2), 1)).to_pylist()
        for start, end in pairwise([*breaks, len(ids)]):
            first, last = (Mark(ids[place].as_py(), at[place].as_py()) for place in (start, end - 1))
            self._join(Range(first.id, last.id, first, last))
        if len(self.runs.all) > HOLES:
            raise UnreadableError(f"more than {HOLES} holes: files of all trades would be right")

    def _join(self, run: Range) -> None:
        newest = self.runs.all[-1] if self.runs.all else None
        if newest is not None and newest.high + 1 == run.low:  # as of nearly every batch
            self.runs.all[-1] = Range(newest.low, run.high, newest.first, run.last)
        else:
            self.runs.add(run)

    def done(self) -> "Found":
        """When all has been taken in."""
        if self.runs.all:
            self.first_id, self.last_id = self.runs.all[0].low, self.runs.all[-1].high
        for _, reject in self.rejects:
            if reject.trade_id is not None:
                self.runs.add(Range(reject.trade_id, reject.trade_id, None, None))
        return self


class _OrderError(Exception):
    """The rows do not stand in the order of time and id."""


def write(month: Month, parts: Callable[[], Iterable[Part]], into: Path) -> Found:
    """Write the month. `parts` gives the rows of its files from their beginning: it is asked twice where they are in no order."""
    try:
        return _as_they_stand(month, parts(), into)
    except _OrderError:
        with TemporaryDirectory(dir=into.parent) as folder:
            return _by_days(month, parts(), into, Path(folder))


def _as_they_stand(month: Month, parts: Iterable[Part], into: Path) -> Found:
    found = Found()
    before: tuple[int, int] | None = None  # time, id
    with Writer(into) as writer:
        for source, batches in parts:
            for batch in batches:
                found.take(source, batch)
                if len(batch.line):
                    before = _in_order(batch, before, found)
                    writer.write(_table(month, source, batch))
    return found.done()


def _by_days(month: Month, parts: Iterable[Part], into: Path, folder: Path) -> Found:
    """Rows in no order, some of them twice: the first one counts, another one that says something else is a conflict."""
    found, begin = Found(is_sorted=False), midnight(month.first)
    with ExitStack() as stack:
        days: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        for source, batches in parts:
            for batch in batches:
                found.take(source, batch)
                table = _table(month, source, batch)
                number = pc.divide(pc.subtract(batch.ts, begin), DAY)
                for day in sorted(pc.unique(number).to_pylist()):
                    if day not in days:
                        days[day] = stack.enter_context(pa.ipc.new_stream(folder / f"{day:02}", TRADE_SCHEMA))
                    days[day].write_table(table.filter(pc.equal(number, day)))
    with Writer(into) as writer:
        for day in sorted(days):
            with pa.ipc.open_stream(folder / f"{day:02}") as stream:
                table = _once(stream.read_all(), found)
            _span_day(table, month, found)
            writer.write(table.sort_by([("ts", "ascending"), ("trade_id", "ascending")]))
    return found.done()


def _span_day(table: pa.Table, month: Month, found: Found) -> None:
    """Of a day in the order of its ids. Days may lie within each other by a few ids, but have none in common."""
    ids, of_day = table.column("trade_id").combine_chunks(), Found()
    of_day.span(ids, table.column("ts").combine_chunks().cast(pa.int64()))
    for run in of_day.runs.all:
        twice = found.runs.shared(run)
        if twice is not None:
            raise UnreadableError(f"{month.key}: trade {twice} is in the files of two days")
        found.runs.add(run)
    found.rows += len(ids)


def _once(table: pa.Table, found: Found) -> pa.Table:
    """Each id once; a stable order, so that the first copy is the one that stands first in the files."""
    place = pa.chunked_array([pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), len(table)))])
    table = table.append_column("place", place).sort_by([("trade_id", "ascending"), ("place", "ascending")])
    ids = table.column("trade_id").combine_chunks()
    again = pc.fill_null(pc.equal(pc.pairwise_diff(ids), 0), False)
    for number in pc.indices_nonzero(again).to_pylist():
        one, first = table.slice(number, 1).to_pylist()[0], number
        while again[first].as_py():
            first -= 1
        other = table.slice(first, 1).to_pylist()[0]
        if all(one[name] == other[name] for name in SAME):
            found.duplicates += 1
        else:
            found.rejects.append((one["object"], Reject(one["seq"], "conflict", f"trade {one['trade_id']}")))
    return table.filter(pc.invert(again)).drop_columns(["place"])


def _in_order(batch: Batch, before: tuple[int, int] | None, found: Found) -> tuple[int, int]:
    ids, at = batch.trade_id, batch.ts
    if before is not None:
        at, ids = pa.concat_arrays([pa.array([before[0]], at.type), at]), pa.concat_arrays([pa.array([before[1]], ids.type), ids])
    steps = pc.pairwise_diff(ids)
    is_sorted = (pc.min(pc.pairwise_diff(at)).as_py() or 0) >= 0 and (pc.min(steps).as_py() or 1) >= 1
    if not is_sorted:
        raise _OrderError
    found.rows += len(batch.line)
    found.span(batch.trade_id, batch.ts)
    return at[-1].as_py(), ids[-1].as_py()


class Writer:
    """Row groups of one size."""

    def __init__(self, into: Path) -> None:
        self._writer = pq.ParquetWriter(into, TRADE_SCHEMA, **writing(TRADE_SCHEMA))
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting), GROUP)
        self._writer.close()

    def write(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._rows += len(table)
        whole = self._rows // GROUP * GROUP
        if whole:
            waiting = pa.concat_tables(self._waiting)
            self._writer.write_table(waiting.slice(0, whole), GROUP)
            self._waiting = [waiting.slice(whole)]
            self._rows -= whole


def cut(batches: Iterable[pa.RecordBatch], by: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], Iterator[pa.Table]]]:
    """Rows that stand in the order of some columns, apart by the values of these."""
    parts = (part for batch in batches for part in _parts(pa.Table.from_batches([batch]), by))
    for key, mine in groupby(parts, key=itemgetter(0)):
        yield key, (table for _, table in mine)


def _parts(table: pa.Table, by: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    place = 0
    for row in table.group_by(list(by), use_threads=False).aggregate([([], "count_all")]).to_pylist():
        yield tuple(row[name] for name in by), table.slice(place, row["count_all"])
        place += row["count_all"]


def _table(month: Month, source: Source, batch: Batch) -> pa.Table:
    """The rows as history has them."""
    size = len(batch.line)
    columns = {
        "venue": _same(month.venue, size),
        "market": _same(month.market, size),
        "feed": _same(month.feed, size),
        "trade_id": batch.trade_id,
        "first_id": batch.first_id,
        "last_id": batch.last_id,
        "price": batch.price,
        "quantity": batch.quantity,
        "quote_quantity": batch.quote_quantity,
        "taker_side": pa.DictionaryArray.from_arrays(batch.is_buy.cast(pa.int8()).cast(pa.int32()), ["sell", "buy"]),
        "ts": batch.ts.cast(pa.timestamp("us", "UTC")),
        "event_ts": pa.nulls(size, pa.timestamp("us", "UTC")),
        "recv_ts": pa.repeat(pa.scalar(source.recv_us, pa.timestamp("us", "UTC")), size),
        "source": _same("dump", size),
        "object": _same(source.object, size),
        "conn": _same(source.conn, size),
        "seq": batch.line,
        "item": pa.repeat(pa.scalar(0, pa.int32()), size),
    }
    return pa.table([columns[name] for name in TRADE_SCHEMA.names], schema=TRADE_SCHEMA)


def _same(text: str, size: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), size), [text])
