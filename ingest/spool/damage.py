"""Which trades stood in lines that a disk has changed: told by the lines around them. Pure."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace

import orjson

from ingest.continuity import Hole
from ingest.exchanges.exchange import Seen
from ingest.plan import Plan
from ingest.spool.records import Records

_REST = b'"source":"rest"'  # rows that were fetched: the hole that they filled is closed, and no frame tells of them
_FORGOTTEN = Hole("forgotten", 1, 0, None, None)
_LINE_BYTES = 100  # no line is shorter: so many frames at most can have stood in a piece


def missed(
    plan: Plan, found: Records, known: Mapping[str, int | None], now: float, *, is_newest: bool = False
) -> Iterator[tuple[str, Hole]]:
    """Holes in the feeds of a plan, by stream, up to the id that each is known to have come to; in this segment, if it is the newest.

    What is asked for may be more than what is gone, never less: a trade that comes twice is taken once.
    """
    frames = _frames(plan, found)
    told = set[tuple[str, Hole]]()
    pieces: dict[int, int] = {}  # where in the segment -> how many frames at most
    for damage in found.damaged:
        pieces[damage.after] = pieces.get(damage.after, 0) + (len(damage.data) + damage.gone) // _LINE_BYTES + 1
    for stream, pair in plan.pairs.items():
        if any(_REST in damage.data and pair.encode() in damage.data for damage in found.damaged):
            yield stream, replace(_FORGOTTEN, since=now)
        seen = frames.get(stream, [])
        for at, count in pieces.items():
            place = bisect_left(seen, at, key=lambda one: one[0])
            before = seen[place - 1][1] if place else None
            after = seen[place][1] if place < len(seen) else None
            last = known[stream]
            is_last = is_newest and plan.feed.dense and not seen
            hole = _last(count, last, now) if is_last and last else _hole(plan, (before, after), count, last, now)
            if hole is not None and (stream, hole) not in told:
                told.add((stream, hole))
                yield stream, hole


def _last(count: int, known: int, now: float) -> Hole:
    """No frame of the feed is left: it is the last ones before where it had come that are gone."""
    return Hole("ids", max(1, known - count + 1), known, None, None, since=now)


def _hole(plan: Plan, around: tuple[Seen | None, Seen | None], count: int, known: int | None, now: float) -> Hole | None:
    before, after = around
    low, high = 0, known or 0
    before_id, after_id = before.last_id if before else None, after.first_id if after else None
    if before_id is not None:
        low = before_id + 1
        high = low + count - 1 if plan.feed.dense and after_id is None else high
    if after_id is not None:
        high = after_id - 1
        low = max(1, after_id - count) if plan.feed.dense and before_id is None else low
    times = before.event_ms if before else None, after.event_ms if after else None
    if not low:
        return Hole("forgotten", after_id or 1, (after_id or 1) - 1, None, after_id, *times, since=now)
    high = min(high, known) if known is not None else high if before_id is None else 0
    if low > high:
        return None
    return Hole("ids" if plan.feed.dense else "suspected", low, high, before_id, after_id, *times, since=now)


def _frames(plan: Plan, found: Records) -> dict[str, list[tuple[int, Seen]]]:
    """Of each stream: the whole frames, with their place in the segment."""
    frames: dict[str, list[tuple[int, Seen]]] = {}
    for number, text in enumerate(found.whole):
        line = orjson.loads(text)
        if line["source"] == "ws" and line["kind"] == plan.kind and line["stream"] in plan.pairs and "raw" in line:
            seen = plan.exchange.recognise(line["raw"])
            if seen.first_id is not None and seen.last_id is not None:
                frames.setdefault(line["stream"], []).append((number, seen))
    return frames
