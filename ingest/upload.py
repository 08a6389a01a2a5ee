"""Sealed segments into the landing zone: written once, read back where somebody was there first, forgotten only then."""

import gzip
import logging
import queue
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ingest.envelope import members
from ingest.landing import Store
from ingest.spool import Spool, key_of

Outcome = Literal["landed", "there", "conflict"]
_ASK_AGAIN = 5
_LOG = logging.getLogger(__name__)


def land(store: Store, path: Path) -> tuple[str, Outcome]:
    """Write a sealed segment's object. `there`: an earlier try had done it. `conflict`: the key has other lines."""
    lines = path.read_bytes()
    key = key_of(path, lines)
    data = members(lines)
    for _ in range(_ASK_AGAIN):
        if store.create(key, data):
            return key, "landed"
        found = store.get(key)
        if found:  # else it vanished in between, or the other write was still under way
            return key, "there" if _text(found[0]) == lines else "conflict"
    raise OSError(f"object {key}: neither created nor there, {_ASK_AGAIN} times")


def _text(data: bytes) -> bytes | None:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


@dataclass
class Landed:
    """What the uploader has done so far."""

    objects: int = 0
    bytes: int = 0
    failures: int = 0
    failing_since: float | None = None  # monotonic; None: the last try landed
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=5))  # keys
    conflicts: list[str] = field(default_factory=list)


class Uploader:
    """One thread's work: segment after segment, each tried until it has landed."""

    def __init__(self, spool: Spool, store: Store, delays: Callable[[], Iterator[float]], last_pause: float = 1.0) -> None:
        self._spool = spool
        self._store = store
        self._delays = delays
        self._last_pause = last_pause  # between tries once the collector wants to end
        self._waiting: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._abandoned = threading.Event()
        self.landed = Landed()

    def add(self, path: Path) -> None:
        self._waiting.put(path)

    def finish(self) -> None:
        """Ask `run` to return once everything added has landed, and to wait no long times between tries."""
        self._waiting.put(None)
        self._hurry.set()

    def abandon(self) -> None:
        """Ask `run` to return after the try under way; what has not landed stays in the spool."""
        self._abandoned.set()
        self.finish()

    def run(self) -> None:
        while path := self._waiting.get():
            pauses = self._delays()
            while not self._abandoned.is_set() and not self._try(path):
                if not self._hurry.wait(next(pauses)):
                    continue
                self._abandoned.wait(self._last_pause)

    def _try(self, path: Path) -> bool:
        size = path.stat().st_size
        try:
            key, outcome = land(self._store, path)
        except Exception as error:  # noqa: BLE001 - boto3 and disks fail in many ways; none is a reason to drop a segment
            self.landed.failures += 1
            self.landed.failing_since = self.landed.failing_since or self._spool.now()
            _LOG.warning("event=landing_failed segment=%s error=%r", path.name, error)
            return False
        if outcome == "conflict":
            aside = self._spool.set_aside(path)
            self.landed.conflicts.append(f"{key} has other lines; ours are kept in {aside}")
            _LOG.error("event=landing_conflict key=%s kept=%s detail=the_object_has_other_lines", key, aside)
            return True
        self._spool.forget(path)
        self.landed.failing_since = None
        self.landed.recent.append(key)
        self.landed.objects += 1
        self.landed.bytes += size
        _LOG.info("event=landed key=%s outcome=%s bytes=%d", key, outcome, size)
        return True
