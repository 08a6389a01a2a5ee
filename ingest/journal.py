"""The landing lines of one connection: frames and our own events go in, lines by channel come out. Does no IO."""

import itertools
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ingest.clock import iso
from ingest.continuity import Hole, Known
from ingest.drift import CLOSELY, Odd, Watch
from ingest.envelope import Origin, head, line
from ingest.exchanges.exchange import Seen
from ingest.plan import Plan

EVENTS = "events"
UNKNOWN = Seen("unknown")
_BLANK: Mapping[str, Any] = {
    **dict.fromkeys(("event", "feed", "stream", "at")),
    **dict.fromkeys(("before_id", "after_id", "first_missing_id", "last_missing_id", "before_ts", "after_ts")),
    **dict.fromkeys(("rows", "outcome", "detail")),
}
_LOG = logging.getLogger(__name__)


@dataclass
class Track:
    """One stream of the connection, and how far it has come."""

    head: bytes
    also: Mapping[str, tuple[str, bytes, Watch]]  # other kinds that come down it: channel, head
    known: Known  # the feed's, over all connections
    watch: Watch
    last_id: int | None = None
    last_ms: int | None = None
    rows: int = 0


@dataclass(frozen=True)
class Taken:
    """What a batch became."""

    parts: Sequence[tuple[str, int, Sequence[bytes]]]  # channel, when its first line was received, lines in the order received
    steps: Sequence[tuple[Known, Seen, int]] = ()  # what each frame says of its feed; true once the lines are kept
    words: Sequence[tuple[Known, Seen]] = ()  # how far a feed is, as the venue says
    unread: int = 0  # frames that say nothing we know
    refused: str | None = None  # the venue refused something; its words
    is_end: bool = False  # the venue will close the connection
    odd: Sequence[tuple[Seen, int, Odd]] = ()  # a frame that is not as documented, how many came until then, what is odd


def names(run: str) -> Callable[[], str]:
    """Names for the connections of a run."""
    numbers = itertools.count(1)
    return lambda: f"{run}-{next(numbers)}"


class Sequences:
    """Counts lines per connection and channel, so that a loss inside our own process can be proved."""

    def __init__(self) -> None:
        self._counts: dict[str, Iterator[int]] = defaultdict(itertools.count)

    def of(self, channel: str) -> Iterator[int]:
        """The numbers of a channel, from the next one on."""
        return self._counts[channel]

    def next(self, channel: str) -> int:
        return next(self._counts[channel])


