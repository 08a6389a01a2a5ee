"""Received texts as numbers, exact or not at all."""

from pyspark.sql import Column
from pyspark.sql import functions as F

SIGNIFICANT = r"\.([0-9]*?)0*$"  # the decimals of a number, less the zeros at its end


def exact(text: Column, type_: str) -> Column:
    """A plain decimal number that fits its column exactly; else NULL. A cast alone would round in silence."""
    padded = F.length(F.regexp_extract(text, SIGNIFICANT, 1)) <= _scale(type_)
    return F.when((F.instr(text, "e") == 0) & (F.instr(text, "E") == 0) & (_short(text, type_) | padded), text.try_cast(type_))


def quickly_exact(text: Column, type_: str) -> Column:
    """The same, but NULL also for zeros beyond the column's last decimal."""
    return F.when((F.instr(text, "e") == 0) & (F.instr(text, "E") == 0) & _short(text, type_), text.try_cast(type_))


def _short(text: Column, type_: str) -> Column:
    point = F.instr(text, ".")
    return (point == 0) | (F.length(text) - point <= _scale(type_))


def _scale(type_: str) -> int:
    return int(type_.rstrip(")").split(",")[1])
