"""A month of the exchange's candles as one parquet object, sorted by their start. It is in memory as a whole.

A file without a fault is parsed by Arrow, one with a fault row by row: both give the same rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from ingest.exchanges.exchange import CandleReading
from jobs.history.columns import schema, type_of, writing
from jobs.history.files import Month
from jobs.history.month import GROUP, Found, Source, Told
from jobs.history.rows import ID, Form, Reject, microseconds, number_in, text_blocks, without_names
from jobs.history.widths import micros_in, number_of
from jobs.tables.klines import KLINES

SCHEMA = schema(KLINES)
NUMBERS = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
WHOLE = ("open_time", "close_time", "trades")
SAID = (*NUMBERS, "close_time", "trades")
Part = tuple[Source, Iterator["Batch"]]


class Batch(NamedTuple):
    """Rows in the order of the file: the columns that it has, its lines, what is not believed."""

    table: pa.Table
    rejects: Sequence[Reject]


def batches(file: IO[bytes], name: str, form: Form[CandleReading]) -> Iterator[Batch]:
    """All rows. UnreadableError: the file is not what the venue publishes."""
    for line, text in without_names(text_blocks(file, name), name, form.dump):
        try:
            yield _believed(text, line, form)
        except (pa.ArrowInvalid, ValueError):
            yield _judged(text, line, form)


def write(month: Month, parts: Callable[[], Iterable[Part]], into: Path) -> Found:
    """Write the month: of two candles with one start the first one counts, another one that says something else is a conflict."""
    found, tables = Found(), []
    for source, read in parts():
        for batch in read:
            found.rejects += [(source.object, reject) for reject in batch.rejects]
            told = found.files.setdefault(source.object, Told())
            told.rows, told.rejects = told.rows + len(batch.table), told.rejects + len(batch.rejects)
            tables.append(_rows(batch.table, month, source))
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    table = _once(table, found)
    found.rows = len(table)
    _span(table, month, found)
    pq.write_table(table, into, GROUP, **writing(SCHEMA))
    return found


def _types(form: Form[CandleReading]) -> dict[str, tuple[int, pa.DataType]]:
    """Column of the table -> its place in a row, its type."""
    found = {}
    for name in (*WHOLE, *NUMBERS):
        place = getattr(form.reading, name)
        assert isinstance(place, int), f"a row of candles has {name} at {place!r}"
        found[name] = (place, ID if name in WHOLE else type_of(KLINES.type_of(name)))
    return found


def _believed(text: bytes, line: int, form: Form[CandleReading]) -> Batch:
    names, types = list(form.dump.fields), _types(form)
    at = {names[place]: (name, kind) for name, (place, kind) in types.items()}
    table = csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(column_names=names, block_size=len(text) + 1),
        csv.ParseOptions(ignore_empty_lines=False),
        csv.ConvertOptions(column_types={name: kind for name, (_, kind) in at.items()}, include_columns=list(at)),
    ).combine_chunks()
    columns = {name: table.column(told).chunk(0) for told, (name, _) in at.items()}
    times = {name: microseconds(columns[name]) for name in ("open_time", "close_time")}
    low, high = (one.as_py() for one in pc.min_max(times["open_time"]).values())
    is_right = all(one.null_count == 0 and Decimal(pc.min(one).as_py()) >= 0 for one in columns.values())
    if not is_right or not form.since <= low <= high < form.until:
        raise ValueError
    lines = pc.cumulative_sum(pa.repeat(pa.scalar(1, ID), len(table)), start=line - 1)
    return Batch(pa.table({**columns, **{name: _floored(one, form) for name, one in times.items()}, "seq": lines}), ())


def _judged(text: bytes, line: int, form: Form[CandleReading]) -> Batch:
    types = _types(form)
    rows: dict[str, list[object]] = {name: [] for name in (*types, "seq")}
    rejects = []
    for number, raw in enumerate(text.decode("utf-8", "replace").removesuffix("\n").split("\n"), line):
        cells = raw.rstrip("\r").replace('"', "").split(",")
        if cells == [""]:
            continue
        values = {}
        if len(cells) == len(form.dump.fields):
            values = {name: number_in(cells[place], kind) for name, (place, kind) in types.items()}
        wrong = _wrong(values, form)
        if wrong is not None:
            rejects.append(Reject(number, wrong, raw))
            continue
        for name, value in {**values, "seq": number}.items():
            rows[name].append(value)
    kinds = {name: kind for name, (_, kind) in types.items()} | {"seq": ID}
    columns = {name: pa.array(rows[name], kinds[name]) for name in rows}
    times = {name: _floored(microseconds(columns[name]), form) for name in ("open_time", "close_time")}
    return Batch(pa.table({**columns, **times}), rejects)


def _wrong(values: dict[str, object], form: Form[CandleReading]) -> str | None:
    """Why a row is not believed; None: it is."""
    if not values:
        return "columns"
    for name, value in values.items():
        if value is None or Decimal(str(value)) < 0:
            return "ts" if name in ("open_time", "close_time") else "kline"
    at = values["open_time"]
    assert isinstance(at, int)
    return None if form.since <= microseconds(pa.array([at], ID))[0].as_py() < form.until else "ts"


def _floored(at: pa.Array, form: Form[CandleReading]) -> pa.Array:
    return pc.multiply(pc.divide(at, form.unit), form.unit)


def _rows(told: pa.Table, month: Month, source: Source) -> pa.Table:
    """The rows as history has them."""
    size = len(told)
    same = {
        "venue": month.venue,
        "market": month.market,
        "width": month.feed,
        "source": "dump",
        "object": source.object,
        "conn": source.conn,
        "item": 0,
        "first_id": None,
        "last_id": None,
    }
    columns = []
    for field in SCHEMA:
        if field.name in told.column_names:
            column = told.column(field.name).combine_chunks()
            columns.append(column.cast(field.type) if column.type != field.type else column)
        elif field.name == "recv_ts":
            columns.append(pa.repeat(pa.scalar(source.recv_us, field.type), size))
        elif pa.types.is_dictionary(field.type):
            columns.append(pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), size), [same[field.name]]))
        else:
            columns.append(pa.repeat(pa.scalar(same[field.name], field.type), size))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _once(table: pa.Table, found: Found) -> pa.Table:
    """Sorted, each start once; the first copy is the one that stands first in the files."""
    table = table.append_column("place", pa.array(range(len(table)), ID)).sort_by(
        [("open_time", "ascending"), ("place", "ascending")]
    )
    at = table.column("open_time").combine_chunks().cast(ID)
    again = pc.fill_null(pc.equal(pc.pairwise_diff(at), 0), False)
    for number in pc.indices_nonzero(again).to_pylist():
        first = number
        while again[first].as_py():
            first -= 1
        one, other = (table.slice(place, 1).to_pylist()[0] for place in (number, first))
        if all(one[name] == other[name] for name in SAID):
            found.duplicates += 1
        else:
            found.rejects.append(
                (one["object"], Reject(one["seq"], "conflict", f"candle of {one['open_time']:%Y-%m-%d %H:%M:%S}"))
            )
    return table.filter(pc.invert(again)).drop_columns(["place"])


def _span(table: pa.Table, month: Month, found: Found) -> None:
    """The runs of candles without a break."""
    at = table.column("open_time").combine_chunks().cast(ID)
    micros = micros_in(month.feed)
    numbers = pc.divide(at, micros) if micros else pa.array([number_of(month.feed, one) for one in at.to_pylist()], ID)
    if len(at):
        found.span(numbers, at)
