"""What is asked for over REST again and again: order books, candles, what a venue trades. Pure; refusals name the key."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ingest.exchanges.exchange import Candles, Depth, Exchange, Request
from ingest.plan import exchange_at, rest_hosts
from ingest.settings import Ingest, PollSettings, SettingsError

SHARE = 0.6  # of what a venue allows; the rest is for repairs, and for whoever else is behind our address
DAILY = timedelta(days=1)
CHANNELS = {"book": "books", "kline": "klines", "instruments": "events"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Poll:
    """One question, asked at each multiple of `every`, moved by `offset` so that not all are asked at once."""

    exchange: Exchange
    hosts: Sequence[str]
    kind: str
    pair: str | None
    every: timedelta
    ask: Callable[[int | None], Request]  # candles: from which open time on
    candles: Candles | None = None
    since: int | None = None  # ms; candles: where to begin
    width: str | None = None
    offset: timedelta = timedelta(0)

    @property
    def channel(self) -> str:
        return CHANNELS[self.kind]

    @property
    def name(self) -> str:
        """As the marks know it."""
        parts = (self.exchange.venue, self.exchange.market, self.kind, self.pair, self.width)
        return "/".join(part for part in parts if part)


def polls(ingest: Ingest, find: Callable[[str, str], Exchange]) -> Sequence[Poll]:
    """What the configuration asks for, and once a day what each market trades. A schedule that breaks a budget is refused."""
    wanted = [poll for number, line in enumerate(ingest.polls) for poll in _line(ingest, find, line, f"ingest.polls[{number}]")]
    places = [(feed.venue, feed.market) for feed in ingest.feeds] + [(line.venue, line.market) for line in ingest.polls]
    for venue, market in dict.fromkeys(places):
        exchange = exchange_at(find, venue, market, "ingest.feeds")
        hosts = rest_hosts(ingest, exchange)
        if exchange.rest and exchange.rest.instruments and hosts:
            wanted.append(_instruments(exchange, hosts))
    _check_budgets(wanted)
    return list(_staggered(wanted))


def due(poll: Poll, wall_ns: int) -> float:
    """Seconds until the poll is to be asked next; always more than none."""
    every, offset = poll.every.total_seconds(), poll.offset.total_seconds()
    since = (wall_ns / 1e9 - offset) % every
    return every - since


def _line(ingest: Ingest, find: Callable[[str, str], Exchange], line: PollSettings, where: str) -> Iterator[Poll]:
    exchange = exchange_at(find, line.venue, line.market, where)
    hosts = rest_hosts(ingest, exchange)
    if exchange.rest is None or not hosts:
        raise SettingsError(f"{where}: ingest.endpoints names a websocket and no rest for {exchange.name}; polls want one")
    for pair in line.pairs:
        try:
            exchange.symbol(pair)
            yield _KINDS[line.kind](exchange, hosts, line, pair)
        except KeyError:
            raise SettingsError(f"{where}.kind is {line.kind!r}: one of {', '.join(_KINDS)}") from None
        except ValueError as error:
            raise SettingsError(f"{where}: {error}") from error


def _book(exchange: Exchange, hosts: Sequence[str], line: PollSettings, pair: str) -> Poll:
    assert exchange.rest is not None
    if exchange.rest.book is None:
        raise ValueError(f"kind 'book': {exchange.name} has none over REST")
    if line.width is not None or line.since is not None:
        raise ValueError("width and since are of kind kline; a book has depth, level or aggregate")
    request = exchange.rest.book(pair, Depth(line.depth, line.level, line.aggregate))
    return Poll(exchange, hosts, "book", pair, line.every, lambda _: request)


def _kline(exchange: Exchange, hosts: Sequence[str], line: PollSettings, pair: str) -> Poll:
    assert exchange.rest is not None
    candles = exchange.rest.candles
    if candles is None:
        raise ValueError(f"kind 'kline': {exchange.name} has none over REST")
    if (line.depth, line.level, line.aggregate) != (None, None, None):
        raise ValueError("depth, level and aggregate are of kind book; a kline has width and since")
    width = line.width or "none"
    if width not in candles.widths:
        raise ValueError(f"width {width!r}: one of {', '.join(candles.widths)}")
    since = None if line.since is None else (line.since - _EPOCH) // timedelta(milliseconds=1)

    def ask(open_ms: int | None) -> Request:
        return candles.ask(pair, width, open_ms)

    return Poll(exchange, hosts, "kline", pair, line.every, ask, candles, since, width)


_KINDS = {"book": _book, "kline": _kline}


def _instruments(exchange: Exchange, hosts: Sequence[str]) -> Poll:
    assert exchange.rest is not None
    assert exchange.rest.instruments is not None
    request = exchange.rest.instruments.request
    return Poll(exchange, hosts, "instruments", None, DAILY, lambda _: request)


def _check_budgets(wanted: Sequence[Poll]) -> None:
    rates: dict[str, float] = {}
    for poll in wanted:
        rest = poll.exchange.rest
        assert rest is not None
        per_minute = poll.ask(None).weight * 60 / poll.every.total_seconds()
        rates[poll.exchange.name] = rates.get(poll.exchange.name, 0.0) + per_minute
        limit = rest.budget * 60 / rest.seconds * SHARE
        if rates[poll.exchange.name] > limit:
            raise SettingsError(
                f"ingest.polls: those of {poll.exchange.name} take a weight of more than {limit:g} a minute, {SHARE:.0%} of what "
                "the venue allows; fewer pairs, less depth, or a longer `every` is right"
            )


def _staggered(wanted: Sequence[Poll]) -> Iterator[Poll]:
    """Polls of one market that would fall together are spread over their interval."""
    alike: dict[tuple[str, timedelta], list[Poll]] = {}
    for poll in wanted:
        alike.setdefault((poll.exchange.name, poll.every), []).append(poll)
    for (_, every), group in alike.items():
        for number, poll in enumerate(group):
            yield replace(poll, offset=every * number / len(group))
