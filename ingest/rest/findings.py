"""What is found of the past becomes landing lines, and how a hole ended an event: for all who repair, whomever they ask."""

from collections.abc import Mapping, Sequence
from typing import Any

from ingest.clock import Clock
from ingest.envelope import Origin, head, line
from ingest.exchanges.exchange import Exchange, Source
from ingest.journal import EVENTS, Sequences, event_text
from ingest.plan import Plan
from ingest.rest.client import Body
from ingest.spool.spool import Place, Spool

BOOKS = "books"


class Findings:
    """The lines of one who repairs, under one name."""

    def __init__(self, spool: Spool, clock: Clock, conn: str) -> None:
        self.spool = spool
        self._clock = clock
        self._conn = conn
        self._next = Sequences().next

    def body(self, plan: Plan, stream: str, path: str, body: Body, *, is_json: bool) -> None:
        """A response as it came."""
        exchange = plan.exchange
        pair = plan.pairs[stream]
        origin = Origin(exchange.venue, exchange.market, plan.channel, plan.kind, pair, path, "rest", self._conn)
        text = line(head(origin), self._next(plan.channel), body.recv_ns, body.raw, is_json=is_json)
        self.spool.append(Place(plan.channel, exchange.venue, exchange.market), body.recv_ns, text)

    def book(self, plan: Plan, stream: str, path: str, body: Body, *, is_json: bool) -> None:
        """A whole order book, from which the changes of a stream go on."""
        exchange = plan.exchange
        origin = Origin(exchange.venue, exchange.market, BOOKS, "book", plan.pairs[stream], path, "rest", self._conn)
        text = line(head(origin), self._next(BOOKS), body.recv_ns, body.raw, is_json=is_json)
        self.spool.append(Place(BOOKS, exchange.venue, exchange.market), body.recv_ns, text)

    def rows(self, plan: Plan, recv_ns: int, lines: Sequence[bytes]) -> None:
        """Rows of a file, as lines; their numbers are those of the file."""
        exchange = plan.exchange
        self.spool.append(Place(plan.channel, exchange.venue, exchange.market), recv_ns, b"".join(lines))

    def end(self, plan: Plan, stream: str, source: Source, told: Mapping[str, Any], *, feed: str | None = None) -> None:
        """A `repair` event. SpoolError: it is not told, so the hole is not dealt with."""
        raw = {"feed": feed or plan.kind, "stream": stream, **told}
        self.tell(plan.exchange, "repair", raw, pair=plan.pairs[stream], source=source)

    def tell(
        self, exchange: Exchange, event: str, told: Mapping[str, Any], *, pair: str | None = None, source: Source = "rest"
    ) -> None:
        """One of our own events. SpoolError: the spool does not take it."""
        at, stream = self._clock.wall_ns(), told.get("stream")
        origin = Origin(exchange.venue, exchange.market, EVENTS, "control", pair, stream, source, self._conn)
        text = line(head(origin), self._next(EVENTS), at, event_text(event, at, **told), is_json=True)
        self.spool.append(Place(EVENTS, exchange.venue, exchange.market), at, text)
