"""What lies in the inbox, by its keys: which file has which days of which feed, and which files make a month. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from ingest.exchanges import EXCHANGES
from ingest.exchanges.exchange import Dump, Exchange
from ingest.settings import Epoch
from jobs.transforms.feeds import Feed
from jobs.transforms.ranges import Range

ROOT = "inbox/"
CHECKSUM = ".CHECKSUM"
_DAY = timedelta(days=1)
_TRADED = ("trade", "agg_trade")
_KEY = re.compile(
    r"inbox/(?P<venue>\w+)/(?P<market>\w+)/(?P<period>monthly|daily)/(?P<dataset>\w+)/(?P<symbol>\w+)/"
    r"(?P<name>(?P<of>\w+)-(?P<what>\w+)-(?P<when>\d{4}-\d\d(?:-\d\d)?)\.(?:zip|csv))"
)


_LINES = re.compile(
    r"inbox/(?P<venue>\w+)/(?P<market>\w+)/lines/(?P<kind>\w+)/(?P<pair>[A-Z0-9]+-[A-Z0-9]+)/"
    r"(?P<first>\d{4}-\d\d-\d\d)_(?P<last>\d{4}-\d\d-\d\d)_[0-9a-f]{12}\.jsonl\.gz"
)
Period = Literal["monthly", "daily", "lines"]


class OddKeyError(ValueError):
    """A key that tells no file of the past; says what would be right."""


OF_MONTH = ("venue", "market", "feed", "pair", "year", "month")


@dataclass(frozen=True, order=True)
class Month:
    """What is published as one object: a feed of a pair in a month."""

    dataset: str  # of history: trades or klines
    venue: str
    market: str
    feed: str  # of trades the kind, of klines the width
    pair: str
    year: int
    month: int

    @property
    def series(self) -> Feed:
        """Whose month it is."""
        return Feed(self.venue, self.market, self.feed, self.pair)

    @property
    def values(self) -> tuple[str, str, str, str, int, int]:
        """Those of OF_MONTH."""
        return (*self.series, self.year, self.month)

    @property
    def first(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        return (self.first + _DAY * 31).replace(day=1) - _DAY

    @property
    def key(self) -> str:
        """Of the object, in the lake."""
        place = f"pair={self.pair}/year={self.year}/month={self.month}"
        return f"history/{self.dataset}/{place}/{self.venue}-{self.market}-{self.feed}.parquet"


@dataclass(frozen=True)
class Held:
    """A month that is published: its object, and the runs of its ids, of candles of their numbers. None: not dense."""

    month: Month
    object: str
    sha256: str
    first_id: int | None
    last_id: int | None
    files: Sequence[str]  # keys of those that it was made of
    runs: Sequence[Range] | None


@dataclass(frozen=True)
class File:
    """A file of the inbox."""

    key: str
    month: Month
    period: Period
    first: date
    last: date

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]


@dataclass(frozen=True)
class Files:
    """The files of a month: those that it is made of, in order, and those of days whose place the month's file takes."""

    month: Month
    taken: Sequence[File]
    beside: Sequence[File] = ()


@dataclass
class Inbox:
    """Everything that lies there."""

    months: Mapping[Month, Files] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)  # key -> what is wrong with it


def inbox(keys: Iterable[str], epochs: Sequence[Epoch] = ()) -> Inbox:
    """Sort the keys. A file whose checksum has not come yet is not there."""
    there = set(keys)
    found: dict[Month, list[File]] = {}
    odd: dict[str, str] = {}
    for key in sorted(there):
        if key.endswith(CHECKSUM) or f"{key}{CHECKSUM}" not in there:
            continue
        try:
            files = [_in_epoch(file, epochs) for file in (_lines_of(key) if "/lines/" in key else [file_of(key)])]
        except OddKeyError as error:
            odd[key] = str(error)
        else:
            for file in files:
                found.setdefault(file.month, []).append(file)
    return Inbox({month: _files(month, files) for month, files in sorted(found.items())}, odd)


