"""A month from the inbox into history: its files fetched, verified and read, its object put. A worker does it; it knows no Spark."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal, TypeVar

from ingest import landing
from ingest.exchanges import EXCHANGES
from ingest.landing import Store
from ingest.packed import UnreadableError, opened
from ingest.settings import Lake
from jobs.history import candles
from jobs.history.compared import difference
from jobs.history.files import CHECKSUM, File, Files, Month, dump_of, sha256_in
from jobs.history.live import worse
from jobs.history.month import Found, Source, Span, Told, write
from jobs.history.rows import DAY, Batch, Form, batches, midnight
from jobs.tables.klines import KLINES

Verdict = Literal["published", "refused", "refused_worse_than_live"]
FileVerdict = Literal["loaded", "as_in_month", "differs_from_month", "checksum", "unreadable"]
Read = TypeVar("Read")  # where what stands in a row
Rows = TypeVar("Rows")
UNITS = {"s": 1_000_000, "ms": 1000, "us": 1}


@dataclass(frozen=True)
class Task:
    """A month, its files, and the ids that the live table has of it."""

    files: Files
    live: Sequence[Span] = ()


@dataclass(frozen=True)
class Seen:
    """A file, and what was found of it."""

    file: File
    sha256: str
    bytes: int
    verdict: FileVerdict
    detail: str = ""
    told: Told = field(default_factory=Told)


@dataclass(frozen=True)
class Loaded:
    """What became of a month."""

    month: Month
    verdict: Verdict
    detail: str
    files: Sequence[Seen]
    found: Found = field(default_factory=Found)
    sha256: str = ""  # of the object
    bytes: int = 0

    @property
    def rejected(self) -> int:
        """Rows that are not believed; of lines their files tell."""
        return len(self.found.rejects) or sum(seen.told.rejects for seen in self.files if seen.verdict == "loaded")


def load(task: Task, store: Store, scratch: Path) -> Loaded:
    """Make the month's object of its files and put it in its place; or say why not, and leave what is there."""
    month = task.files.month
    with TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        seen, paths = _fetched(task.files.taken, store, folder)
        wrong = [f"{one.file.name}: {one.detail}" for one in seen if one.verdict != "loaded"]
        if wrong:
            return Loaded(month, "refused", "; ".join(wrong), seen)
        into = folder / "month.parquet"
        try:
            found = _write(month, seen, paths, into)
        except UnreadableError as error:
            return Loaded(month, "refused", str(error), [_unreadable(one, str(error)) for one in seen])
        told = [Seen(one.file, one.sha256, one.bytes, "loaded", told=found.files.get(one.file.key, Told())) for one in seen]
        told += _beside(task.files, store, folder, into)
        lost = found.runs.without(task.live)
        if lost:
            return Loaded(month, "refused_worse_than_live", worse(month, lost), told, found)
        store.put(month.key, into)
        return Loaded(month, "published", "", told, found, sha256_of(into), into.stat().st_size)


def verified(lake: Lake, file: File) -> Seen:
    """Is it what its checksum says? What a worker does."""
    with TemporaryDirectory() as name:
        ((seen,), _) = _fetched([file], landing.store(lake), Path(name))
    return seen


def _beside(files: Files, store: Store, folder: Path, month: Path) -> list[Seen]:
    """The files of days whose place the month's takes: do they say the same of their day?"""
    seen, paths = _fetched(files.beside, store, folder)
    return [_held_to(month, files.month, one, paths) if one.verdict == "loaded" else one for one in seen]


def _held_to(path: Path, month: Month, day: Seen, paths: Mapping[str, Path]) -> Seen:
    into = path.with_name("day.parquet")
    try:
        told = _write(month, [day], paths, into).files.get(day.file.key, Told())
    except UnreadableError as error:
        return replace(day, verdict="unreadable", detail=str(error))
    detail = difference(month.dataset, path, into, midnight(day.file.first))
    return replace(day, verdict="differs_from_month" if detail else "as_in_month", detail=detail, told=told)


def _fetched(files: Sequence[File], store: Store, folder: Path) -> tuple[list[Seen], dict[str, Path]]:
    seen, paths = [], {}
    for file in files:
        path = paths[file.key] = store.local(file.key, folder)
        sidecar = store.get(file.key + CHECKSUM)
        told = sha256_in(sidecar[0]) if sidecar else ""
        found, size = sha256_of(path), path.stat().st_size
        if found == told:
            seen.append(Seen(file, found, size, "loaded"))
        else:
            seen.append(Seen(file, found, size, "checksum", f"has the sha256 {found}, and its checksum says {told!r}"))
    return seen, paths


def _write(month: Month, seen: Sequence[Seen], paths: Mapping[str, Path], into: Path) -> Found:
    if month.dataset == KLINES.name:
        return candles.write(month, lambda: _parts(seen, paths, partial(_candles, month)), into)
    return write(month, lambda: _parts(seen, paths, partial(_trades, month)), into)


def _parts(seen: Sequence[Seen], paths: Mapping[str, Path], read: Callable[[Path, File], Rows]) -> Iterator[tuple[Source, Rows]]:
    for one in seen:
        path = paths[one.file.key]
        source = Source(one.file.key, f"file-{one.sha256[:12]}", path.stat().st_mtime_ns // 1000)
        yield source, read(path, one.file)


def _trades(month: Month, path: Path, file: File) -> Iterator[Batch]:
    reading = EXCHANGES[month.venue, month.market].readings[month.feed.partition(".")[0], "dump"]
    with _text(path, file) as text:
        yield from batches(text, file.name, _form(month, file, reading))


def _candles(month: Month, path: Path, file: File) -> Iterator[candles.Batch]:
    reading = EXCHANGES[month.venue, month.market].klines["rest"]  # a file has the columns of an answer, in their order
    with _text(path, file) as text:
        yield from candles.batches(text, file.name, _form(month, file, reading))


def _form(month: Month, file: File, reading: Read) -> Form[Read]:
    unit = UNITS[EXCHANGES[month.venue, month.market].time_unit]
    return Form(dump_of(month), reading, midnight(file.first), midnight(file.last) + DAY, unit)


@contextmanager
def _text(path: Path, file: File) -> Iterator[IO[bytes]]:
    if file.name.endswith(".csv"):
        with path.open("rb") as text:
            yield text
    else:
        with opened(path) as text:
            yield text


def _unreadable(one: Seen, detail: str) -> Seen:
    return Seen(one.file, one.sha256, one.bytes, "unreadable" if one.file.name in detail else "loaded", detail)


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
