"""What a plan's connections bring goes to the spool, and the continuity of its feeds keeps step with it, never ahead."""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.clock import Clock
from ingest.collector.frames import Message
from ingest.collector.sides import Samples
from ingest.continuity import Continuity, Hole
from ingest.drift import Drifts
from ingest.exchanges.exchange import Page, Seen
from ingest.journal import EVENTS, Journal, Taken, missing, time_text
from ingest.plan import Plan
from ingest.settings import Silence
from ingest.spool.spool import Place, Spool, SpoolError
from ingest.watch.spreads import Book
from ingest.watch.vitals import FeedVitals, LinkVitals, quantiles

TRADES = "trades"
LAGS = 1000
_LOG = logging.getLogger(__name__)


@dataclass
class Counts:
    """What the connections of a plan have done. Written by the link's thread only."""

    frames: int = 0
    trades: int = 0  # frames of them
    bytes: int = 0
    connections: int = 0
    lost: int = 0  # lines that the spool refused
    lost_at: float | None = None  # monotonic: when the last of them was
    mutes: int = 0
    is_connected: bool = False
    since: float = 0.0  # monotonic: so long it is, or is not
    given_up: str | None = None


class Intake:
    """The spool's side of one plan. Any thread may call."""

    def __init__(self, plan: Plan, continuity: Continuity, spool: Spool, clock: Clock, drifts: Drifts | None = None) -> None:
        self.plan = plan
        self.continuity = continuity
        self.lock = threading.Lock()  # of the continuity; held while lines are appended
        self.spool = spool
        self.clock = clock
        self.counts = Counts(since=clock.monotonic())
        self.lags: deque[float] = deque(maxlen=LAGS)  # ms, of the last frame of each read
        self._top = plan.exchange.tops.get((plan.kind, "ws"))
        self._books: dict[str, bytes] = {}  # stream -> the newest book or best price
        self.drifts = drifts or Drifts()  # of the whole process
        self.samples = Samples()
        self.label = f"venue={plan.exchange.venue} market={plan.exchange.market} kind={plan.kind}"

    def keep(self, journal: Journal, batch: Sequence[Message]) -> Taken:
        """All parts are tried: one that the spool refuses must not take the others with it."""
        now, continuity = self.clock.monotonic(), self.continuity
        refusals: list[SpoolError] = []
        with self.lock:
            taken = journal.take(batch)
            continuity.blur(taken.unread)
            for channel, recv_ns, lines in taken.parts:
                try:
                    self._append(channel, recv_ns, lines)
                except SpoolError as error:
                    refusals.append(error)
                    if channel == self.plan.channel:
                        for known, seen, _ in taken.steps:
                            continuity.hear(known, seen, now)
                    continue
                if channel == self.plan.channel:
                    for known, seen, at in taken.steps:
                        continuity.take(known, seen, at, now)
                        known.conn = journal.conn
                self.counts.trades += len(lines) if channel == TRADES else 0
            for known, seen in taken.words:
                continuity.hear(known, seen, now)
        self.counts.frames += len(batch)
        self._note_lag(taken)
        if self._top is not None and len(taken.steps) == len(batch):
            self._note_books(batch, taken)
        self._check(journal, taken)
        for refusal in refusals:
            raise refusal
        return taken

    def _note_books(self, batch: Sequence[Message], taken: Taken) -> None:
        for (_, raw), (_, seen, _) in zip(batch, taken.steps, strict=True):
            if seen.stream:
                self._books[seen.stream] = raw

    def _note_lag(self, taken: Taken) -> None:
        if taken.steps:
            _, seen, at = taken.steps[-1]
            if seen.event_ms is not None:
                self.lags.append(at / 1_000_000 - seen.event_ms)

    def tell(self, lines: Sequence[bytes]) -> None:
        """Our own events. One that is refused is counted and logged, and the missing `seq` tells of it."""
        with contextlib.suppress(SpoolError):
            self._append(EVENTS, self.clock.wall_ns(), lines)

    def holes(self, journal: Journal) -> Sequence[tuple[str, Hole]]:
        """Holes that have become due, each with an event about it. One that the disk has no room for is told later."""
        found: list[tuple[str, Hole]] = []
        if self.spool.is_full:
            return found
        exchange = self.plan.exchange
        place = Place(EVENTS, exchange.venue, exchange.market)
        with self.lock, contextlib.suppress(SpoolError):
            for stream, hole in list(self.continuity.due(self.clock.monotonic())):
                at = self.clock.wall_ns()
                self.spool.append(place, at, journal.event("gap", at, stream=stream, outcome=hole.sort, **missing(hole)))
                found.append((stream, self.continuity.told(stream, hole)))
                _LOG.warning("event=gap %s stream=%s sort=%s low=%d high=%d", self.label, stream, hole.sort, hole.low, hole.high)
        return found

    def miss(self, stream: str, hole: Hole) -> None:
        """Frames that were received are gone."""
        with self.lock:
            self.continuity.feeds[stream].holes.append(hole)

    def close(self, stream: str, hole: Hole) -> None:
        """The hole is dealt with."""
        with self.lock:
            self.continuity.close(stream, hole)

    def tear(self) -> None:
        """Nobody listens any more."""
        with self.lock:
            self.continuity.tear()

    def listen(self) -> None:
        """Somebody listens from now on."""
        now = self.clock.monotonic()
        for known in self.continuity.feeds.values():
            known.rhythm.listen(now)

    def odd(self, silence: Silence, *, can_ask: bool) -> Iterator[str]:
        """Streams that are silent for longer than is usual. Each is yielded again only after twice as long.

        One of which nothing is known yet is asked about soon: what it misses before its first frame is missed only from there on.
        """
        now = self.clock.monotonic()
        for stream, known in self.continuity.feeds.items():
            is_new = can_ask and known.last_id is None and known.rhythm.is_unheard(now)
            if is_new or known.rhythm.is_odd(now, silence, can_ask=can_ask):
                known.rhythm.doubt(now)
                yield stream

    def is_beyond_usual(self, stream: str, silence: Silence) -> bool:
        """Whether a stream is silent for longer than one may be that nobody can be asked about."""
        rhythm = self.continuity.feeds[stream].rhythm
        return rhythm.at is not None and self.clock.monotonic() - rhythm.at >= rhythm.usual(silence, can_ask=False)

    def unaudited(self, stream: str) -> tuple[int, int] | None:
        """Where ids are not dense: from which id on the venue is to be asked, and up to which. None: nothing is to be asked."""
        known = self.continuity.feeds[stream]
        if known.audited is None or known.last_id is None or known.last_id <= known.audited:
            return None
        return known.audited + 1, known.last_id

    def books(self) -> Iterator[Book]:
        """The newest of each stream."""
        if self._top is not None:
            for stream, raw in list(self._books.items()):
                exchange = self.plan.exchange
                yield Book(f"{exchange.name} {self.plan.pairs[stream]}", stream, self._top, raw)

    def vitals(self, silence: Silence, *, can_ask: bool) -> tuple[LinkVitals, Sequence[FeedVitals]]:
        """How it is."""
        now, counts, plan = self.clock.monotonic(), self.counts, self.plan
        where = (plan.exchange.venue, plan.exchange.market, plan.kind)
        feeds = [
            FeedVitals(
                *where,
                pair=plan.pairs[stream],
                stream=stream,
                last_id=known.last_id,
                heard_seconds=None if known.rhythm.at is None else now - known.rhythm.at,
                limit_seconds=known.rhythm.limit(silence, can_ask=can_ask),
                holes=len(known.holes),
                is_mute=known.rhythm.is_mute,
            )
            for stream, known in self.continuity.feeds.items()
        ]
        link = LinkVitals(
            *where,
            streams=len(plan.pairs),
            frames=counts.frames,
            trades=counts.trades,
            bytes=counts.bytes,
            connections=counts.connections,
            is_connected=counts.is_connected,
            since_seconds=now - counts.since,
            mutes=counts.mutes,
            lost=counts.lost,
            lost_seconds=None if counts.lost_at is None else now - counts.lost_at,
            given_up=counts.given_up,
            lag_ms=quantiles(list(self.lags)),
        )
        return link, feeds

    def compare(self, stream: str, until: int, page: Page) -> None:
        """What the venue has, with what came."""
        with self.lock:
            self.continuity.audit(self.continuity.feeds[stream], page, until, self.clock.monotonic())

    def catch_up(self, stream: str, newest: Seen) -> None:
        """The venue has this one, and nobody listens: what lies before it is missing, and more will be soon."""
        known = self.continuity.feeds[stream]
        with self.lock:
            before = known.last_id
            self.continuity.hear(known, newest, self.clock.monotonic())
            if known.last_id != before:
                known.rhythm.doubts = 0

    def mute(self, journal: Journal, stream: str, newest: Seen | None) -> None:
        """The stream sends nothing, though the venue has `newest`; or nobody can be asked, and it is silent for too long."""
        known, now = self.continuity.feeds[stream], self.clock.monotonic()
        self.counts.mutes += 1
        known.rhythm.is_mute = True
        seconds = now - known.rhythm.at if known.rhythm.at is not None else 0.0
        outcome = "proved" if newest else "suspected"
        detail = f"silent for {seconds:.1f} s" + (f"; the venue has {newest.last_id}" if newest else "")
        _LOG.warning("event=mute %s stream=%s outcome=%s detail=%r", self.label, stream, outcome, detail)
        told = {"before_id": known.last_id, "before_ts": time_text(known.last_ms), "outcome": outcome, "detail": detail}
        self.tell([journal.event("mute", self.clock.wall_ns(), stream=stream, **told)])
        if newest:
            with self.lock:
                self.continuity.hear(known, newest, now)

    def _check(self, journal: Journal, taken: Taken) -> None:
        """Frames that are not as documented land like any other; of each set of fields people are told once."""
        self.samples.take(taken, self.plan.channel)
        for seen, rows, found in taken.odd:
            if self.drifts.take(f"{self.plan.exchange.name} {seen.kind}", found):
                _LOG.warning("event=drift %s feed=%s stream=%s detail=%r", self.label, seen.kind, seen.stream, str(found))
                told = {"feed": seen.kind, "rows": rows, "detail": str(found)}
                self.tell([journal.event("drift", self.clock.wall_ns(), stream=seen.stream, **told)])

    def _append(self, channel: str, recv_ns: int, lines: Sequence[bytes]) -> None:
        exchange = self.plan.exchange
        try:
            data = b"".join(lines)
            self.spool.append(Place(channel, exchange.venue, exchange.market), recv_ns, data)
            self.counts.bytes += len(data)
        except SpoolError as error:
            self.counts.lost += len(lines)
            self.counts.lost_at = self.clock.monotonic()
            _LOG.error("event=lost_lines %s channel=%s lines=%d detail=%r", self.label, channel, len(lines), str(error))
            raise