def _lines_of(key: str) -> list[File]:
    """A file of lines, once for each month that it has days of."""
    told = _LINES.fullmatch(key)
    if told is None:
        raise OddKeyError(
            f"{key}: inbox/<venue>/<market>/lines/<kind>/<PAIR>/<first day>_<last day>_<12 digits of its sha256>.jsonl.gz is right"
        )
    exchange = EXCHANGES.get((told["venue"], told["market"]))
    if exchange is None or told["kind"] not in {**exchange.feeds, **exchange.recorded} or told["kind"] not in _TRADED:
        raise OddKeyError(f"{key}: {told['venue']} {told['market']} has no trades called {told['kind']} that we know")
    try:
        first, last = date.fromisoformat(told["first"]), date.fromisoformat(told["last"])
    except ValueError as error:
        raise OddKeyError(f"{key}: {error}") from error
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    if not months:
        raise OddKeyError(f"{key}: ends on {last}, before it begins")
    found = []
    for number in months:
        month = Month("trades", told["venue"], told["market"], told["kind"], told["pair"], number // 12, number % 12 + 1)
        found.append(File(key, month, "lines", max(first, month.first), min(last, month.last)))
    return found


def _in_epoch(file: File, epochs: Sequence[Epoch]) -> File:
    """The feed by the time: after an id reset that a person has confirmed it is another one."""
    month = file.month
    begin, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (month.first, month.last + _DAY))
    mine = [
        one
        for one in epochs
        if (one.venue, one.market, one.kind, one.pair) == (month.venue, month.market, month.feed, month.pair)
    ]
    inside = [one for one in mine if begin < one.since < end]
    if inside:
        raise OddKeyError(
            f"{file.key}: the ids of {month.pair} began anew at {inside[0].since:%Y-%m-%d %H:%M} (ingest.epochs); a month with two "
            "numberings is read from the live table alone: land its trades there"
        )
    before = [one.n for one in mine if one.since <= begin]
    return (
        replace(file, month=replace(month, feed=f"{month.feed}.{max(before)}")) if before and month.dataset == "trades" else file
    )


def file_of(key: str) -> File:
    """What a key says. OddKeyError: it says no such thing."""
    told = _KEY.fullmatch(key)
    if told is None:
        raise OddKeyError(
            f"{key}: inbox/<venue>/<market>/<monthly|daily>/<dataset>/<symbol>/<symbol>-<what>-<day or month>.zip is right"
        )
    exchange = EXCHANGES.get((told["venue"], told["market"]))
    if exchange is None or exchange.dumps is None:
        raise OddKeyError(f"{key}: {told['venue']} {told['market']} publishes no files that we know")
    dataset, feed, dump = _kind(exchange, told["dataset"], told["what"], key)
    try:
        pair = exchange.pair(told["symbol"])
        day = date.fromisoformat(told["when"] if told["period"] == "daily" else f"{told['when']}-01")
    except ValueError as error:
        raise OddKeyError(f"{key}: {error}") from error
    month = Month(dataset, exchange.venue, exchange.market, feed, pair, day.year, day.month)
    is_daily = told["period"] == "daily"
    right = (dump.daily if is_daily else dump.monthly)(pair, day).rpartition("/")[2]
    if told["name"].rpartition(".")[0] != right.removesuffix(".zip"):
        raise OddKeyError(f"{key}: {right} would be right")
    return File(key, month, "daily" if is_daily else "monthly", day, day if is_daily else month.last)


def sha256_in(sidecar: bytes) -> str:
    """What a checksum's file says."""
    return sidecar.partition(b" ")[0].decode("ascii", "replace").strip().lower()


def dump_of(month: Month) -> Dump:
    """How its files are written."""
    dumps = EXCHANGES[month.venue, month.market].dumps
    assert dumps is not None
    return dumps.kinds[month.feed.partition(".")[0]] if month.dataset == "trades" else dumps.candles[month.feed]


def _kind(exchange: Exchange, dataset: str, what: str, key: str) -> tuple[str, str, Dump]:
    """Dataset of history, feed, how the file is written."""
    dumps = exchange.dumps
    assert dumps is not None
    if dataset == "klines":
        for width, dump in dumps.candles.items():
            if dump.monthly("BTC-USDT", date(2024, 1, 1)).endswith(f"/BTCUSDT-{what}-2024-01.zip"):
                return "klines", width, dump
        raise OddKeyError(f"{key}: no candles are as wide as {what}")
    for kind, dump in dumps.kinds.items():
        if dump.dataset == dataset:
            return "trades", kind, dump
    raise OddKeyError(f"{key}: {exchange.name} publishes no {dataset}")


def _files(month: Month, files: Sequence[File]) -> Files:
    """What the venue publishes goes before lines, the month before its days."""
    whole = [file for file in files if file.period == "monthly"]
    days = sorted((file for file in files if file.period == "daily"), key=lambda file: file.first)
    lines = [file for file in files if file.period == "lines"]
    if whole:
        return Files(month, whole, days)
    return Files(month, days or lines)
