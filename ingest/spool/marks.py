"""What a spool remembers of its feeds: how far each had come, and which holes are not dealt with. Outlives the segments.

Written when a segment is sealed, after everything it tells of is on the disk. What came later stands in segments that are still
open, and is read from there.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from ingest.continuity import Continuity, Hole, Known, plain, restore
from ingest.plan import Plan
from ingest.spool import records
from ingest.spool.damage import missed
from ingest.spool.records import Damage, Records
from ingest.spool.segment import OPEN, Place, of_open, sync_folder

NAME, BEFORE = "marks.json", "marks.before.json"
VERSION = 1
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """What marks tell."""

    feeds: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)  # of the open segments, by their names; they may have grown since


def load(folder: Path) -> Told | None:
    """What was written last; what was written before that where it cannot be read. None: nor can that.

    Older marks are as right as new ones: they ask for more than is missing.
    """
    paths = [path for path in (folder / NAME, folder / BEFORE) if path.exists()]
    for path in paths:
        try:
            text, _, digest = path.read_bytes().rstrip(b"\n").rpartition(b"\n")
            told = json.loads(text)
            if hashlib.sha256(text).hexdigest().encode() == digest and told["v"] == VERSION:
                return Told(told["feeds"], told["sizes"])
            _LOG.error("event=marks_unreadable path=%s detail=checksum_or_version", path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            _LOG.error("event=marks_unreadable path=%s error=%r", path, error)
        with contextlib.suppress(OSError):  # for whoever wants to know; collecting is worth more
            path.replace(path.with_suffix(".unreadable"))
    return None if paths else Told()


def save(folder: Path, told: Told) -> None:
    """Put in the place of what was there, which is kept as well; durable when this returns."""
    part, path = folder / f"{NAME}.part", folder / NAME
    text = json.dumps({"v": VERSION, "feeds": told.feeds, "sizes": told.sizes}, separators=(",", ":")).encode()
    with part.open("wb") as file:
        file.write(b"%b\n%b\n" % (text, hashlib.sha256(text).hexdigest().encode()))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileNotFoundError):
        path.replace(folder / BEFORE)
    part.replace(path)
    sync_folder(folder)


class Marks:
    """The marks of one spool, and the feeds that go on from them."""

    def __init__(self, folder: Path, plans: Sequence[Plan]) -> None:
        self._folder = folder
        self._plans = plans
        found = load(folder)
        self._sizes = found.sizes if found else {}
        self._feeds = dict(found.feeds if found else {})  # former configurations' too: their feeds may come back
        self.continuities = [
            Continuity(
                {stream: _known(plan, self._feeds.get(_name(plan, stream)), is_forgotten=found is None) for stream in plan.pairs}
            )
            for plan in plans
        ]
        self._streams = {
            (plan.exchange.venue, plan.exchange.market, plan.kind, stream): (plan, one, known)
            for plan, one in zip(plans, self.continuities, strict=True)
            for stream, known in one.feeds.items()
        }

    def add(self, plan: Plan) -> Continuity:
        """A plan that came later; its feeds go on from where they were once."""
        found = Continuity(
            {stream: _known(plan, self._feeds.get(_name(plan, stream)), is_forgotten=False) for stream in plan.pairs}
        )
        self._plans, self.continuities = [*self._plans, plan], [*self.continuities, found]
        return found

    def replay(self, now: float) -> None:
        """Take the frames of the open segments, which no mark tells of. Before they are sealed."""
        for one in self.continuities:
            one.mend()  # what stands there goes on where the marks end, on the same connection
        marked = [{stream: known.last_id for stream, known in one.feeds.items()} for one in self.continuities]
        for path in sorted((self._folder / OPEN).iterdir(), key=_changed):
            try:
                found, (place, _) = records.read(path.read_bytes()), of_open(path)
            except (OSError, ValueError):
                continue  # not ours, or not to be read: whoever salvages it says so
            for text in found.whole:
                self._take(text, now)
            # further on than the marks are, the next whole frame shows what is missing
            for number, stream, hole in self._missed(place, _cut(found, path, self._sizes), marked, now, is_newest=True):
                self.continuities[number].feeds[stream].holes.append(hole)
        for one in self.continuities:
            one.tear()

    def missed(self, place: Place, found: Records, now: float) -> Iterator[tuple[int, str, Hole]]:
        """Frames of a sealed segment that are gone: number of the plan, stream, hole."""
        far = [{stream: known.last_id for stream, known in one.feeds.items()} for one in self.continuities]
        return self._missed(place, found, far, now)

    def _missed(
        self,
        place: Place,
        found: Records,
        far: Sequence[Mapping[str, int | None]],
        now: float,
        *,
        is_newest: bool = False,
    ) -> Iterator[tuple[int, str, Hole]]:
        for number, plan in enumerate(self._plans):
            if found.damaged and place == Place(plan.channel, plan.exchange.venue, plan.exchange.market):
                for stream, hole in missed(plan, found, far[number], now, is_newest=is_newest):
                    yield number, stream, hole

    def _take(self, text: bytes, now: float) -> None:
        try:
            line = orjson.loads(text)
            plan, one, known = self._streams[line["venue"], line["market"], line["kind"], line["stream"]]
            if line["source"] == "ws":
                known.is_torn = known.is_torn or line["conn"] != known.conn
                known.conn = line["conn"]
                seen = plan.exchange.recognise(line["raw"])
                if seen.last_id is not None and known.last_id is not None and seen.last_id <= known.last_id:
                    one.again(known, seen)
                else:
                    one.take(known, seen, line["recv_ns"], now)
        except Exception:  # noqa: BLE001 - of a feed that is not asked for any more, or odd: it lands all the same
            _LOG.debug("event=not_replayed line=%r", text[:200])

    def snapshot(self) -> dict[str, Any]:
        """How far each feed has come. Whoever calls sees to it that the spool is no less far."""
        for plan, found in zip(self._plans, self.continuities, strict=True):
            self._feeds.update({_name(plan, stream): plain(known) for stream, known in found.feeds.items()})
        return dict(self._feeds)

    def note(self, name: str, value: int) -> None:
        """Remember how far something else has come. Before that may be forgotten, it is in the spool."""
        self._feeds[name] = value

    def noted(self, name: str) -> int | None:
        """How far it had come."""
        found = self._feeds.get(name)
        return found if isinstance(found, int) else None

    def save(self, feeds: Mapping[str, Any], sizes: Mapping[str, int] | None = None) -> bool:
        """Write them down, with the sizes of the open segments. A disk that refuses costs a hole that is none, and stops nothing."""
        try:
            save(self._folder, Told(feeds, sizes or {}))
        except OSError as error:
            _LOG.warning("event=marks_not_saved folder=%s error=%r", self._folder, error)
            return False
        return True

    def heard(self, venue: str, market: str) -> int | None:
        """When a frame of this market was last received, in ns."""
        times = [
            known.last_recv_ns
            for plan, found in zip(self._plans, self.continuities, strict=True)
            if (plan.exchange.venue, plan.exchange.market) == (venue, market)
            for known in found.feeds.values()
            if known.last_recv_ns is not None
        ]
        return max(times, default=None)


def _name(plan: Plan, stream: str) -> str:
    return f"{plan.exchange.venue}/{plan.exchange.market}/{plan.kind}/{stream}"


def _cut(found: Records, path: Path, sizes: Mapping[str, int]) -> Records:
    """With what is not there any more, though it was on the disk."""
    size = path.stat().st_size
    gone = sizes.get(path.name, 0) - size
    return Records(found.whole, [*found.damaged, Damage(size, len(found.whole), b"", gone)]) if gone > 0 else found


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _fresh(plan: Plan) -> Known:
    """A feed of a plan, of which nothing is known yet."""
    rest = plan.exchange.rest
    can_ask = rest is not None and bool(plan.rest) and plan.kind in rest.histories
    return Known(plan.feed.dense, plan.feed.ordered, is_audited=can_ask)


def _known(plan: Plan, told: Any, *, is_forgotten: bool) -> Known:  # noqa: ANN401 - what a file held
    new = replace(_fresh(plan), is_forgotten=is_forgotten)
    if told is None:
        return new
    found = _fresh(plan)
    try:
        restore(found, told)
    except (KeyError, TypeError, ValueError):
        _LOG.error("event=mark_unreadable mark=%r", told)
        return replace(new, is_forgotten=True)
    return found
