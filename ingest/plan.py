"""What the configuration asks for, as the connections it takes. A refusal names the key, the value and what would be right."""

import fnmatch
import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ingest.exchanges.exchange import Exchange, Feed
from ingest.settings import Endpoint, FeedSettings, Ingest, Settings, SettingsError, load


@dataclass(frozen=True)
class Plan:
    """One connection: the streams of one kind of one exchange, no more than the venue allows on one."""

    exchange: Exchange
    feed: Feed
    pairs: Mapping[str, str]  # stream -> canonical pair
    hosts: Sequence[str]
    rest: Sequence[str] = ()  # addresses of the REST half; none: it is not asked

    @property
    def kind(self) -> str:
        return self.feed.kind

    @property
    def channel(self) -> str:
        return self.feed.channel


Traded = Callable[[Exchange], Sequence[str]]  # the pairs that a market trades now


def plans(ingest: Ingest, find: Callable[[str, str], Exchange], traded: Traded) -> Sequence[Plan]:
    """Expand the feeds. A connection carries one kind: USD-M serves kinds at different addresses, and a mute kind shows."""
    if not ingest.feeds and not ingest.polls:
        raise SettingsError("ingest.feeds is []: at least one feed, or one poll in ingest.polls; conf/local.yaml shows some")
    check_endpoints(ingest, find)
    wanted: dict[tuple[str, str, str], dict[str, str]] = {}
    named: dict[tuple[str, str, str], set[str]] = {}  # streams of pairs that stand in the configuration as they are
    found: dict[tuple[str, str, str], tuple[Exchange, Feed]] = {}
    for number, line in enumerate(ingest.feeds):
        where = f"ingest.feeds[{number}]"
        exchange = exchange_at(find, line.venue, line.market, where)
        feed, key = _feed(ingest, exchange, line, where), (line.venue, line.market, line.kind)
        found[key] = exchange, feed
        streams, own = wanted.setdefault(key, {}), named.setdefault(key, set())
        for pair, is_named in _pairs(exchange, line, where, traded):
            stream = feed.stream(pair)
            if is_named and stream in own:
                raise SettingsError(f"{where}.pairs is {pair!r}: listed twice for {exchange.name} {line.kind}; once is right")
            if is_named:  # a pattern may fit the same one, some day
                own.add(stream)
            streams[stream] = pair
    return [
        _plan(ingest, *found[key], part)
        for key, streams in wanted.items()
        for part in _parts(streams, found[key][0].limits.streams_per_connection)
    ]


def check_feeds(ingest: Ingest, find: Callable[[str, str], Exchange]) -> None:
    """Refuse feeds that cannot be had; whether a pattern fits anything only the venue can say."""
    for number, line in enumerate(ingest.feeds):
        where = f"ingest.feeds[{number}]"
        exchange = exchange_at(find, line.venue, line.market, where)
        _feed(ingest, exchange, line, where)
        for pair in line.pairs:
            if "*" not in pair:
                _checked(exchange, pair, where)


def check_endpoints(ingest: Ingest, find: Callable[[str, str], Exchange]) -> None:
    """Refuse addresses of a venue that is not known."""
    for venue, markets in ingest.endpoints.items():
        for market in markets:
            exchange_at(find, venue, market, f"ingest.endpoints.{venue}.{market}")


def past_of(ingest: Ingest, exchange: Exchange, kind: str, pair: str) -> Plan:
    """One pair of a feed whose past is asked for, whether or not anybody listens to it. ValueError: there is no such feed."""
    feeds = {**exchange.recorded, **exchange.feeds}
    if kind not in feeds:
        raise ValueError(f"feed {kind!r}: {exchange.name} has {', '.join(feeds)}")
    exchange.symbol(pair)
    return Plan(exchange, feeds[kind], {feeds[kind].stream(pair): pair}, (), rest_hosts(ingest, exchange))


def rest_hosts(ingest: Ingest, exchange: Exchange) -> Sequence[str]:
    """Where REST is asked; nowhere, where only a websocket is configured: a simulator's frames are not repaired with a venue's."""
    other = _endpoint(ingest, exchange)
    return other.rest or (() if other.websocket or exchange.rest is None else exchange.rest.hosts)


def checked(conf: Path, find: Callable[[str, str], Exchange]) -> Settings:
    """The configuration, the collector's half of it too: each command checks every key."""
    settings = load(conf)
    check_feeds(settings.ingest, find)
    check_endpoints(settings.ingest, find)
    return settings


def dump_hosts(ingest: Ingest, exchange: Exchange) -> Sequence[str]:
    """Where published files are, by the same rule."""
    other = _endpoint(ingest, exchange)
    return other.dumps or (() if other.websocket or exchange.dumps is None else exchange.dumps.hosts)


