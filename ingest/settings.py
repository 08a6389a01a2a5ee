"""The configuration: one YAML file, frozen values, every key checked before anything starts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from ingest.alert_settings import AlertSettings
from ingest.alert_settings import rules as alert_rules
from ingest.values import SettingsError, Size, read, refuse

__all__ = ["SettingsError", "Size"]  # they belong to the configuration, whoever reads it

PAIR = re.compile(r"[A-Z0-9]+-[A-Z0-9]+")
PAIR_PATTERN = re.compile(r"[A-Z0-9*]+-[A-Z0-9*]+")
COLLECTOR = re.compile(r"[a-z0-9][a-z0-9_]{0,30}")  # part of object names, where a dash ends it
_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,127}")  # as Athena and Redshift take it without quotes
_PLACE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{2,62}(/.*)?|(?!\w+:/).+")


_WIDTH = re.compile(r"([1-9]\d{0,4})([mhd])")
_DAY = 24 * 60  # minutes
_MINUTES_IN = {"m": 1, "h": 60, "d": _DAY}

_LARGEST, _DECIMALS = Decimal(10) ** 20, 18  # of an amount, as its columns hold it

_20_GB = Size(20 * 10**9)
_256_MB = Size(256 * 10**6)


@dataclass(frozen=True)
class Lake:
    """Where the lake is."""

    path: str
    endpoint: str | None = None
    region: str | None = None
    path_style: bool = False
    kms_key: str | None = None


@dataclass(frozen=True)
class Spool:
    """The collector's own disk."""

    path: Path = Path("spool")
    max_bytes: Size = _20_GB
    fsync_ms: int = 200


@dataclass(frozen=True)
class Rotate:
    """When a segment is sealed: whichever comes first."""

    seconds: int = 60
    megabytes: int = 64


@dataclass(frozen=True)
class FeedSettings:
    """One line of `ingest.feeds`."""

    venue: str
    market: str
    kind: str
    pairs: Sequence[str]  # or patterns such as *-USDT
    shard: str | None = None  # 0/2: every second pair
    depth: int | None = None  # of kind book
    width: str | None = None  # of kind kline


@dataclass(frozen=True)
class PollSettings:
    """One line of `ingest.polls`."""

    venue: str
    market: str
    kind: str
    every: timedelta
    pairs: Sequence[str]
    depth: int | None = None  # of order books
    level: int | None = None
    aggregate: bool | None = None
    width: str | None = None  # of candles
    since: datetime | None = None


@dataclass(frozen=True)
class Endpoint:
    """Other addresses for one venue's market."""

    websocket: Sequence[str] = ()  # ws://host:port/prefix; tried in order
    rest: Sequence[str] = ()  # http://host:port/prefix; tried in order
    dumps: Sequence[str] = ()  # the same, of published files
    proxy: str | None = None  # http://host:port, for all of them


@dataclass(frozen=True)
class Epoch:
    """An id reset that a person has confirmed: trades of this feed from that time on are feed `<kind>.<n>`."""

    venue: str
    market: str
    kind: str
    pair: str
    n: int
    since: datetime = field(metadata={"key": "from"})


@dataclass(frozen=True)
class Silence:
    """How long a stream may be silent before somebody asks why."""

    learn: bool = True
    at_least: timedelta = timedelta(seconds=10)
    at_most: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Limits:
    """What all our processes on this machine may ask of a venue, together."""

    path: Path = Path("spool/limits")


@dataclass(frozen=True)
class Repair:
    """How holes are filled."""

    weight_share: float = 0.3  # of what the venue allows
    audit_every: timedelta = timedelta(minutes=1)  # where ids are not dense
    side_every: timedelta = timedelta(hours=1)  # who took: by stream and by REST


@dataclass(frozen=True)
class Backfill:
    """How the past is fetched."""

    parallel: int = 4  # files at a time, or pages where there are none
    requests_per_second: float = 5.0


@dataclass(frozen=True)
class Metrics:
    """Where Prometheus may ask."""

    address: str = "127.0.0.1:9108"


