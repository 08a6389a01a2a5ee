"""The collector's own disk: lines are appended to a segment, which is sealed under the name of the object it will be.

Nothing waits in this process's memory: a line that was appended survives `kill -9`, one that was synced survives a power cut.
"""

import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest.clock import Clock, day
from ingest.envelope import object_key
from ingest.settings import Rotate

OPEN, SEALED, CONFLICT = "open", "sealed", "conflict"
_SLASH = "+"  # stands for the slashes of a key in the name of a sealed segment; no part of a key has one


_SEALED_NAME = re.compile(r"landing(?:\+\w+=[\w-]+){4}\+(\d+)-\w+-[0-9a-f]{12}\.jsonl")


class SpoolError(Exception):
    """The spool cannot take more, or is not ours."""


@dataclass(frozen=True)
class Place:
    """Where lines belong: they share a segment, and a folder of the landing zone."""

    channel: str
    venue: str
    market: str


@dataclass
class _Segment:
    path: Path
    handle: int
    opened: float
    first_recv_ns: int
    size: int = 0
    is_dirty: bool = False


class Spool:
    """The open and the sealed segments of one collector. Any thread may append and sync; one thread seals."""

    def __init__(self, folder: Path, collector: str, rotate: Rotate, max_bytes: int, clock: Clock) -> None:
        self._folder = folder
        self._collector = collector
        self._rotate = rotate
        self._max_bytes = max_bytes
        self._clock = clock
        self._segments: dict[Place, _Segment] = {}
        self._lock = threading.Lock()
        self._handles = threading.RLock()  # held while any is synced or closed: its number may be another file's soon
        self._opened = 0
        self.bytes = sum(path.stat().st_size for part in (OPEN, SEALED) for path in (folder / part).iterdir())

    @property
    def is_full(self) -> bool:
        """Nobody should add frames now: the configured bound is reached."""
        return self.bytes >= self._max_bytes

    def append(self, place: Place, recv_ns: int, lines: bytes) -> None:
        """Add whole lines; the first of them was received at `recv_ns`. All or nothing."""
        with self._lock:
            segment = self._segments.get(place) or self._begin(place, recv_ns)
            try:
                _write(segment.handle, lines)
            except OSError as error:
                os.ftruncate(segment.handle, segment.size)  # half a line must not stand before the next one
                raise SpoolError(f"spool {self._folder}: {error.strerror}; {len(lines)} bytes were not written") from error
            segment.size += len(lines)
            segment.is_dirty = True
            self.bytes += len(lines)

    def sync(self) -> None:
        """Make durable what was appended so far."""
        with self._handles:
            with self._lock:
                dirty = [segment for segment in self._segments.values() if segment.is_dirty]
                for segment in dirty:
                    segment.is_dirty = False
            for segment in dirty:
                os.fsync(segment.handle)

    def seal(self, remember: Callable[[], None], *, everything: bool = False) -> list[Path]:
        """Seal what is old or big enough. Age is measured by the monotonic clock: the wall clock may jump.

        `remember` is called when nothing is appended to these segments any more, before anybody may upload and remove them.
        """
        now = self._clock.monotonic()
        with self._handles:
            with self._lock:
                due = [
                    place
                    for place, segment in self._segments.items()
                    if everything
                    or now - segment.opened >= self._rotate.seconds
                    or segment.size >= self._rotate.megabytes * 1_000_000
                ]
                segments = [(place, self._segments.pop(place)) for place in due]
            if segments:
                remember()
            for _, segment in segments:
                os.fsync(segment.handle)
                os.close(segment.handle)
        return [seal(self._folder, segment.path, place, self._collector, segment.first_recv_ns) for place, segment in segments]

    def sealed(self) -> list[Path]:
        """The segments that wait for the landing zone, those received first in front."""
        found = [
            (int(name[1]), path) for path in (self._folder / SEALED).iterdir() if (name := _SEALED_NAME.fullmatch(path.name))
        ]
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

    def _begin(self, place: Place, recv_ns: int) -> _Segment:
        while True:
            self._opened += 1
            name = _SLASH.join([place.channel, place.venue, place.market, self._collector, f"{self._opened}.jsonl"])
            path = self._folder / OPEN / name
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
                sync_folder(path.parent)
            except FileExistsError:
                continue
            except OSError as error:
                raise SpoolError(f"spool {self._folder}: {error.strerror}; no segment could be opened") from error
            segment = self._segments[place] = _Segment(path, handle, self._clock.monotonic(), recv_ns)
            return segment


def prepare(folder: Path, who: str = "collector") -> int:
    """Make the spool's folders and take its lock. The handle holds the lock until it is closed or the process ends."""
    for part in (OPEN, SEALED, CONFLICT):
        (folder / part).mkdir(parents=True, exist_ok=True)
    sync_folder(folder)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        os.close(handle)
        raise SpoolError(
            f"spool {folder}: used by another {who} (process {owner}); give this one an ingest.spool.path of its own"
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def seal(folder: Path, path: Path, place: Place, collector: str, first_recv_ns: int) -> Path:
    """Give a synced segment the name of the object it will be. The name is durable when this returns."""
    key = object_key(
        channel=place.channel,
        venue=place.venue,
        market=place.market,
        day=day(first_recv_ns),
        first_recv_ns=first_recv_ns,
        collector=collector,
        lines=path.read_bytes(),
    )
    target = folder / SEALED / key.removesuffix(".gz").replace("/", _SLASH)
    path.rename(target)
    sync_folder(target.parent)
    sync_folder(path.parent)
    return target


def key_of(path: Path, lines: bytes) -> str:
    """The key of a sealed segment's object; of its content, should the disk have changed it since it was named."""
    key = path.name.replace(_SLASH, "/")
    return f"{key.rpartition('-')[0]}-{hashlib.sha256(lines).hexdigest()[:12]}.jsonl.gz"


def place_of(path: Path) -> tuple[Place, str]:
    """Place and collector of an open segment, from its name."""
    channel, venue, market, collector, _ = path.name.split(_SLASH)
    return Place(channel, venue, market), collector


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
