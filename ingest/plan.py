"""What the configuration asks for, as the connections it takes. A refusal names the key, the value and what would be right."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ingest.exchanges.exchange import Exchange, Feed
from ingest.settings import Endpoint, FeedSettings, Ingest, SettingsError


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


def plans(ingest: Ingest, find: Callable[[str, str], Exchange]) -> Sequence[Plan]:
    """Expand the feeds. A connection carries one kind: USD-M serves kinds at different addresses, and a mute kind shows."""
    if not ingest.feeds:
        raise SettingsError("ingest.feeds is []: at least one feed; conf/local.yaml shows some")
    check_endpoints(ingest, find)
    wanted: dict[tuple[str, str, str], dict[str, str]] = {}
    exchanges: dict[tuple[str, str], Exchange] = {}
    for number, feed in enumerate(ingest.feeds):
        where = f"ingest.feeds[{number}]"
        exchange = exchanges[feed.venue, feed.market] = _exchange(find, feed.venue, feed.market, where)
        streams = wanted.setdefault((feed.venue, feed.market, feed.kind), {})
        for stream, pair in _streams(ingest, exchange, feed, where):
            if stream in streams:
                raise SettingsError(f"{where}.pairs is {pair!r}: listed twice for {exchange.name} {feed.kind}; once is right")
            streams[stream] = pair
    return [
        _plan(ingest, exchanges[venue, market], kind, part)
        for (venue, market, kind), streams in wanted.items()
        for part in _parts(streams, exchanges[venue, market].limits.streams_per_connection)
    ]


def check_endpoints(ingest: Ingest, find: Callable[[str, str], Exchange]) -> None:
    """Refuse addresses of a venue that is not known."""
    for venue, markets in ingest.endpoints.items():
        for market in markets:
            _exchange(find, venue, market, f"ingest.endpoints.{venue}.{market}")


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


def dump_hosts(ingest: Ingest, exchange: Exchange) -> Sequence[str]:
    """Where published files are, by the same rule."""
    other = _endpoint(ingest, exchange)
    return other.dumps or (() if other.websocket or exchange.dumps is None else exchange.dumps.hosts)


def _endpoint(ingest: Ingest, exchange: Exchange) -> Endpoint:
    return ingest.endpoints.get(exchange.venue, {}).get(exchange.market) or Endpoint()


def _exchange(find: Callable[[str, str], Exchange], venue: str, market: str, where: str) -> Exchange:
    try:
        return find(venue, market)
    except LookupError as error:
        raise SettingsError(f"{where}: {error.args[0]}") from error


def _streams(ingest: Ingest, exchange: Exchange, feed: FeedSettings, where: str) -> Iterator[tuple[str, str]]:
    feeds = _feeds(ingest, exchange)
    if feed.kind not in feeds:
        past = "only in recordings and old files; " if feed.kind in exchange.recorded else ""
        raise SettingsError(f"{where}.kind is {feed.kind!r}: {past}{exchange.name} offers {', '.join(exchange.feeds)}")
    for pair in feed.pairs:
        try:
            back = exchange.pair(exchange.symbol(pair))
        except ValueError as error:
            raise SettingsError(f"{where}.pairs is {pair!r}: {error}") from error
        if back != pair:
            raise SettingsError(f"{where}.pairs is {pair!r}: {exchange.name} would read its symbol as {back}")
        yield feeds[feed.kind].stream(pair), pair


def _feeds(ingest: Ingest, exchange: Exchange) -> Mapping[str, Feed]:
    """What can be subscribed: at an address of one's own, such as a simulator that replays, also what only recordings hold."""
    return {**exchange.recorded, **exchange.feeds} if _endpoint(ingest, exchange).websocket else exchange.feeds


def _parts(streams: Mapping[str, str], size: int) -> Iterator[Mapping[str, str]]:
    names = iter(streams.items())
    while part := dict(itertools.islice(names, size)):
        yield part


def _plan(ingest: Ingest, exchange: Exchange, kind: str, pairs: Mapping[str, str]) -> Plan:
    hosts = _endpoint(ingest, exchange).websocket or exchange.hosts
    return Plan(exchange, _feeds(ingest, exchange)[kind], pairs, hosts, rest_hosts(ingest, exchange))
