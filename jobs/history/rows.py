"""The rows of a file of trades as Arrow columns. Each is believed, or told with its line and what is wrong with it.

Arrow's own parser reads what is in order, block by block; it is exact. A block with a fault is read as text, and rules that speak of one
row find what is wrong with which.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import IO, Generic, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ingest.exchanges.exchange import Dump, Reading
from ingest.packed import UnreadableError

BLOCK = 16 << 20  # bytes of text that are parsed at a time
LONGEST = 10_000  # bytes of a line
DAY = 86_400_000_000  # microseconds
DIGITS = 100  # of a number, zeros included
MICROSECONDS_FROM = 10**14  # a time above is in microseconds, below in milliseconds
ID, PRICE, QUANTITY, AMOUNT = pa.int64(), pa.decimal128(20, 10), pa.decimal128(22, 8), pa.decimal128(38, 18)
_NARROW = pa.decimal128(19, 10), pa.decimal128(18, 8)  # the product of these is an AMOUNT
_WIDE = pa.decimal256(20, 10), pa.decimal256(22, 8)
_EXACT = Context(prec=60)
SEEN = ("void", "overflow")  # reasons that tell of an id: it is not missing
Places = TypeVar("Places")  # where what stands in a row
_WORDS = {"true": True, "false": False}
_SIGN = {True: ("True", "true"), False: ("False", "false")}
_ID = re.compile(r"[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")  # Decimal takes other digits, and underscores, too


class Reject(NamedTuple):
    """A row that is not believed."""

    line: int  # of the file; the first one is 1
    reason: str
    raw: str
    trade_id: int | None = None  # of one that the venue gave an id and no trade: nothing is missing there


class Batch(NamedTuple):
    """Rows in the order of the file."""

    line: pa.Array
    trade_id: pa.Array
    price: pa.Array
    quantity: pa.Array
    quote_quantity: pa.Array
    ts: pa.Array  # microseconds since 1970
    is_buy: pa.Array
    first_id: pa.Array  # nulls where the file has none
    last_id: pa.Array
    rejects: Sequence[Reject]


@dataclass(frozen=True)
class Form(Generic[Places]):
    """How rows stand in a file, and when they can have happened: microseconds since 1970, the end excluded."""

    dump: Dump
    reading: Places
    since: int
    until: int
    unit: int  # microseconds that a trade's time is floored to


def midnight(day: date) -> int:
    """When a day begins, UTC: microseconds since 1970."""
    return (day - date(1970, 1, 1)).days * DAY


def batches(file: IO[bytes], name: str, form: Form[Reading]) -> Iterator[Batch]:
    """All rows. UnreadableError: the file is not what the venue publishes."""
    for line, text in without_names(text_blocks(file, name), name, form.dump):
        yield _batch(text, line, form)


def text_blocks(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Whole lines, so many bytes at a time."""
    rest = b""
    while piece := file.read(BLOCK):
        whole, newline, after = piece.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            rest = after
        else:
            rest += piece
        if len(rest) > LONGEST:
            raise UnreadableError(f"{name}: a line of more than {LONGEST} bytes; rows of a CSV would be right")
    if rest:
        yield rest


def without_names(blocks: Iterator[bytes], name: str, dump: Dump) -> Iterator[tuple[int, bytes]]:
    """The blocks with the number of their first line, without a row of names."""
    line = 1
    for number, block in enumerate(blocks):
        text = block
        if number == 0:
            text, skipped = _after_names(block, name, dump)
            line += skipped
        if text:
            yield line, text
            line += text.count(b"\n") + (not text.endswith(b"\n"))


def _after_names(block: bytes, name: str, dump: Dump) -> tuple[bytes, int]:
    """The first block without a row of names, and how many lines that took."""
    block = block.removeprefix(b"\xef\xbb\xbf")
    first, _, others = block.partition(b"\n")
    told = first.strip().replace(b'"', b"")
    if not told or told[:1].isdigit() or told.startswith((b"NA", b",")):
        return block, 0
    names = ",".join(dump.header).encode()
    if not names or told != names:
        right = f"the names {names.decode()}, or an id," if names else "an id"
        raise UnreadableError(f"{name}: begins with {told[:100]!r}; {right} would be right")
    return others, 1


def _batch(text: bytes, line: int, form: Form[Reading]) -> Batch:
    try:
        return _believed(text, line, form)
    except (pa.ArrowInvalid, _FaultError):
        return _judged(text, line, form)


class _FaultError(Exception):
    """Something is not as it is meant to be."""


def _columns(form: Form[Reading]) -> dict[str, pa.DataType]:
    """The columns that are read, with their types."""
    reading = form.reading
    found = {
        reading.trade_id: ID,
        reading.price: PRICE,
        reading.quantity: QUANTITY,
        reading.time: ID,
        reading.taker: pa.bool_(),
    }
    return found | {name: ID for name in (reading.first_id, reading.last_id) if name is not None}


