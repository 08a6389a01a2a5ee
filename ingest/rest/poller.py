"""Asks a venue's market what is due, and lands the answers: a thread a market."""

import heapq
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from ingest.clock import Clock
from ingest.envelope import Origin, head, line
from ingest.exchanges.exchange import Exchange
from ingest.journal import Sequences
from ingest.rest.client import Client, RestError
from ingest.rest.polls import Poll, due
from ingest.spool.marks import Marks
from ingest.spool.spool import Place, Spool, SpoolError
from ingest.watch.spreads import Book

FIRST_SECONDS = 1.0  # between the first questions after a start
LOOK_SECONDS = 1.0  # a clock that jumps is noticed so soon
_LOG = logging.getLogger(__name__)


@dataclass
class PollCounts:
    """What was done so far. Written by its own thread only."""

    asked: int = 0
    failed: int = 0
    late: int = 0  # asked so late that one or more turns were left out


class Poller:
    """The polls of one market."""

    def __init__(  # noqa: PLR0913 - what it needs of the world
        self,
        polls: Sequence[Poll],
        client: Client,
        spool: Spool,
        clock: Clock,
        marks: Marks,
        *,
        conn: str,
        learn: Callable[[Exchange, bytes], None],
    ) -> None:
        self._client = client
        self._spool = spool
        self._clock = clock
        self._marks = marks
        self._conn = conn
        self.exchange = polls[0].exchange
        self._learn = learn  # what a market trades
        self._next = Sequences().next
        self.counts = PollCounts()
        self.failing: frozenset[str] = frozenset()  # polls whose last question had no answer
        self._books: dict[str, tuple[Poll, bytes]] = {}
        now = clock.monotonic()
        self._queue = [(now + number * FIRST_SECONDS, number, poll) for number, poll in enumerate(polls)]

    def run(self, stop: threading.Event) -> None:
        while self._queue and not stop.wait(min(LOOK_SECONDS, max(0.0, self._queue[0][0] - self._clock.monotonic()))):
            self.step(stop)

    def step(self, stop: threading.Event) -> None:
        """Ask what is due most, if anything is."""
        at, number, poll = self._queue[0]
        now = self._clock.monotonic()
        if at > now:
            return
        if now - at > poll.every.total_seconds():
            self.counts.late += 1
            _LOG.warning("event=poll_late poll=%s seconds=%.0f", poll.name, now - at)
        more = self._asked(poll) if not stop.is_set() else False
        again = 0.0 if more else due(poll, self._clock.wall_ns())
        heapq.heapreplace(self._queue, (self._clock.monotonic() + again, number, poll))

    def books(self) -> Iterator[Book]:
        """The newest of each pair."""
        for poll, raw in list(self._books.values()):
            top = poll.exchange.tops.get(("book", "rest"))
            if top is not None:
                yield Book(f"{poll.exchange.name} {poll.pair}", poll.name, top, raw)

    def _asked(self, poll: Poll) -> bool:
        """Whether there is more to be had at once."""
        failed = self.counts.failed
        more = self._ask(poll)
        self.failing = self.failing - {poll.name} if self.counts.failed == failed else self.failing | {poll.name}
        return more

    def _ask(self, poll: Poll) -> bool:
        since = self._marks.noted(poll.name) if poll.candles else None
        since = poll.since if since is None else since
        path, weight = poll.ask(since)
        self.counts.asked += 1
        try:
            self._spool.check_room()
            body = self._client.ask(path, weight)
            tree, is_json = _parsed(body.raw)
            exchange = poll.exchange
            origin = Origin(exchange.venue, exchange.market, poll.channel, poll.kind, poll.pair, path, "rest", self._conn)
            text = line(head(origin), self._next(poll.channel), body.recv_ns, body.raw, is_json=is_json)
            self._spool.append(Place(poll.channel, exchange.venue, exchange.market), body.recv_ns, text)
        except (RestError, SpoolError) as error:
            self.counts.failed += 1
            _LOG.warning("event=poll_failed poll=%s error=%r", poll.name, str(error))
            return False
        if poll.kind == "book":
            self._books[poll.name] = (poll, body.raw)
        if poll.kind == "instruments":
            self._learn(poll.exchange, body.raw)
        return poll.candles is not None and self._note(poll, tree, since)

    def _note(self, poll: Poll, tree: object, since: int | None) -> bool:
        """Remember the newest candle: it may have been open, so that is where the next question begins."""
        assert poll.candles is not None
        try:
            newest = poll.candles.last(tree)
        except (TypeError, KeyError, IndexError) as error:
            self.counts.failed += 1
            _LOG.warning("event=poll_unreadable poll=%s error=%r", poll.name, error)
            return False
        if newest is None:
            return False
        self._marks.note(poll.name, newest)
        return isinstance(tree, list) and len(tree) >= poll.candles.page and newest != since


def _parsed(raw: bytes) -> tuple[object, bool]:
    try:
        return orjson.loads(raw), True
    except orjson.JSONDecodeError:
        return None, False
