"""What the names of files and folders tell."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from ingest.exchanges.exchange import Exchange

_SYMBOL = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z]+)?")
_STAMP = re.compile(r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)[T_ .-]?(\d\d)[:_.-]?(\d\d)(?:[:_.-]?(\d\d))?(?!\d)")
_EPOCH = re.compile(r"(?<!\d)(1\d{9})(\d{3})?(?!\d)")
_DAY = re.compile(r"(?<!\d)(\d{4})[-_]?(\d\d)[-_]?(\d\d)(?!\d)")


def pair_in(names: Sequence[str], exchange: Exchange) -> str | None:
    """The pair whose symbol one of the names begins with, the first that does: BTCUSDT_1h.csv, BTC-USD."""
    for name in names:
        begun = _SYMBOL.match(name)
        for symbol in (begun[0], begun[0].partition("-")[0]) if begun else ():
            for spelled in (symbol, symbol.upper(), symbol.lower()):
                try:
                    return exchange.pair(spelled)
                except ValueError:
                    continue
    return None


def moment_in(name: str) -> datetime | None:
    """The moment that a name tells, UTC: 20211103T100000, 2021-11-03_10-00, seconds or milliseconds since 1970."""
    for stamp in _STAMP.finditer(name):
        year, month, day, hour, minute, second = map(int, stamp.groups("0"))
        try:
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            continue
    epoch = _EPOCH.search(name)
    return datetime.fromtimestamp(int(epoch[1]), UTC).replace(microsecond=int(epoch[2] or 0) * 1000) if epoch else None


def day_in(name: str) -> datetime | None:
    """The day that a name tells, its beginning in UTC: 2021-11-03, 20211103."""
    for told in _DAY.finditer(name):
        year, month, number = map(int, told.groups())
        try:
            return datetime(year, month, number, tzinfo=UTC)
        except ValueError:
            continue
    return None