class Journal:
    """The lines of one connection."""

    def __init__(self, plan: Plan, conn: str, feeds: Mapping[str, Known]) -> None:
        self._plan = plan
        self.conn = conn
        self._sequences = Sequences()
        self.tracks = {
            stream: Track(
                head(self._origin(plan.channel, plan.kind, pair, stream)),
                {
                    kind: (channel, head(self._origin(channel, kind, pair, stream)), self._watch(kind))
                    for kind, channel in plan.feed.also.items()
                },
                feeds[stream],
                self._watch(plan.kind),
            )
            for stream, pair in plan.pairs.items()
        }

    def take(self, batch: Sequence[tuple[int, bytes]]) -> Taken:
        """Frames as lines: the frames of a subscribed stream on the plan's channel, everything else on events."""
        plan, tracks, loads = self._plan, self.tracks, orjson.loads
        recognise, wanted, channel, next_seq = plan.exchange.recognise, plan.kind, plan.channel, self._sequences.next
        numbers = self._sequences.of(channel)
        ours: list[bytes] = []
        others: list[bytes] = []
        aside: dict[str, tuple[int, list[bytes]]] = {}
        steps: list[tuple[Known, Seen, int]] = []
        words: list[tuple[Known, Seen]] = []
        odd: list[tuple[Seen, int, Odd]] = []
        ours_at = others_at = unread = 0
        refused, is_end = None, False
        for recv_ns, raw in batch:
            try:
                tree = loads(raw)
            except orjson.JSONDecodeError:
                seen, is_json = UNKNOWN, False
            else:
                is_json = True
                try:
                    seen = recognise(tree)
                except Exception:  # noqa: BLE001 - raw first: a recogniser's fault must not lose what arrived
                    _LOG.exception("event=recogniser_failed exchange=%r frame=%r", self._plan.exchange.name, raw[:200])
                    seen = UNKNOWN
            kind, stream, _, last_id, event_ms, _, _, _, _, _ = seen  # see Continuity.take
            track = tracks.get(stream) if stream else None
            if track is not None and kind in track.also:
                other, start, watch = track.also[kind]
                aside.setdefault(other, (recv_ns, []))[1].append(line(start, next_seq(other), recv_ns, raw, is_json=is_json))
                odd += [(seen, track.rows, one) for one in watch.look(raw, tree)]
                continue
            if track is None or kind != wanted:
                others_at = others_at or recv_ns
                unread += kind == UNKNOWN.kind
                others.append(line(self._other_head(seen), next_seq(EVENTS), recv_ns, raw, is_json=is_json))
                refused = refused or seen.error
                is_end = is_end or seen.is_end
                if seen.about in tracks:
                    words.append((tracks[seen.about].known, seen))
                continue
            ours_at = ours_at or recv_ns
            ours.append(line(track.head, next(numbers), recv_ns, raw, is_json=is_json))
            track.rows = rows = track.rows + 1
            watch = track.watch
            if raw.count(b":") not in watch.usual or not rows % CLOSELY:
                odd += [(seen, rows, one) for one in watch.look(raw, tree)]
            steps.append((track.known, seen, recv_ns))
            if last_id is not None:
                track.last_id, track.last_ms = last_id, event_ms
        parts = [part for part in ((channel, ours_at, ours), (EVENTS, others_at, others)) if part[2]]
        parts += [(other, at, lines) for other, (at, lines) in aside.items()]
        return Taken(parts, steps, words, unread, refused, is_end, odd)

    def event(self, event: str, at_ns: int, *, stream: str | None = None, **told: Any) -> bytes:  # noqa: ANN401 - see _BLANK
        """One of our own events, about the connection or about one of its streams."""
        pair = self._plan.pairs.get(stream) if stream else None
        origin = self._origin(EVENTS, "control", pair, stream)
        raw = event_text(event, at_ns, **{"feed": self._plan.kind, "stream": stream, **told})
        return line(head(origin), self._sequences.next(EVENTS), at_ns, raw, is_json=True)

    def farewells(self, at_ns: int, outcome: str, detail: str | None) -> Sequence[bytes]:
        """A disconnect event a stream: where it had come to, so that what follows can be joined to it."""
        return [
            self.event(
                "disconnect",
                at_ns,
                stream=stream,
                before_id=track.last_id,
                before_ts=time_text(track.last_ms),
                rows=track.rows,
                outcome=outcome,
                detail=detail,
            )
            for stream, track in self.tracks.items()
        ]

    def _watch(self, kind: str) -> Watch:
        return Watch(self._plan.exchange.shapes.get(kind, ()))

    def _other_head(self, seen: Seen) -> bytes:
        if seen.kind != "control":
            return head(self._origin(EVENTS, "unknown", None, None))
        pair = self._plan.pairs.get(seen.stream) if seen.stream else None
        return head(self._origin(EVENTS, "control", pair, seen.stream))

    def _origin(self, channel: str, kind: str, pair: str | None, stream: str | None) -> Origin:
        exchange = self._plan.exchange
        return Origin(exchange.venue, exchange.market, channel, kind, pair, stream, "ws", self.conn)


def time_text(ms: int | None) -> str | None:
    """A venue's milliseconds as our events write times."""
    try:
        return None if ms is None else iso(ms * 1_000_000)
    except (ValueError, OverflowError, OSError):
        return None  # the venue's number is no time; the frame itself is kept as it came


def missing(hole: Hole) -> dict[str, Any]:
    """A hole as an event tells it: its key, and what is missing where that is known."""
    is_known = hole.sort == "ids"
    return {
        "before_id": hole.before_id,
        "after_id": hole.after_id,
        "first_missing_id": hole.low if is_known else None,
        "last_missing_id": hole.high if is_known else None,
        "before_ts": time_text(hole.before_ms),
        "after_ts": time_text(hole.after_ms),
    }


def event_text(event: str, at_ns: int, **told: Any) -> bytes:  # noqa: ANN401 - see _BLANK
    """The `raw` of an event: always all fields, null where there is nothing to tell."""
    if unknown := told.keys() - _BLANK.keys():
        raise TypeError(f"an event has no fields {sorted(unknown)}; it has {list(_BLANK)}")
    return json.dumps({**_BLANK, "event": event, "at": iso(at_ns), **told}, separators=(",", ":"), ensure_ascii=False).encode()