@dataclass(frozen=True)
class Ingest:
    """From the exchange to the landing zone."""

    collector: str
    spool: Spool = Spool()
    rotate: Rotate = Rotate()
    feeds: Sequence[FeedSettings] = ()
    endpoints: Mapping[str, Mapping[str, Endpoint]] = field(default_factory=dict)  # venue -> market
    epochs: Sequence[Epoch] = ()
    polls: Sequence[PollSettings] = ()
    silence: Silence = Silence()
    limits: Limits = Limits()
    repair: Repair = Repair()
    backfill: Backfill = Backfill()
    metrics: Metrics | None = None


@dataclass(frozen=True)
class Lease:
    """How long a writer may be silent before another one takes over."""

    ttl: timedelta = timedelta(seconds=30)


@dataclass(frozen=True)
class Stream:
    """From the landing zone to the live tables."""

    trigger: timedelta = timedelta(seconds=30)
    max_bytes_per_trigger: Size = _256_MB
    close_after: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class Bars:
    """Bars of other widths than a minute."""

    widths: Sequence[str] = ("5m", "1h", "1d")  # as the column says them; `minutes_in` counts them


@dataclass(frozen=True)
class Gaps:
    """The ledger of holes."""

    halt_after: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class Fills:
    """What it costs to buy or sell at once."""

    notionals: Sequence[Decimal] = (Decimal(50_000), Decimal(100_000))  # amounts of the quote currency


@dataclass(frozen=True)
class Upkeep:
    """What the stream's driver does once an hour beside its batches."""

    budget: timedelta = timedelta(minutes=2)  # what is not done by then is done an hour later
    seal_after: timedelta = timedelta(days=2)  # the end of a day
    vacuum_after: timedelta = timedelta(days=7)  # a file left its table


@dataclass(frozen=True)
class Catalog:
    """Where readers of SQL find the tables."""

    database: str = "ticklake"
    athena_output: str | None = None  # where Athena leaves what it answers
    endpoint: str | None = None  # of Glue and Athena


@dataclass(frozen=True)
class Jobs:
    """The Spark side."""

    lease: Lease = Lease()
    stream: Stream = Stream()
    bars: Bars = Bars()
    gaps: Gaps = Gaps()
    fills: Fills = Fills()
    upkeep: Upkeep = Upkeep()
    catalog: Catalog = Catalog()


@dataclass(frozen=True)
class Settings:
    """A whole configuration file."""

    lake: Lake
    ingest: Ingest
    jobs: Jobs = Jobs()
    alerts: AlertSettings = field(default_factory=AlertSettings)


