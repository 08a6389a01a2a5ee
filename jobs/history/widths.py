"""Candles counted: those of one width have numbers that go on by one, so that one that is absent leaves a hole."""

from datetime import UTC, datetime

_UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}


def micros_in(width: str) -> int | None:
    """How long a candle is; None: a month."""
    return int(width[:-1]) * _UNITS[width[-1]] if width[-1] in _UNITS else None


def number_of(width: str, at: int) -> int:
    """Of a candle, by its start in microseconds since 1970."""
    micros = micros_in(width)
    if micros is not None:
        return at // micros
    start = datetime.fromtimestamp(at // 1_000_000, UTC)
    return start.year * 12 + start.month - 1


def number_sql(width: str) -> str:
    """The same, of the column open_time."""
    micros = micros_in(width)
    return f"unix_micros(open_time) DIV {micros}" if micros else "CAST(year(open_time) * 12 + month(open_time) - 1 AS BIGINT)"
