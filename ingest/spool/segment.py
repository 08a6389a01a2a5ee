"""A file of the spool: lines are appended to it, and it is sealed under the name of the object it will be."""

import contextlib
import hashlib
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ingest.clock import day
from ingest.envelope import object_key
from ingest.spool import records

OPEN, SEALED, CONFLICT = "open", "sealed", "conflict"
SLASH = "+"  # stands for the slashes of a key in the name of a sealed segment; no part of a key has one
_SEALED_NAME = re.compile(
    r"landing\+channel=([\w-]+)\+venue=([\w-]+)\+market=([\w-]+)\+dt=[\w-]+\+(\d+)-(\w+)-[0-9a-f]{12}\.jsonl"
)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where lines belong: they share a segment, and a folder of the landing zone."""

    channel: str
    venue: str
    market: str


@dataclass(frozen=True)
class Name:
    """What a segment's own name says of it."""

    place: Place
    collector: str
    first_recv_ns: int


@dataclass
class Segment:
    """One that is open. Whoever calls sees to it that one thread at a time does."""

    place: Place
    path: Path
    handle: int
    opened: float
    first_recv_ns: int
    size: int = 0
    synced: int = 0  # of it, known to be on the disk
    unsynced: list[tuple[int, bytes]] = field(default_factory=list)  # the rest, with when each part was received
    not_before: float = 0.0  # when to try again what the disk refused
    lines: "hashlib._Hash | None" = field(default_factory=hashlib.sha256)  # all that were appended; None: only the file tells
    is_named: bool = False  # its name is on the disk

    def append(self, recv_ns: int, data: bytes, lines: bytes | None = None) -> None:
        """All or nothing, where the disk lets that be. `lines` are those of `data`, where they are known."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.handle, rest) :]
        self.size += len(data)
        self.unsynced.append((recv_ns, data))
        if lines is None:
            self.lines = None
        elif self.lines:
            self.lines.update(lines)

    @property
    def sha256(self) -> str | None:
        """Of the lines that were appended, where that is known."""
        return self.lines.hexdigest() if self.lines else None

    @property
    def end(self) -> tuple[int, int]:
        """How much there is, and how many parts of it are not known to be on the disk."""
        return self.size, len(self.unsynced)

    def sync(self, end: tuple[int, int]) -> None:
        """Make durable what was there at that end, and the name; more may be appended meanwhile."""
        if not self.is_named:
            sync_folder(self.path.parent)
            self.is_named = True
        os.fsync(self.handle)
        self.synced = end[0]
        del self.unsynced[: end[1]]

    def cut(self, size: int) -> bool:
        """Keep no more than that; False: the disk does not let go of it."""
        try:
            os.ftruncate(self.handle, size)
        except OSError as error:
            _LOG.error("event=not_cut segment=%s error=%r", self.path.name, error)
            return False
        if size != self.size:
            self.lines = None
        self.size = size
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError):  # nothing is left to be written
            os.close(self.handle)

    def discard(self) -> None:
        """Nobody needs it."""
        self.close()
        with contextlib.suppress(OSError):  # an empty or a doubled file, which the next start deals with
            self.path.unlink()


def create(folder: Path, name: Name, number: int, opened: float) -> Segment | None:
    """A new segment; None: there is one of that name."""
    place = name.place
    path = folder / OPEN / SLASH.join([place.channel, place.venue, place.market, name.collector, f"{number}.jsonl"])
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    except FileExistsError:
        return None
    return Segment(place, path, handle, opened, name.first_recv_ns)


def seal(folder: Path, path: Path, name: Name, sha256: str | None = None) -> Path:
    """Give a synced segment the name of the object it will be. The name is durable when this returns.

    `sha256` is that of the lines that were appended: what the disk has made of them shows when they are read to be uploaded.
    """
    found = sha256 or hashlib.sha256(records.read(path.read_bytes()).text).hexdigest()
    target = folder / SEALED / file_name(name, found)
    path.rename(target)
    sync_folder(target.parent)
    sync_folder(path.parent)
    return target


def sealed_name(name: Name, lines: bytes) -> str:
    """The name of a segment that holds these lines, as of the object that it will be."""
    return file_name(name, hashlib.sha256(lines).hexdigest())


def file_name(name: Name, sha256: str) -> str:
    """The same, of lines with that sum."""
    place, at = name.place, name.first_recv_ns
    key = object_key(
        channel=place.channel,
        venue=place.venue,
        market=place.market,
        day=day(at),
        first_recv_ns=at,
        collector=name.collector,
        sha256=sha256,
    )
    return key.removesuffix(".gz").replace("/", SLASH)


def key_of(path: Path) -> str:
    """The key of a sealed segment's object."""
    return f"{path.name.replace(SLASH, '/')}.gz"


def of_open(path: Path) -> tuple[Place, str]:
    """Place and collector of an open segment, from its name."""
    channel, venue, market, collector, _ = path.name.split(SLASH)
    return Place(channel, venue, market), collector


def of_sealed(path: Path) -> Name | None:
    """What the name of a sealed segment says; None: it is none."""
    found = _SEALED_NAME.fullmatch(path.name)
    return Name(Place(found[1], found[2], found[3]), found[5], int(found[4])) if found else None


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