def load(path: Path) -> Settings:
    """Read and check a configuration file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); --conf wants a file such as conf/local.yaml"
        raise SettingsError(message) from error
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8: {error}"
        raise SettingsError(message) from error
    try:
        return settings(yaml.safe_load(text))
    except yaml.YAMLError as error:
        message = f"{path}: not YAML: {error}"
        raise SettingsError(message) from error
    except SettingsError as error:
        message = f"{path}: {error}"
        raise SettingsError(message) from error


def minutes_in(width: str) -> int | None:
    """How many minutes a bar of that width has; None where it is none: parts of a day fill it without a rest."""
    found = _WIDTH.fullmatch(width)
    if found is None:
        return None
    minutes = int(found[1]) * _MINUTES_IN[found[2]]
    return minutes if _DAY % minutes == 0 or minutes % _DAY == 0 else None


def settings(tree: Any) -> Settings:  # noqa: ANN401 - whatever YAML gave
    """Check a parsed configuration."""
    if isinstance(tree, Mapping) and isinstance(tree.get("lake"), str):
        tree = {**tree, "lake": {"path": tree["lake"]}}
    return check_values(read(Settings, tree, ""))


def check_values(found: Settings) -> Settings:
    """Check what types cannot say."""
    for where, value, right, is_right in _rules(found):
        if not is_right:
            refuse(where, value, right)
    return found


Rule = tuple[str, Any, str, bool]  # key, value, what is right, whether it is


def _rules(found: Settings) -> Iterator[Rule]:
    yield "lake", found.lake.path, "a folder or s3://bucket/prefix", bool(_PLACE.fullmatch(found.lake.path))
    yield from _ingest_rules(found.ingest)
    for number, feed in enumerate(found.ingest.feeds):
        yield from _feed_rules(f"ingest.feeds[{number}]", feed)
    for number, poll in enumerate(found.ingest.polls):
        where = f"ingest.polls[{number}]"
        yield _at_least(f"{where}.every", poll.every, timedelta(seconds=1))
        yield f"{where}.pairs", list(poll.pairs), "at least one pair", bool(poll.pairs)
        yield from (_pair(f"{where}.pairs", pair) for pair in poll.pairs)
    for venue, markets in found.ingest.endpoints.items():
        for market, endpoint in markets.items():
            yield from _endpoint_rules(f"ingest.endpoints.{venue}.{market}", endpoint)
    yield from _job_rules(found.jobs)
    yield from alert_rules(found.alerts)


def _ingest_rules(ingest: Ingest) -> Iterator[Rule]:
    name = f"a name like laptop: {COLLECTOR.pattern}"
    yield "ingest.collector", ingest.collector, name, bool(COLLECTOR.fullmatch(ingest.collector))
    yield _range("ingest.spool.max_bytes", int(ingest.spool.max_bytes), 10**6, 10**15)
    yield _range("ingest.spool.fsync_ms", ingest.spool.fsync_ms, 1, 60_000)
    yield _range("ingest.rotate.seconds", ingest.rotate.seconds, 1, 3600)
    yield _range("ingest.rotate.megabytes", ingest.rotate.megabytes, 1, 1024)
    silence, second, share = ingest.silence, timedelta(seconds=1), ingest.repair.weight_share
    yield _at_least("ingest.silence.at_least", silence.at_least, second)
    yield "ingest.silence.at_most", str(silence.at_most), "at_least or more", silence.at_most >= silence.at_least
    yield _at_least("ingest.repair.audit_every", ingest.repair.audit_every, second)
    yield _at_least("ingest.repair.side_every", ingest.repair.side_every, second)
    yield "ingest.repair.weight_share", share, "above 0, at most 1", 0 < share <= 1
    yield _range("ingest.backfill.parallel", ingest.backfill.parallel, 1, 32)
    asked = ingest.backfill.requests_per_second
    yield "ingest.backfill.requests_per_second", asked, "above 0, at most 100", 0 < asked <= 100  # noqa: PLR2004 - no file server minds so many
    if ingest.metrics is not None:
        found = re.fullmatch(r"[^:\s]+:(\d{1,5})", ingest.metrics.address)
        right = found is not None and int(found[1]) < 1 << 16
        yield "ingest.metrics.address", ingest.metrics.address, "host:port, such as 127.0.0.1:9108", right
    for number, epoch in enumerate(ingest.epochs):
        yield _range(f"ingest.epochs[{number}].n", epoch.n, 2, 10**6)
        yield _pair(f"ingest.epochs[{number}].pair", epoch.pair)


def _feed_rules(where: str, feed: FeedSettings) -> Iterator[Rule]:
    yield f"{where}.pairs", list(feed.pairs), "at least one pair", bool(feed.pairs)
    yield from (_pair(f"{where}.pairs", pair) for pair in feed.pairs if "*" not in pair)
    yield from (_pattern(f"{where}.pairs", pair) for pair in feed.pairs if "*" in pair)
    if feed.shard is not None:
        yield f"{where}.shard", feed.shard, "which of how many, such as 0/2 and 1/2", _is_shard(feed.shard)


def _endpoint_rules(where: str, endpoint: Endpoint) -> Iterator[Rule]:
    there = bool(endpoint.websocket or endpoint.rest or endpoint.dumps or endpoint.proxy)
    yield where, {}, "at least one address, of websocket, rest, dumps or a proxy", there
    if endpoint.proxy is not None:
        yield (
            f"{where}.proxy",
            endpoint.proxy,
            "http://host:port",
            bool(re.fullmatch(r"http://[^/:@\s]+:\d{1,5}", endpoint.proxy)),
        )
    for address in endpoint.websocket:
        right = address.startswith(("wss://", "ws://"))
        yield f"{where}.websocket", address, "an address that begins with wss:// or ws://", right
    for name, addresses in (("rest", endpoint.rest), ("dumps", endpoint.dumps)):
        for address in addresses:
            right = address.startswith(("https://", "http://"))
            yield f"{where}.{name}", address, "an address that begins with https:// or http://", right


def _job_rules(jobs: Jobs) -> Iterator[Rule]:
    stream = jobs.stream
    yield _at_least("jobs.lease.ttl", jobs.lease.ttl, timedelta(seconds=2), "2s")
    yield "jobs.stream.trigger", str(stream.trigger), "100ms or more", stream.trigger >= timedelta(milliseconds=100)
    yield _range("jobs.stream.max_bytes_per_trigger", int(stream.max_bytes_per_trigger), 10**6, 10**15)
    yield _at_least("jobs.stream.close_after", stream.close_after, timedelta(seconds=1))
    yield _at_least("jobs.upkeep.budget", jobs.upkeep.budget, timedelta(seconds=1))
    yield _at_least("jobs.upkeep.seal_after", jobs.upkeep.seal_after, timedelta(hours=1), "1h")
    yield _at_least("jobs.upkeep.vacuum_after", jobs.upkeep.vacuum_after, timedelta(days=1), "1d")
    yield from _width_rules("jobs.bars.widths", jobs.bars.widths)
    yield _at_least("jobs.gaps.halt_after", jobs.gaps.halt_after, timedelta(minutes=1), "1m")
    yield from _notional_rules("jobs.fills.notionals", jobs.fills.notionals)
    yield from _catalog_rules(jobs.catalog)


def _catalog_rules(catalog: Catalog) -> Iterator[Rule]:
    right = f"letters, digits and underscores, small ones, such as ticklake: {_DATABASE.pattern}"
    yield "jobs.catalog.database", catalog.database, right, bool(_DATABASE.fullmatch(catalog.database))
    output, endpoint = catalog.athena_output, catalog.endpoint
    is_place = output is None or bool(output.startswith("s3://") and _PLACE.fullmatch(output))
    yield "jobs.catalog.athena_output", output, "s3://bucket/prefix", is_place
    is_address = endpoint is None or endpoint.startswith(("https://", "http://"))
    yield "jobs.catalog.endpoint", endpoint, "an address that begins with https:// or http://", is_address


def _width_rules(where: str, widths: Sequence[str]) -> Iterator[Rule]:
    yield where, list(widths), "at least one width, such as 5m, 1h or 1d", bool(widths)
    known: dict[int, str] = {}
    for number, width in enumerate(widths):
        minutes = minutes_in(width)
        right = "minutes or hours that divide a day, or whole days, such as 5m, 1h or 1d"
        yield f"{where}[{number}]", width, right, minutes is not None
        if minutes is not None:
            yield f"{where}[{number}]", width, f"each width once; {known.get(minutes)} is the same", minutes not in known
            known[minutes] = width


def _notional_rules(where: str, notionals: Sequence[Decimal]) -> Iterator[Rule]:
    yield where, list(notionals), "at least one amount of the quote currency, such as 50000", bool(notionals)
    for number, notional in enumerate(notionals):
        shown, decimals = f"{notional:f}", len(f"{notional:f}".partition(".")[2].rstrip("0"))
        right = f"above 0 and below 10^20, with {_DECIMALS} decimals at most"
        yield f"{where}[{number}]", shown, right, 0 < notional < _LARGEST and decimals <= _DECIMALS
        yield f"{where}[{number}]", shown, "each amount once", notional not in notionals[:number]


def _at_least(where: str, value: timedelta, least: timedelta, shown: str = "1s") -> Rule:
    return where, str(value), f"{shown} or more", value >= least


def _range(where: str, value: int, low: int, high: int) -> tuple[str, Any, str, bool]:
    return where, value, f"{low} to {high}", low <= value <= high


def _pair(where: str, value: str) -> tuple[str, Any, str, bool]:
    return where, value, "a pair as BASE-QUOTE, such as BTC-USDT", bool(PAIR.fullmatch(value))


def _pattern(where: str, value: str) -> tuple[str, Any, str, bool]:
    return where, value, "a pair or a pattern as BASE-QUOTE, such as BTC-USDT or *-USDT", bool(PAIR_PATTERN.fullmatch(value))


def _is_shard(text: str) -> bool:
    found = re.fullmatch(r"(\d+)/([1-9]\d*)", text)
    return found is not None and int(found[1]) < int(found[2])
