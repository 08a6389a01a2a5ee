"""Sealed segments into the landing zone: written once, read back where somebody was there first, forgotten only then."""

import gzip
import hashlib
import logging
import queue
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ingest.landing import Store
from ingest.spool import records
from ingest.spool.members import LIMIT, members
from ingest.spool.segment import file_name, key_of, of_sealed, sealed_name
from ingest.spool.spool import Spool

Outcome = Literal["landed", "there", "conflict"]
Mend = Callable[[Path, records.Records], Sequence[Path]]  # what is to land in the place of a segment that the disk has changed
LATE_SECONDS, LATE_CAP = 5.0, 300.0  # between tries of what our own disk does not let be read, mended or removed; doubling
LOOK_SECONDS = 1.0
_ASK_AGAIN = 5
_ANY = 10**9  # bytes; nobody knows how many there were
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Packed:
    """An object as it will be."""

    data: bytes
    size: int  # of its text


def pack(path: Path) -> Packed | None:
    """A sealed segment's object, a member at a time, so that no whole segment stands in memory. None: it is not what its name says.

    The sum of all lines is that of the name: to ask each line for its own would take four times as long.
    """
    name, sha256, parts, size = of_sealed(path), hashlib.sha256(), [], 0
    with path.open("rb") as file:
        while lines := file.readlines(LIMIT):
            text = records.bare(lines)
            sha256.update(text)
            parts.append(members(text))
            size += len(text)
    if name is None or file_name(name, sha256.hexdigest()) != path.name:
        return None
    return Packed(b"".join(parts), size)


def land(store: Store, path: Path, data: bytes) -> tuple[str, Outcome]:
    """Write a sealed segment's object. `there`: an earlier try had done it. `conflict`: the key has other lines."""
    key = key_of(path)
    for _ in range(_ASK_AGAIN):
        if store.create(key, data):
            return key, "landed"
        found = store.get(key)
        if found:  # else it vanished in between, or the other write was still under way
            return key, "there" if _text(found[0]) == _text(data) else "conflict"
    raise OSError(f"object {key}: neither created nor there, {_ASK_AGAIN} times")


def _damaged(path: Path) -> records.Records:
    """What a sealed segment holds that is not what its name says; its end tells whether something is not even there."""
    data = path.read_bytes()
    found = records.read(data)
    name = of_sealed(path)
    is_all = name is not None and sealed_name(name, found.text) == path.name
    if is_all or (data.endswith(b"\n") and found.damaged):
        return found
    return records.Records(found.whole, [*found.damaged, records.Damage(len(data), len(found.whole), b"", _ANY)])


def _text(data: bytes) -> bytes | None:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


class _LandingError(Exception):
    """The store did not take an object; it is tried again before any other."""


@dataclass
class Landed:
    """What the uploader has done so far."""

    objects: int = 0
    bytes: int = 0
    failures: int = 0
    failing_since: float | None = None  # monotonic; None: the last try landed
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=5))  # keys
    conflicts: list[str] = field(default_factory=list)  # and segments that somebody took away


class Uploader:
    """One thread's work: segment after segment, each tried until it has landed."""

    def __init__(
        self, spool: Spool, store: Store, mend: Mend, delays: Callable[[], Iterator[float]], last_pause: float = 1.0
    ) -> None:
        self._spool = spool
        self._store = store
        self._mend = mend
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
        late, pause, at = list[Path](), LATE_SECONDS, 0.0  # segments that our own disk is the trouble of: no other waits for them
        while True:
            now = self._spool.now()
            if late and now >= at:
                late = [left for path in late for left in self._upload(path)]
                pause = min(LATE_CAP, pause * 2) if late else LATE_SECONDS
                at = now + pause
            try:
                path = self._waiting.get(timeout=LOOK_SECONDS if late else None)
            except queue.Empty:
                continue
            if path is None:
                break
            at = at if late else now + pause
            late += self._upload(path)
        for path in late:
            self._upload(path)

    def _upload(self, path: Path) -> Sequence[Path]:
        """Until it has landed, or what is to land in its place. What is to be tried later."""
        paths, pauses, late = [path], self._delays(), list[Path]()
        while paths and not self._abandoned.is_set():
            try:
                paths[:1] = self._tried(paths[0])
            except _LandingError:
                if self._hurry.wait(next(pauses)):
                    self._abandoned.wait(self._last_pause)
            except Exception as error:  # noqa: BLE001 - whatever our disk may do to one segment, the others go on
                self._failed("event=segment_stays segment=%s error=%r", paths[0], error)
                late.append(paths.pop(0))
        return late

    def _tried(self, path: Path) -> Sequence[Path]:
        """What is to land in its place, which is nothing once it has landed itself. OSError: our disk is the trouble."""
        try:
            found = pack(path) or _damaged(path)
        except FileNotFoundError:
            self.landed.conflicts.append(f"{path} is gone, and not by us")
            _LOG.error("event=segment_gone path=%s", path)
            return ()
        if isinstance(found, records.Records):
            return self._mend(path, found)
        try:
            key, outcome = land(self._store, path, found.data)
        except Exception as error:  # boto3 fails in many ways; none is a reason to drop a segment
            self._failed("event=landing_failed segment=%s error=%r", path, error)
            raise _LandingError from error
        self._landed(path, found, key, outcome)
        return ()

    def _failed(self, text: str, path: Path, error: Exception) -> None:
        self.landed.failures += 1
        self.landed.failing_since = self.landed.failing_since or self._spool.now()
        _LOG.warning(text, path.name, error)

    def _landed(self, path: Path, packed: Packed, key: str, outcome: Outcome) -> None:
        if outcome == "conflict":
            aside = self._spool.set_aside(path)
            self.landed.conflicts.append(f"{key} has other lines; ours are kept in {aside}")
            _LOG.error("event=landing_conflict key=%s kept=%s detail=the_object_has_other_lines", key, aside)
            return
        self._spool.forget(path)
        self.landed.failing_since = None
        self.landed.recent.append(key)
        self.landed.objects += 1
        self.landed.bytes += packed.size
        _LOG.info("event=landed key=%s outcome=%s bytes=%d", key, outcome, packed.size)
