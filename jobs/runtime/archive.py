"""Closed days of the landing zone in few large objects: parts that hold the landing objects unchanged, and an index of each part.

A landing object goes once an index names it, and an index is written once its part was read back and is what it has to be. So a death
at any point leaves each object in the landing zone, in the archive or in both.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from ingest.landing import Store
from jobs.runtime import mend
from jobs.runtime.mend import Damage

log = logging.getLogger(__name__)
LARGEST = 256_000_000  # bytes of a part; one object alone may have more
FORMAT = 1
NEWLINE = b"\n"
_PART = re.compile(r"/part-(\d+)\.(jsonl\.gz|index\.json)$")


class ArchiveError(Exception):
    """A part is not what its index says."""


@dataclass(frozen=True)
class Sealed:
    """A landing object, and where it lies now."""

    object: str
    part: str
    offset: int
    size: int
    lines: int
    sha256: str  # of its bytes


@dataclass
class Done:
    """What came of sealing."""

    parts: int = 0
    objects: int = 0
    damaged: int = 0

    def __add__(self, other: "Done") -> "Done":
        return Done(self.parts + other.parts, self.objects + other.objects, self.damaged + other.damaged)


def day_of(key: str) -> date:
    """The day that a landing object was received on."""
    return date.fromisoformat(key.partition("/dt=")[2][:10])


def is_closed(day: date, now: datetime, after: timedelta) -> bool:
    """Has that day ended so long ago?"""
    return datetime.combine(day, datetime.min.time(), now.tzinfo) + timedelta(days=1) + after <= now


def archived(store: Store, channel: str) -> dict[str, Sealed]:
    """All that the archive has of a channel."""
    return {found.object: found for key in _indexes(store, f"archive/channel={channel}/") for found in _index(store, key)}


def indexes(store: Store, channel: str) -> list[str]:
    """What has to be read to know what it has."""
    return list(_indexes(store, f"archive/channel={channel}/"))


def has(store: Store, channel: str) -> bool:
    """Has it anything of a channel?"""
    return next(iter(_indexes(store, f"archive/channel={channel}/")), None) is not None


def bring_back(store: Store, key: str) -> bool:
    """Put a landing object into its old place. False: the archive does not have it."""
    for index in _indexes(store, _folder(key)):
        for found in _index(store, index):
            if found.object == key:
                ((_, data),) = contents(store, [found])
                store.create(key, data)
                return True
    return False


def contents(store: Store, sealed: Iterable[Sealed]) -> Iterator[tuple[str, bytes]]:
    """The landing objects, each as it was; those of a part together, and the part is read once."""
    by_part: dict[str, list[Sealed]] = {}
    for one in sealed:
        by_part.setdefault(one.part, []).append(one)
    for part, ones in by_part.items():
        found = store.get(part)
        if found is None:
            raise ArchiveError(f"{part} is not there: put it back; {len(ones)} landing objects lie in it")
        for one in ones:
            data = found[0][one.offset : one.offset + one.size]
            if hashlib.sha256(data).hexdigest() != one.sha256:
                raise ArchiveError(
                    f"{part} is not what its index says, at {one.offset}: {one.object} cannot be read; put it back"
                )
            yield one.object, data


def seal(store: Store, objects: Sequence[str], *, stopping: Callable[[], bool], largest: int = LARGEST) -> Done:
    """Move landing objects into the archive, part by part, until somebody asks to stop."""
    done = Done()
    folders: dict[str, list[str]] = {}
    for key in sorted(objects):
        folders.setdefault(_folder(key), []).append(key)
    for folder, keys in folders.items():
        if stopping():
            break
        _seal_folder(store, folder, keys, done, stopping, largest)
    return done


def _seal_folder(  # noqa: PLR0913, PLR0917 - parts of one loop
    store: Store, folder: str, keys: Sequence[str], done: Done, stopping: Callable[[], bool], largest: int
) -> None:
    known = {found.object: found for index in _indexes(store, folder) for found in _index(store, index)}
    _remove_unfinished(store, folder)
    for key in sorted(set(keys) & set(known)):  # a death came between its index and its removal, or it was brought back
        _remove(store, [known[key]], done)
    rest = [key for key in keys if key not in known]
    while rest and not stopping():
        taken, whole = _gathered(store, rest, done, largest)
        rest = rest[taken:]
        if whole:
            _write(store, folder, whole, done)


def _gathered(store: Store, keys: Sequence[str], done: Done, largest: int) -> tuple[int, list[tuple[str, bytes, int]]]:
    """How many of the keys are dealt with, and (object, bytes, lines) of those that fit into a part. Damaged ones stay."""
    whole: list[tuple[str, bytes, int]] = []
    size = 0
    for taken, key in enumerate(keys):
        found = store.get(key)
        if found is None:
            continue
        if whole and size + len(found[0]) > largest:
            return taken, whole
        seen = mend.inspected(store, key, *found)
        if isinstance(seen, Damage):
            # a replay of its batch would find it, and note it in quarantine; until then nothing of it is touched
            log.error("event=object_corrupt object=%s detail=%s", key, seen.detail)
            done.damaged += 1
            continue
        size += len(found[0])
        whole.append((key, found[0], seen.count(NEWLINE)))
    return len(keys), whole


def _write(store: Store, folder: str, whole: Sequence[tuple[str, bytes, int]], done: Done) -> None:
    number = 1 + max((int(found[1]) for key in store.keys(folder) if (found := _PART.search(key))), default=0)
    part = f"{folder}part-{number}.jsonl.gz"
    sealed: list[Sealed] = []
    offset = 0
    for key, data, lines in whole:
        sealed.append(Sealed(key, part, offset, len(data), lines, hashlib.sha256(data).hexdigest()))
        offset += len(data)
    if not store.create(part, b"".join(data for _, data, _ in whole)):
        raise ArchiveError(f"{part} was written by somebody else at the same moment")
    for _ in contents(store, sealed):  # as it can be read from now on
        pass
    told = [
        {"object": one.object, "offset": one.offset, "bytes": one.size, "lines": one.lines, "sha256": one.sha256}
        for one in sealed
    ]
    index = {"v": FORMAT, "part": part.removeprefix(folder), "objects": told}
    store.create(_index_of(part), json.dumps(index).encode())
    done.parts += 1
    _remove(store, sealed, done)


def _remove(store: Store, sealed: Sequence[Sealed], done: Done) -> None:
    for one in sealed:
        found = store.get(one.object)
        if found is None:
            continue
        if hashlib.sha256(found[0]).hexdigest() != one.sha256:
            log.error("event=object_corrupt object=%s detail=not the one that %s holds", one.object, one.part)
            done.damaged += 1
            continue
        store.delete(one.object)
        done.objects += 1


def _remove_unfinished(store: Store, folder: str) -> None:
    """Parts without an index: what they hold is still in the landing zone."""
    keys = set(store.keys(folder))
    for key in keys:
        if key.endswith(".jsonl.gz") and _index_of(key) not in keys:
            store.delete(key)


def _indexes(store: Store, prefix: str) -> Iterator[str]:
    return (key for key in store.keys(prefix) if key.endswith(".index.json"))


def _index(store: Store, key: str) -> list[Sealed]:
    found = store.get(key)
    told: dict[str, Any] = json.loads(found[0]) if found is not None else {"v": None}
    if told["v"] != FORMAT:
        raise ArchiveError(f"{key}: the index has format {told['v']}; this program knows {FORMAT}")
    part = key.rpartition("/")[0] + "/" + told["part"]
    return [Sealed(one["object"], part, one["offset"], one["bytes"], one["lines"], one["sha256"]) for one in told["objects"]]


def _index_of(part: str) -> str:
    return part.removesuffix(".jsonl.gz") + ".index.json"


def _folder(key: str) -> str:
    """Where the objects of its day go."""
    return "archive/" + key.removeprefix("landing/").rpartition("/")[0] + "/"
