"""The rows of a published file: one CSV in one zip, read in pieces. What cannot be believed is refused before any row is told."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from ingest.exchanges.exchange import Dump
from ingest.packed import UnreadableError, opened

PIECE = 1 << 20  # bytes that are in memory at a time
LONGEST = 10_000  # bytes of a line
DIGITS = 19  # of an id at most: a BIGINT
BOM = b"\xef\xbb\xbf"  # so some editors begin a text
_NO_ID = (b"NA", b",")  # so a row may begin that the venue has put in the place of a trade
_LOG = logging.getLogger(__name__)


class Row(NamedTuple):
    """A line of the file that begins with an id."""

    line: int  # the first line is 1
    number: int  # the id
    text: bytes


def check(path: Path) -> None:
    """Read all of it once: whether it is one file in a zip, of a sensible size, and whole. UnreadableError: it is not."""
    with opened(path) as file:
        while file.read(PIECE):
            pass


def rows(path: Path, dump: Dump) -> Iterator[Row]:
    """Every line with an id, in the order of the file, without quotes; a row of names must be the one that is known."""
    header = ",".join(dump.header).encode()
    with opened(path) as file:
        for number, line in enumerate(_lines(path, file), 1):
            text = (line.removeprefix(BOM) if number == 1 else line).replace(b'"', b"")
            digits = text.partition(b",")[0]
            if digits.isdigit() and len(digits) <= DIGITS:
                yield Row(number, int(digits), text)
            elif number == 1 and text and not text.startswith(_NO_ID):
                if text != header:
                    names = f"the names {header.decode()}, or an id," if header else "an id"
                    raise UnreadableError(f"{path.name}: begins with {text[:100]!r}; {names} would be right")
            elif text:
                _LOG.warning("event=odd_row file=%s line=%d text=%r", path.name, number, text[:100])


def raw(row: Row, dump: Dump) -> bytes | None:
    """The row as an object under the names of REST, each value the text that it was; None: it has other columns."""
    try:
        values = row.text.decode().split(",")
    except UnicodeDecodeError:
        return None
    if len(values) != len(dump.fields):
        return None
    return json.dumps(dict(zip(dump.fields, values, strict=True)), separators=(",", ":"), ensure_ascii=False).encode()


def _lines(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while piece := file.read(PIECE):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (text.removesuffix(b"\r") for text in whole)
        if len(rest) > LONGEST:
            raise UnreadableError(f"{path.name}: a line of more than {LONGEST} bytes; rows of a CSV would be right")
    if rest:
        yield rest.removesuffix(b"\r")
