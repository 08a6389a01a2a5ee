"""How far each feed of a plan has come, and what is missing below: pure, so that any story can be told to it.

Frames of one feed may come over two connections and in any order. What is not there yet is a hole; it counts only when it has
stayed open for a while.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Literal

from ingest.exchanges.exchange import Page, Seen
from ingest.silence import Rhythm

GRACE_SECONDS = 1.0  # the other connection, or the next frame, may still bring what is missing
AUDITABLE = 200_000  # frames; a venue that cannot be asked for so long costs no more memory than that
KEPT = 1000  # of these, that the marks hold; where there are more, the next process suspects a hole in their place
LEAP = 10_000_000  # a hole of more ids is believed only when a second frame goes on from there
FALL = 100_000  # an id so far below the last one is no late frame: the venue may have begun to count anew

Sort = Literal["ids", "suspected", "inner", "reset", "forgotten"]


@dataclass(frozen=True)
class Hole:
    """What is missing between two frames.

    `ids`: each id from `low` to `high`. `suspected`: some of them may be, for they are not dense. `inner`: none of the feed's own
    ids, but trades inside its aggregates. `reset`: the venue began to count anew, nobody knows what is missing. `forgotten`: nor
    here, for the disk has lost how far we were.
    """

    sort: Sort
    low: int
    high: int
    before_id: int | None
    after_id: int | None  # None: the venue told how far it is, no frame did
    before_ms: int | None = None
    after_ms: int | None = None
    is_told: bool = False  # there is an event about it
    since: float = 0.0  # monotonic; of no use to another process

    @property
    def is_plausible(self) -> bool:
        """Whether to ask the venue for it."""
        return self.low <= self.high and self.high - self.low < LEAP


@dataclass
class Known:
    """One feed. Everything up to `last_id` was received, but for the holes."""

    is_dense: bool
    is_ordered: bool = True  # ids that tell no order tell of no hole
    is_audited: bool = True  # ids that are not dense: somebody will ask the venue whether there were others
    last_id: int | None = None
    last_ms: int | None = None
    last_recv_ns: int | None = None
    last_trade: int | None = None  # of the newest aggregate, where trades are numbered without holes, too
    holes: list[Hole] = field(default_factory=list)
    is_torn: bool = False  # nobody listened for a while: what comes next may not be what came next
    conn: str | None = None  # the connection of the newest frame
    is_forgotten: bool = False  # frames were received, and nobody knows how far
    rhythm: Rhythm = field(default_factory=Rhythm)
    audited: int | None = None  # up to here the venue was asked
    received: deque[tuple[int, int]] = field(
        default_factory=lambda: deque(maxlen=AUDITABLE)
    )  # least and greatest id of each frame since
    doubted: int | None = None  # an id that cannot be believed before another one follows it
    unread: int | None = 0  # frames that nobody could read before the first one that told its ids; None: that one has come


class Continuity:
    """The feeds of one plan, over all its connections. Whoever calls holds the plan's lock."""

    def __init__(self, feeds: Mapping[str, Known]) -> None:
        self.feeds = feeds  # by stream

    def take(self, known: Known, seen: Seen, recv_ns: int, now: float) -> None:
        """A frame of a feed is in the spool. The common case, the next id in a row, costs next to nothing."""
        known.last_recv_ns = recv_ns
        if now != known.rhythm.at:
            known.rhythm.beat(now)
        _, _, first, last, event_ms, _, first_trade, last_trade, _, _ = seen  # at once: one by one, by their names, takes longer
        if first is None or last is None:
            _blur(known, 1)
            return
        before = known.last_id
        if known.unread is not None:
            self._first(known, seen, now)
        if not known.is_ordered:
            if before is None or last > before:
                known.last_id, known.last_ms = last, event_ms
            return
        if before is not None and first != before + 1 and not self._joins(known, seen, (first, last), now):
            return
        if known.last_trade is not None and first_trade is not None and first_trade > known.last_trade + 1:
            self._miss_inside(known, seen, now)
        known.is_torn = False
        if not known.is_dense:  # asked here, and not by a call for each frame of the others
            self._receive(known, first, last)
        if before is None or last > before or known.doubted == last:
            known.last_id, known.last_ms, known.last_trade = last, event_ms, last_trade

    def blur(self, count: int) -> None:
        """So many frames have come that nobody can read, of whichever feed."""
        if count:
            for known in self.feeds.values():
                _blur(known, count)

    def _first(self, known: Known, seen: Seen, now: float) -> None:
        """The first frame that tells its ids. What lay in those that nobody could read is what lies before it, or before what we know."""
        assert seen.first_id is not None
        count, known.unread = known.unread, None
        first = seen.first_id if known.last_id is None else min(seen.first_id, known.last_id + 1)
        if count and known.is_dense:
            _add(known, Hole("ids", max(0, first - count), first - 1, None, first, after_ms=seen.event_ms, since=now))
        if known.is_forgotten or (count and not known.is_dense):
            known.is_forgotten = False
            known.holes.append(Hole("forgotten", first, first - 1, None, first, after_ms=seen.event_ms, since=now))

    def _joins(self, known: Known, seen: Seen, ids: tuple[int, int], now: float) -> bool:
        """Note what does not join. False: the frame is not to be believed yet."""
        assert known.last_id is not None
        before, (first, last) = known.last_id, ids
        if known.is_dense and (first - before > LEAP or before - last > FALL):
            follows = known.doubted is not None and first == known.doubted + 1
            known.doubted = last
            if follows and first < before:
                known.holes.append(_hole(known, "reset", (before + 1, before), seen, now))
            elif follows:
                _add(known, _hole(known, "ids", (before + 1, first - 1), seen, now))
            return follows
        if first <= before:
            if known.holes:
                known.holes = list(_filled(known.holes, first, last))
        elif known.is_dense:
            _add(known, _hole(known, "ids", (before + 1, first - 1), seen, now))
        elif known.is_torn:
            known.holes.append(_hole(known, "suspected", (before + 1, first - 1), seen, now))
        return True

    def again(self, known: Known, seen: Seen) -> None:
        """A frame of which it is known already that it was received, as after a start. However far below the last one, it is no new."""
        if known.is_ordered and seen.first_id is not None and seen.last_id is not None:
            known.holes = list(_filled(known.holes, seen.first_id, seen.last_id))
            known.is_torn = False
            self._receive(known, seen.first_id, seen.last_id)

    def _receive(self, known: Known, first: int, last: int) -> None:
        if not known.is_dense and known.is_audited:
            known.audited = first - 1 if known.audited is None else known.audited
            known.received.append((first, last))

    def _miss_inside(self, known: Known, seen: Seen, now: float) -> None:
        """The ids of aggregates join; so must the trades inside them, where the market numbers those, too."""
        if seen.first_id == (known.last_id or 0) + 1:
            known.holes.append(_hole(known, "inner", (seen.first_id, seen.first_id - 1), seen, now))

    def hear(self, known: Known, seen: Seen, now: float) -> None:
        """The venue has sent up to this id on this feed, and the frames are not in the spool."""
        first, last, before = seen.first_id, seen.last_id, known.last_id
        sort: Sort = "ids" if known.is_dense else "suspected"
        if last is None or not known.is_ordered:
            return
        if before is None:
            if first is not None:  # a frame that came, and that the spool did not take: the first thing that is missed
                self._first(known, seen, now)
                known.holes.append(Hole(sort, first, last, None, None, None, seen.event_ms, since=now))
            self.begin(known, seen)
        elif before < last <= before + LEAP:
            _add(known, replace(_hole(known, sort, (before + 1, last), seen, now), after_id=None))
            known.last_id, known.last_ms, known.last_trade = last, seen.event_ms, None

    def begin(self, known: Known, seen: Seen) -> None:
        """Nothing was heard yet, and the venue tells how far it is: from here on something can be missed."""
        if known.last_id is None:
            known.last_id, known.last_ms = seen.last_id, seen.event_ms
            if not known.is_dense and known.is_audited:  # what comes now will be compared, whether or not it can be read
                known.audited, known.is_forgotten, known.unread = known.last_id, known.is_forgotten or bool(known.unread), None

    def audit(self, known: Known, page: Page, until: int, now: float) -> None:
        """Compare with what the venue tells: a trade that was in no frame is missing, whatever its id."""
        assert known.audited is not None
        until = min(until, page.high)
        suspected = [(hole.low, hole.high) for hole in known.holes]  # somebody is after them already
        there = [number for number in page.ids if not any(low <= number <= high for low, high in suspected)]
        ids = sorted(number for number in there if known.audited < number <= until)
        received = sorted(known.received)
        firsts = [first for first, _ in received]
        reach = list(accumulate((last for _, last in received), max))
        before, missed = known.audited, list[int]()
        for number in ids:
            place = bisect_right(firsts, number) - 1
            if place < 0 or reach[place] < number:
                missed.append(number)
                continue
            if missed:
                known.holes.append(Hole("suspected", missed[0], missed[-1], before, number, since=now - GRACE_SECONDS))
            before, missed = number, []
        if missed:
            known.holes.append(Hole("suspected", missed[0], missed[-1], before, None, since=now - GRACE_SECONDS))
        known.audited = max(known.audited, until)
        known.received = deque((one for one in known.received if one[1] > known.audited), maxlen=AUDITABLE)

    def tear(self) -> None:
        """Nobody listens any more, or nobody did until now."""
        for known in self.feeds.values():
            known.is_torn = True

    def mend(self) -> None:
        """What comes next is what came next."""
        for known in self.feeds.values():
            known.is_torn = False

    def due(self, now: float) -> Iterator[tuple[str, Hole]]:
        """Holes that nobody was told of, and that have stayed open long enough."""
        for stream, known in self.feeds.items():
            for hole in known.holes:
                if not hole.is_told and now - hole.since >= GRACE_SECONDS:
                    yield stream, hole

    def told(self, stream: str, hole: Hole) -> Hole:
        """There is an event about it."""
        holes = self.feeds[stream].holes
        found = holes[holes.index(hole)] = replace(hole, is_told=True)
        return found

    def close(self, stream: str, hole: Hole) -> None:
        """The hole is dealt with, whatever became of it."""
        known = self.feeds[stream]
        lows = range(hole.low, max(hole.low, hole.high) + 1)  # of what is left of it, and of those that hold no ids
        known.holes = [one for one in known.holes if not (one.is_told and one.sort == hole.sort and one.low in lows)]
        if not known.is_dense and known.audited is not None and hole.high > known.audited:
            known.received.append((hole.low, hole.high))  # the next audit need not find it once more


