"""What a spool remembers of its feeds: how far each had come, and which holes are not dealt with. Outlives the segments.

Written when a segment is sealed, after everything it tells of is on the disk. What came later stands in segments that are still
open, and is read from there.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from ingest.continuity import Continuity, Known, known, plain
from ingest.plan import Plan
from ingest.spool import OPEN, sync_folder

NAME = "marks.json"
VERSION = 1
_LOG = logging.getLogger(__name__)


def load(folder: Path) -> Mapping[str, Any]:
    """What was written last, by feed. A file that cannot be read is set aside: collecting is worth more than remembering."""
    path = folder / NAME
    try:
        told = json.loads(path.read_bytes())
        return dict(told["feeds"]) if told["v"] == VERSION else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        aside = path.with_suffix(".unreadable")
        _LOG.error("event=marks_unreadable path=%s kept=%s error=%r", path, aside, error)
        path.replace(aside)
        return {}


def save(folder: Path, feeds: Mapping[str, Any]) -> None:
    """Put in the place of what was there; durable when this returns."""
    part = folder / f"{NAME}.part"
    with part.open("wb") as file:
        file.write(json.dumps({"v": VERSION, "feeds": feeds}, separators=(",", ":")).encode())
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)
    sync_folder(folder)


class Marks:
    """The marks of one spool, and the feeds that go on from them."""

    def __init__(self, folder: Path, plans: Sequence[Plan]) -> None:
        self._folder = folder
        self._plans = plans
        self._feeds = dict(load(folder))  # former configurations' too: their feeds may come back
        self.continuities = [
            Continuity({stream: _known(plan, self._feeds.get(_name(plan, stream))) for stream in plan.pairs}) for plan in plans
        ]

    def add(self, plan: Plan) -> Continuity:
        """A plan that came later; its feeds go on from where they were once."""
        found = Continuity({stream: _known(plan, self._feeds.get(_name(plan, stream))) for stream in plan.pairs})
        self._plans, self.continuities = [*self._plans, plan], [*self.continuities, found]
        return found

    def replay(self, now: float) -> None:
        """Take the frames of the open segments, which no mark tells of. Before they are sealed."""
        own = zip(self._plans, self.continuities, strict=True)
        feeds = {
            (plan.exchange.venue, plan.exchange.market, plan.kind, stream): (plan, found, known)
            for plan, found in own
            for stream, known in found.feeds.items()
        }
        for path in sorted((self._folder / OPEN).iterdir(), key=lambda path: path.stat().st_mtime_ns):
            for text in path.read_bytes().splitlines():
                try:
                    line = orjson.loads(text)
                    plan, found, known = feeds[line["venue"], line["market"], line["kind"], line["stream"]]
                    if line["source"] == "ws":
                        found.take(known, plan.exchange.recognise(line["raw"]), line["recv_ns"], now)
                except (orjson.JSONDecodeError, KeyError, TypeError):
                    continue  # torn, of a feed that is not asked for any more, or no line at all: it lands all the same
        for found in self.continuities:
            found.tear()

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

    def save(self, feeds: Mapping[str, Any]) -> None:
        """Write them down. A disk that refuses costs a hole that is none at the next start, and stops nothing."""
        try:
            save(self._folder, feeds)
        except OSError as error:
            _LOG.warning("event=marks_not_saved folder=%s error=%r", self._folder, error)

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


def _known(plan: Plan, told: Any) -> Known:  # noqa: ANN401 - what a file held
    try:
        return known(plan.feed.dense, told)
    except (KeyError, TypeError):
        _LOG.error("event=mark_unreadable mark=%r", told)
        return Known(plan.feed.dense)
