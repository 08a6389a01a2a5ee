"""Which files there are and how they are called. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice
from typing import NamedTuple
from xml.sax.saxutils import escape

from ingest.simulator.candles import INTERVALS

FIRST_DAY = date(2024, 1, 1)  # of which there are files
_FOLDERS = {"spot": "data/spot", "usdm": "data/futures/um"}
_KINDS = ("aggTrades", "klines", "trades")
_PUBLISHED = {"1M": "1mo"}  # how an interval is spelled here
_MONTHLY_ONLY = ("3d", "1w", "1M")
_KEYS = 1000  # in one answer of the listing

Symbols = Mapping[str, Sequence[str]]  # by market


@dataclass(frozen=True)
class Dump:
    """A published file."""

    market: str
    period: str  # daily or monthly
    kind: str
    symbol: str
    interval: str | None  # of candles
    day: date  # the only or the first one

    @property
    def name(self) -> str:
        what = self.kind if self.interval is None else _PUBLISHED.get(self.interval, self.interval)
        return f"{self.symbol}-{what}-{self.day:%Y-%m-%d}" if self.period == "daily" else f"{self.symbol}-{what}-{self.day:%Y-%m}"

    @property
    def folder(self) -> str:
        parts = [_FOLDERS[self.market], self.period, self.kind, self.symbol]
        return "/".join([*parts, *([] if self.interval is None else [_PUBLISHED.get(self.interval, self.interval)])])

    @property
    def start(self) -> int:
        return _microseconds(self.day)

    @property
    def end(self) -> int:
        return _microseconds(_next(self.period, self.day))


def dumps(market: str, symbol: str, now: int) -> Iterator[Sequence[Dump]]:
    """The files of a symbol, folder by folder, each in order of time."""
    for period in ("daily", "monthly"):
        for kind in _KINDS:
            for interval in _intervals(market, period) if kind == "klines" else (None,):
                yield [Dump(market, period, kind, symbol, interval, day) for day in _days(period, now)]


def find_dump(path: str, symbols: Symbols, now: int) -> Dump | None:
    """The file of that path below the root, if its time is over at this moment of market time."""
    found = re.fullmatch(
        r"(data/spot|data/futures/um)/(daily|monthly)/(\w+)/(\w+)/(?:(\w+)/)?[^/]*?-(\d{4})-(\d\d)(?:-(\d\d))?\.zip", path
    )
    if not found:
        return None
    market = next(name for name, folder in _FOLDERS.items() if folder == found[1])
    interval = next((name for name in INTERVALS if _PUBLISHED.get(name, name) == found[5]), None)
    try:
        dump = Dump(market, found[2], found[3], found[4], interval, date(int(found[6]), int(found[7]), int(found[8] or 1)))
    except ValueError:
        return None
    is_known = (
        dump.symbol in symbols.get(market, ())
        and dump.kind in _KINDS
        and (dump.kind == "klines") == (interval is not None)
        and (interval is None or interval in _intervals(market, dump.period))
        and dump.day >= FIRST_DAY
        and dump.end <= now
    )
    return dump if is_known and f"{dump.folder}/{dump.name}.zip" == path else None


class Listed(NamedTuple):
    """A key and when it was written; None for a folder."""

    key: str
    modified: int | None


def listing(symbols: Symbols, now: int, query: Mapping[str, str]) -> str:
    """The bucket's listing as S3 writes it: at most a thousand keys, in order, after `marker`."""
    prefix, delimiter, marker = query.get("prefix", ""), query.get("delimiter", ""), query.get("marker", "")
    found = [listed for listed in _listed(symbols, now, prefix, delimiter) if listed.key > marker]
    page = list(islice(found, _KEYS))
    is_cut = len(found) > len(page)
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{_stamp(modified)}</LastModified></Contents>"
        for key, modified in page
        if modified is not None
    )
    folders = "".join(
        f"<CommonPrefixes><Prefix>{escape(key)}</Prefix></CommonPrefixes>" for key, modified in page if modified is None
    )
    marks = f"<IsTruncated>{'true' if is_cut else 'false'}</IsTruncated><Marker>{escape(marker)}</Marker>" + (
        f"<NextMarker>{escape(page[-1].key)}</NextMarker>" if is_cut else ""
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>simulated</Name><Prefix>{escape(prefix)}</Prefix>{marks}<MaxKeys>{_KEYS}</MaxKeys>"
        f"<Delimiter>{escape(delimiter)}</Delimiter>{contents}{folders}</ListBucketResult>"
    )


def _listed(symbols: Symbols, now: int, prefix: str, delimiter: str) -> list[Listed]:
    found: set[Listed] = set()
    for folder in chain.from_iterable(dumps(market, symbol, now) for market in symbols for symbol in symbols[market]):
        below = f"{folder[0].folder}/" if folder else ""
        if not folder or not (below.startswith(prefix) or prefix.startswith(below)):
            continue
        cut = below.find(delimiter, len(prefix)) if delimiter and below.startswith(prefix) else -1
        if cut >= 0:  # the whole folder lies below this one
            found.add(Listed(below[: cut + len(delimiter)], None))
            continue
        keys = ((f"{below}{dump.name}.zip{end}", dump.end) for dump in folder for end in ("", ".CHECKSUM"))
        found.update(Listed(key, end) for key, end in keys if key.startswith(prefix))
    return sorted(found)


def _intervals(market: str, period: str) -> list[str]:
    left_out = {*(_MONTHLY_ONLY if period == "daily" else ()), *(("1s",) if market == "usdm" else ())}
    return [interval for interval in INTERVALS if interval not in left_out]


def _days(period: str, now: int) -> Iterator[date]:
    day = FIRST_DAY
    while _microseconds(_next(period, day)) <= now:
        yield day
        day = _next(period, day)


def _next(period: str, day: date) -> date:
    return day + timedelta(days=1) if period == "daily" else (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _microseconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def _stamp(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