def _blur(known: Known, count: int) -> None:
    if known.unread is not None:
        known.unread += count


def _hole(known: Known, sort: Sort, ids: tuple[int, int], seen: Seen, now: float) -> Hole:
    assert known.last_id is not None
    return Hole(sort, *ids, known.last_id, seen.first_id, known.last_ms, seen.event_ms, since=now)


def _add(known: Known, hole: Hole) -> None:
    """One hole that is told of in two parts is one hole."""
    last = known.holes[-1] if known.holes else None
    if (
        last is not None
        and last.sort == hole.sort
        and hole.sort in ("ids", "suspected")
        and last.high + 1 == hole.low
        and not last.is_told
    ):
        known.holes[-1] = replace(last, high=hole.high, after_id=hole.after_id, after_ms=hole.after_ms)
    else:
        known.holes.append(hole)


def _filled(holes: Iterable[Hole], first: int, last: int) -> Iterator[Hole]:
    """What is left of the holes after these ids have come."""
    for hole in holes:
        if hole.sort != "ids" or last < hole.low or first > hole.high:
            yield hole
            continue
        if hole.low < first:
            yield replace(hole, high=first - 1)
        if last < hole.high:
            yield replace(hole, low=last + 1)


def plain(known: Known) -> dict[str, Any]:
    """For the disk: what the next process needs."""
    found = {name: getattr(known, name) for name in _FEED}
    if known.audited is not None:
        found["received"] = list(known.received) if len(known.received) <= KEPT else None
    rhythm = {name: getattr(known.rhythm, name) for name in _RHYTHM}
    return {**found, "rhythm": rhythm, "holes": [{name: getattr(hole, name) for name in _HOLE} for hole in known.holes]}


def restore(known: Known, told: Mapping[str, Any]) -> None:
    """From the disk. Nobody has listened since. KeyError, TypeError: it is not what `plain` gave."""
    for name in _FEED:
        setattr(known, name, told[name])
    known.holes, known.rhythm, known.is_torn = [Hole(**hole) for hole in told["holes"]], Rhythm(**told["rhythm"]), True
    if known.audited is None or known.is_dense or not known.is_audited:
        known.audited = None
    elif told["received"] is not None:
        known.received.extend((first, last) for first, last in told["received"])
    elif known.last_id is not None and known.last_id > known.audited:  # so many frames that nobody knows any more which came
        known.holes.append(Hole("suspected", known.audited + 1, known.last_id, known.audited, None))
        known.audited = known.last_id


_RHYTHM = ("pauses", "mean", "longest")
_FEED = ("last_id", "last_ms", "last_recv_ns", "last_trade", "conn", "is_forgotten", "audited", "unread")
_HOLE = ("sort", "low", "high", "before_id", "after_id", "before_ms", "after_ms", "is_told")
