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


@dataclass
class Landed:
    """What the uploader has done so far."""

    objects: int = 0
    bytes: int = 0
    failures: int = 0
    failing_since: float | None = None  # monotonic; None: the last try landed
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=5))  # keys
    conflicts: list[str] = field(default_factory=list)  # and segments that cannot be read


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
        while path := self._waiting.get():
            paths, pauses = [path], self._delays()
            while paths and not self._abandoned.is_set():
                others = self._tried(paths[0])
                if others is not None:
                    paths[:1] = others
                elif self._hurry.wait(next(pauses)):
                    self._abandoned.wait(self._last_pause)

    def _tried(self, path: Path) -> Sequence[Path] | None:
        """What is to land in its place, which is nothing once it has landed itself; None: it is to be tried again."""
        try:
            found = pack(path) or _damaged(path)
        except OSError as error:
            self.landed.conflicts.append(f"{path} cannot be read: {error}")
            _LOG.error("event=segment_unreadable path=%s error=%r detail=tried_again_by_the_next_start", path, error)
            return ()
        try:
            if isinstance(found, records.Records):
                return self._mend(path, found)
            self._land(path, found)
        except Exception as error:  # noqa: BLE001 - boto3 and disks fail in many ways; none is a reason to drop a segment
            self.landed.failures += 1
            self.landed.failing_since = self.landed.failing_since or self._spool.now()
            _LOG.warning("event=landing_failed segment=%s error=%r", path.name, error)
            return None
        return ()

    def _land(self, path: Path, packed: Packed) -> None:
        key, outcome = land(self._store, path, packed.data)
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
