"""Texts of numbers and times, read exactly or not at all."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal

from jobs.tables.table import Table

WHOLE = re.compile(r"0|[1-9][0-9]{0,17}")
NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACT = Context(prec=100)
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def is_number(text: str) -> bool:
    """Is it a number, as JSON and CSV write one?"""
    return NUMBER.fullmatch(text) is not None


def fitting(text: str, table: Table, column: str) -> Decimal | None:
    """The number, where the column holds it exactly."""
    told = _DECIMAL.fullmatch(table.type_of(column))
    assert told is not None, f"{table.name}.{column} is no decimal"
    precision, scale = int(told[1]), int(told[2])
    if not is_number(text):
        return None
    found = Decimal(text)
    if found and (found.adjusted() >= precision - scale or found != found.quantize(Decimal(1).scaleb(-scale), context=EXACT)):
        return None
    return found.quantize(Decimal(1).scaleb(-scale), context=EXACT)


def micros(at: datetime) -> int:
    """Since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    """Of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=at)