def listing_hosts(ingest: Ingest, exchange: Exchange) -> Sequence[str]:
    """Where they are listed: an address of somebody's own lists what it has, as S3 does."""
    other = _endpoint(ingest, exchange)
    return other.dumps or (() if other.websocket or exchange.dumps is None else exchange.dumps.listings)


def proxies(ingest: Ingest, find: Callable[[str, str], Exchange]) -> Mapping[str, str]:
    """Host and port of an address -> the proxy through which it is reached."""
    found: dict[str, str] = {}
    for venue, markets in ingest.endpoints.items():
        for market, endpoint in markets.items():
            if endpoint.proxy is None:
                continue
            exchange = exchange_at(find, venue, market, f"ingest.endpoints.{venue}.{market}")
            addresses = [*(endpoint.websocket or exchange.hosts), *rest_hosts(ingest, exchange)]
            addresses += [*dump_hosts(ingest, exchange), *listing_hosts(ingest, exchange)]
            found.update({urlsplit(address).netloc: endpoint.proxy for address in addresses})
    return found


def _endpoint(ingest: Ingest, exchange: Exchange) -> Endpoint:
    return ingest.endpoints.get(exchange.venue, {}).get(exchange.market) or Endpoint()


def exchange_at(find: Callable[[str, str], Exchange], venue: str, market: str, where: str) -> Exchange:
    """The exchange of a line of the configuration."""
    try:
        return find(venue, market)
    except LookupError as error:
        raise SettingsError(f"{where}: {error.args[0]}") from error


def _feed(ingest: Ingest, exchange: Exchange, line: FeedSettings, where: str) -> Feed:
    feeds = _feeds(ingest, exchange)
    if line.kind not in feeds:
        past = "only in recordings and old files; " if line.kind in exchange.recorded else ""
        offered = ", ".join([*exchange.feeds, *exchange.aside])
        raise SettingsError(f"{where}.kind is {line.kind!r}: {past}{exchange.name} offers {offered}")
    feed = feeds[line.kind]
    for key, value in (("depth", line.depth), ("width", line.width)):
        if value is None:
            continue
        if (key == "width") != (line.kind == "kline") or str(value) not in feed.variants:
            fits = feed.variants and (key == "width") == (line.kind == "kline")
            right = f"one of {', '.join(feed.variants)}" if fits else f"not of kind {line.kind} at {exchange.name}"
            raise SettingsError(f"{where}.{key} is {value!r}: {right}")
        feed = feed.variants[str(value)]
    return feed


def _pairs(exchange: Exchange, line: FeedSettings, where: str, traded: Traded) -> Iterator[tuple[str, bool]]:
    """The line's pairs, patterns expanded, of this shard only; and whether each was named as it is."""
    for wish in line.pairs:
        if "*" not in wish:
            found = [_checked(exchange, wish, where)]
        else:
            there = traded(exchange)
            found = [pair for pair in there if fnmatch.fnmatchcase(pair, wish)]
            if not found:
                raise SettingsError(f"{where}.pairs is {wish!r}: fits none of the {len(there)} pairs that {exchange.name} trades")
        yield from ((pair, "*" not in wish) for pair in found if in_shard(pair, line.shard))


def in_shard(pair: str, shard: str | None) -> bool:
    """Whether a pair is this process's share of the feeds: the same on every machine, whatever else is traded."""
    if shard is None:
        return True
    number, _, count = shard.partition("/")
    return zlib.crc32(pair.encode()) % int(count) == int(number)


def _checked(exchange: Exchange, pair: str, where: str) -> str:
    try:
        back = exchange.pair(exchange.symbol(pair))
    except ValueError as error:
        raise SettingsError(f"{where}.pairs is {pair!r}: {error}") from error
    if back != pair:
        raise SettingsError(f"{where}.pairs is {pair!r}: {exchange.name} would read its symbol as {back}")
    return pair


def _feeds(ingest: Ingest, exchange: Exchange) -> Mapping[str, Feed]:
    """What can be subscribed: at an address of one's own, such as a simulator that replays, also what only recordings hold."""
    live = {**exchange.feeds, **exchange.aside}
    return {**exchange.recorded, **live} if _endpoint(ingest, exchange).websocket else live


def _parts(streams: Mapping[str, str], size: int) -> Iterator[Mapping[str, str]]:
    names = iter(streams.items())
    while part := dict(itertools.islice(names, size)):
        yield part


def _plan(ingest: Ingest, exchange: Exchange, feed: Feed, pairs: Mapping[str, str]) -> Plan:
    hosts = _endpoint(ingest, exchange).websocket or exchange.hosts
    return Plan(exchange, feed, pairs, hosts, rest_hosts(ingest, exchange))
