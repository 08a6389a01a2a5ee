"""What an engine answered, and what that took."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

Rows = Sequence[Sequence[Any]]


class Reading(NamedTuple):
    """Of one question."""

    seconds: float  # on the clock
    bytes: int  # that were read for it
    rows: Rows


Ask = Callable[[str, str], Reading]  # of a layout, in SQL
Found = dict[tuple[str, str, str], list[Reading]]  # engine, question, layout


def plain(rows: Rows) -> list[list[Any]]:
    """As JSON has them, and alike for engines that have other types for the same: times in UTC, amounts without a tail of zeros."""
    return [list(map(_plain, row)) for row in rows]


def _plain(value: Any) -> Any:  # noqa: ANN401 - what stands in a row
    match value:
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat(" ")
        case Decimal():
            return f"{value.normalize():f}"
        case float():  # a quotient, of which the last digits are an engine's own
            return f"{value:.10g}"
        case _:
            return value
