"""The collector's own disk: lines are appended to a segment, which is sealed under the name of the object it will be.

A line that was appended survives `kill -9`, one that was synced survives a power cut. What is not known to be on the disk stands in
this process's memory as well, for a disk that fails to sync may have dropped it.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from ingest.clock import Clock
from ingest.settings import Rotate
from ingest.spool import records
from ingest.spool.segment import CONFLICT, OPEN, SEALED, Name, Place, Segment, create, of_sealed, seal, sync_folder

__all__ = ["Place"]  # it belongs to the spool, whoever writes its files

ROOM = 0.9  # of the bound: a spool that was full takes frames again below it, so that it does not flutter
AGAIN_SECONDS = 5.0  # between tries of what the disk refused
RESERVE_BYTES = 2_000_000  # so much must be free on a disk that was full before it is believed to have room
_LOG = logging.getLogger(__name__)


class SpoolError(Exception):
    """The spool cannot take more, or is not ours."""


class Spool:
    """The open and the sealed segments of one collector. Any thread may append; one at a time syncs and seals."""

    def __init__(self, folder: Path, collector: str, rotate: Rotate, max_bytes: int, clock: Clock) -> None:
        self._folder = folder
        self._collector = collector
        self._rotate = rotate
        self._max_bytes = max_bytes
        self._clock = clock
        self._segments: dict[Place, Segment] = {}
        self._finished: list[Segment] = []  # nothing is appended to them any more
        self._distrusted: list[Segment] = []  # the same, and the disk may have dropped what they end with
        self._lock = threading.Lock()
        self._handles = threading.RLock()  # held while any is synced or closed: its number may be another file's soon
        self._opened = 0
        self._is_full = False
        self._is_refused = False
        self.bytes = 0
        self.count()

    @property
    def is_full(self) -> bool:
        """Nobody should add frames now: the configured bound is reached, or the disk takes no more."""
        self._is_full = self.bytes >= self._max_bytes * (ROOM if self._is_full else 1)
        return self._is_full or bool(self._distrusted) or self._has_no_room()

    def check_room(self) -> None:
        """SpoolError: it is full."""
        if self.is_full:
            raise SpoolError(f"the spool holds {self.bytes} bytes and takes no more")

    @property
    def unsealed(self) -> int:
        """Segments that are open."""
        return len(self._segments) + len(self._finished) + len(self._distrusted)

    def synced(self) -> Mapping[str, int]:
        """How much of each open segment is on the disk."""
        with self._lock:
            return {segment.path.name: segment.synced for segment in (*self._segments.values(), *self._finished)}

    def count(self) -> None:
        """Look how much there is."""
        with self._lock:
            self.bytes = sum(_size(path) for part in (OPEN, SEALED) for path in (self._folder / part).iterdir())

    def now(self) -> float:
        """Seconds of the clock by which segments age."""
        return self._clock.monotonic()

    def append(self, place: Place, recv_ns: int, lines: bytes) -> None:
        """Add whole lines; the first of them was received at `recv_ns`. All or nothing."""
        data = records.write(lines)
        with self._lock:
            segment = self._segments.get(place)
            try:
                if segment is None:
                    segment = self._segments[place] = self._create(place, recv_ns)
                segment.append(recv_ns, data, lines)
            except OSError as error:
                self._is_refused = True
                if segment and not segment.cut(segment.size):  # half a line must not stand before the next one
                    self._finished.append(self._segments.pop(place))
                raise SpoolError(f"spool {self._folder}: {error.strerror}; {len(lines)} bytes were not written") from error
            self.bytes += len(data)

    def sync(self) -> bool:
        """Make durable what was appended so far. False: the disk refuses some of it, which is tried again."""
        now = self._clock.monotonic()
        with self._handles:
            with self._lock:
                dirty = [segment for segment in (*self._segments.values(), *self._finished) if segment.unsynced]
                again = [segment for segment in self._distrusted if segment.not_before <= now]
            for segment in dirty:
                self._sync(segment)
            for segment in again:
                self._rescue(segment)
            return not self._distrusted

    def seal(self, remember: Callable[[], object], *, everything: bool = False) -> list[Path]:
        """Seal what is old or big enough. Age is measured by the monotonic clock: the wall clock may jump.

        `remember` is called when nothing is appended to these segments any more and they are on the disk, before anybody may
        upload and remove them.
        """
        now = self._clock.monotonic()
        with self._handles:
            with self._lock:
                for place, segment in list(self._segments.items()):
                    is_old = now - segment.opened >= self._rotate.seconds
                    if everything or is_old or segment.size >= self._rotate.megabytes * 1_000_000:
                        self._finished.append(self._segments.pop(place))
                due = [segment for segment in self._finished if everything or segment.not_before <= now]
            if not due:
                return []
            due = [segment for segment in due if self._sync(segment)]
            remember()
            return [path for segment in due if (path := self._sealed(segment))]

    def sealed(self) -> list[Path]:
        """The segments that wait for the landing zone, those received first in front."""
        found = [(name.first_recv_ns, path) for path in (self._folder / SEALED).iterdir() if (name := of_sealed(path))]
        return [path for _, path in sorted(found)]

    def forget(self, path: Path) -> None:
        """Remove a sealed segment that has landed."""
        size = path.stat().st_size
        path.unlink()
        with self._lock:
            self.bytes -= size

    def set_aside(self, path: Path) -> Path:
        """Keep a segment whose name another content has in the landing zone, where no start finds it again."""
        aside = self._folder / CONFLICT / path.name
        path.rename(aside)
        sync_folder(aside.parent)
        with self._lock:
            self.bytes -= aside.stat().st_size
        return aside

    def _create(self, place: Place, recv_ns: int) -> Segment:
        while True:
            self._opened += 1
            found = create(self._folder, Name(place, self._collector, recv_ns), self._opened, self._clock.monotonic())
            if found:
                return found

    def _sealed(self, segment: Segment) -> Path | None:
        """None: there is nothing to be sealed, or it is tried again."""
        path = None
        try:
            if segment.size:
                name = Name(segment.place, self._collector, segment.first_recv_ns)
                path = seal(self._folder, segment.path, name, segment.sha256)
                segment.close()
            else:
                segment.discard()
        except OSError as error:
            segment.not_before = self._clock.monotonic() + AGAIN_SECONDS
            _LOG.error("event=not_sealed segment=%s again_in=%.0fs error=%r", segment.path.name, AGAIN_SECONDS, error)
            return None
        with self._lock:
            self._finished.remove(segment)
        return path

    def _sync(self, segment: Segment) -> bool:
        """Whether it is on the disk."""
        with self._lock:
            end = segment.end
        try:
            segment.sync(end)
        except OSError as error:
            _LOG.error("event=not_synced segment=%s error=%r", segment.path.name, error)
            with self._lock:
                self._distrusted.append(segment)
                if self._segments.get(segment.place) is segment:
                    del self._segments[segment.place]
                else:
                    self._finished.remove(segment)
            return self._rescue(segment)
        return True

    def _rescue(self, segment: Segment) -> bool:
        """Write once more what the disk may have dropped: asked again to sync it, it would say that there is nothing to do."""
        segment.not_before = self._clock.monotonic() + AGAIN_SECONDS
        parts = segment.unsynced
        with self._lock:
            self._distrusted.remove(segment)
            if parts:
                try:
                    other = self._again(segment.place, parts)
                except OSError as error:
                    self._distrusted.append(segment)
                    _LOG.error("event=not_rescued segment=%s again_in=%.0fs error=%r", segment.path.name, AGAIN_SECONDS, error)
                    return False
                _LOG.warning("event=rescued segment=%s bytes=%d into=%s", segment.path.name, other.size, other.path.name)
                self._finished.append(other)
                self.bytes += other.size
                segment.unsynced = []
            before = segment.size
            segment.cut(segment.synced)  # where it cannot be cut lines are there twice; the stream takes each once
            self.bytes -= before - segment.size
            self._finished.append(segment)
            segment.not_before = 0.0
        return True

    def _again(self, place: Place, parts: list[tuple[int, bytes]]) -> Segment:
        segment = self._create(place, parts[0][0])
        try:
            for recv_ns, data in parts:
                segment.append(recv_ns, data)
            segment.sync(segment.end)
        except OSError:
            segment.discard()
            raise
        return segment

    def _has_no_room(self) -> bool:
        """Asked only where something was refused."""
        self._is_refused = self._is_refused and _free(self._folder) < RESERVE_BYTES
        return self._is_refused


def prepare(folder: Path, who: str = "collector") -> int:
    """Make the spool's folders and take its lock."""
    for part in (OPEN, SEALED, CONFLICT):
        (folder / part).mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # they were there before, as a rule
        sync_folder(folder)
    return lock(folder, who)


def lock(folder: Path, who: str) -> int:
    """Take the lock of a folder, which is there. The handle holds it until it is closed or the process ends."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        os.close(handle)
        raise SpoolError(
            f"spool {folder}: used by another {who} (process {owner}); give this one an ingest.spool.path of its own"
        ) from None
    with contextlib.suppress(OSError):  # a full disk has no room for our number; the lock itself needs none
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it has landed meanwhile
        return 0


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