def _believed(text: bytes, line: int, form: Form[Reading]) -> Batch:
    """A block without a fault. ArrowInvalid, _FaultError: it has one."""
    types, reading = _columns(form), form.reading
    table = csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(column_names=list(form.dump.fields), block_size=BLOCK, use_threads=True),
        csv.ParseOptions(ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            true_values=_SIGN[True],
            false_values=_SIGN[False],
        ),
    ).combine_chunks()
    columns = {name: table.column(name).chunk(0) for name in types}
    if any(column.null_count for column in columns.values()):
        raise _FaultError
    price, quantity, at = columns[reading.price], columns[reading.quantity], columns[reading.time]
    ids = [columns[name] for name in (reading.trade_id, reading.first_id, reading.last_id) if name is not None]
    at = microseconds(at)
    low, high = pc.min_max(at).values()
    if not form.since <= low.as_py() <= high.as_py() < form.until:
        raise _FaultError
    if min(_least(price), _least(quantity)) <= 0 or any(_least(one) < 0 for one in ids):
        raise _FaultError
    return _made(columns, pc.cumulative_sum(pa.repeat(pa.scalar(1, ID), len(at)), start=line - 1), at, form, ())


def _judged(text: bytes, line: int, form: Form[Reading]) -> Batch:
    """A block with a fault: row by row."""
    types, reading = _columns(form), form.reading
    rows: dict[str, list[object]] = {name: [] for name in types}
    lines, rejects = list[int](), list[Reject]()
    places = {name: form.dump.fields.index(name) for name in types}
    for number, raw in enumerate(text.decode("utf-8", "replace").removesuffix("\n").split("\n"), line):
        row = raw.rstrip("\r").replace('"', "").split(",")
        if row == [""]:
            continue
        if len(row) != len(form.dump.fields):
            rejects.append(Reject(number, "columns", raw))
            continue
        values = {name: number_in(row[place], types[name]) for name, place in places.items()}
        wrong = _wrong(values, form)
        if wrong is not None:
            id_ = values[reading.trade_id] if wrong in SEEN else None
            rejects.append(Reject(number, wrong, raw, id_ if isinstance(id_, int) else None))
            continue
        lines.append(number)
        for name, value in values.items():
            rows[name].append(value)
    columns = {name: pa.array(rows[name], kind) for name, kind in types.items()}
    return _made(columns, pa.array(lines, ID), microseconds(columns[reading.time]), form, rejects)


def number_in(text: str, kind: pa.DataType) -> object:
    """What a text means, a number or a word for yes or no; None: not that."""
    text = text.strip()
    if pa.types.is_boolean(kind):
        return _WORDS.get(text.lower())
    if kind == ID:
        return int(text) if _ID.fullmatch(text) else None
    if len(text) > DIGITS or not _NUMBER.fullmatch(text):
        return None
    found = Decimal(text)
    if abs(found) >= Decimal(10) ** (kind.precision - kind.scale):
        return None
    return found if found == round(found, kind.scale) else None


def _wrong(values: dict[str, object], form: Form[Reading]) -> str | None:
    """Why a row is not believed; None: it is."""
    reading = form.reading
    for told, name in (("trade_id", reading.trade_id), ("price", reading.price), ("quantity", reading.quantity)):
        if values[name] is None:
            return told
    price, quantity = values[reading.price], values[reading.quantity]
    assert isinstance(price, Decimal)
    assert isinstance(quantity, Decimal)
    if price <= 0 or quantity <= 0:
        return "void"
    more = (
        ("ts", reading.time),
        ("taker_side", reading.taker),
        ("aggregate", reading.first_id),
        ("aggregate", reading.last_id),
    )
    for told, place in more:
        if place is not None and values[place] is None:
            return told
    at = values[reading.time]
    assert isinstance(at, int)
    if not form.since <= (at if at >= MICROSECONDS_FROM else at * 1000) < form.until:
        return "ts"
    return None if _EXACT.multiply(price, quantity) < Decimal(10) ** 20 else "overflow"


def microseconds(at: pa.Array) -> pa.Array:
    """Times since 1970 in milliseconds or microseconds, told apart by their digits, in microseconds."""
    if len(at) and _least(at) >= MICROSECONDS_FROM:
        return at
    return pc.if_else(pc.greater_equal(at, MICROSECONDS_FROM), at, pc.multiply(at, 1000))


def _least(column: pa.Array) -> Decimal:
    return Decimal(pc.min(column).as_py())


def _made(columns: dict[str, pa.Array], lines: pa.Array, at: pa.Array, form: Form[Reading], rejects: Sequence[Reject]) -> Batch:
    reading = form.reading
    price, quantity = columns[reading.price], columns[reading.quantity]
    none = pa.nulls(len(lines), ID)
    is_buy = columns[reading.taker] if reading.buy == "true" else pc.invert(columns[reading.taker])
    return Batch(
        line=lines,
        trade_id=columns[reading.trade_id],
        price=price,
        quantity=quantity,
        quote_quantity=_product(price, quantity),
        ts=pc.multiply(pc.divide(at, form.unit), form.unit) if form.unit > 1 else at,
        is_buy=is_buy,
        first_id=columns[reading.first_id] if reading.first_id else none,
        last_id=columns[reading.last_id] if reading.last_id else none,
        rejects=rejects,
    )


def _product(price: pa.Array, quantity: pa.Array) -> pa.Array:
    """Exact. Arrow allows a product as many digits as both have together, so those are narrowed where they can be."""
    try:
        return pc.multiply(price.cast(_NARROW[0]), quantity.cast(_NARROW[1]))
    except pa.ArrowInvalid:
        return pc.multiply(price.cast(_WIDE[0]), quantity.cast(_WIDE[1])).cast(AMOUNT)
