"""A month from the inbox into history: its files fetched, verified and read, its object put. A worker does it; it knows no Spark."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal

from ingest.exchanges import EXCHANGES
from ingest.landing import Store
from ingest.packed import UnreadableError, opened
from jobs.history.files import CHECKSUM, File, Files, Month, dump_of, sha256_in
from jobs.history.live import worse
from jobs.history.month import Found, Part, Source, Span, Told, write
from jobs.history.rows import DAY, Batch, Form, batches, midnight

Verdict = Literal["published", "refused", "refused_worse_than_live"]
FileVerdict = Literal["loaded", "checksum", "unreadable"]
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
            found = write(month, lambda: _parts(month, seen, paths), into)
        except UnreadableError as error:
            return Loaded(month, "refused", str(error), [_unreadable(one, str(error)) for one in seen])
        told = [Seen(one.file, one.sha256, one.bytes, "loaded", told=found.files.get(one.file.key, Told())) for one in seen]
        lost = found.runs.without(task.live)
        if lost:
            return Loaded(month, "refused_worse_than_live", worse(lost), told, found)
        store.put(month.key, into)
        return Loaded(month, "published", "", told, found, _sha256(into), into.stat().st_size)


def _fetched(files: Sequence[File], store: Store, folder: Path) -> tuple[list[Seen], dict[str, Path]]:
    seen, paths = [], {}
    for file in files:
        path = paths[file.key] = store.local(file.key, folder)
        sidecar = store.get(file.key + CHECKSUM)
        told = sha256_in(sidecar[0]) if sidecar else ""
        found, size = _sha256(path), path.stat().st_size
        if found == told:
            seen.append(Seen(file, found, size, "loaded"))
        else:
            seen.append(Seen(file, found, size, "checksum", f"has the sha256 {found}, and its checksum says {told!r}"))
    return seen, paths


def _parts(month: Month, seen: Sequence[Seen], paths: dict[str, Path]) -> Iterator[Part]:
    for one in seen:
        path = paths[one.file.key]
        source = Source(one.file.key, f"file-{one.sha256[:12]}", path.stat().st_mtime_ns // 1000)
        yield source, _batches(path, one.file, _form(month, one.file))


def _batches(path: Path, file: File, form: Form) -> Iterator[Batch]:
    with _text(path, file) as text:
        yield from batches(text, file.name, form)


@contextmanager
def _text(path: Path, file: File) -> Iterator[IO[bytes]]:
    if file.name.endswith(".csv"):
        with path.open("rb") as text:
            yield text
    else:
        with opened(path) as text:
            yield text


def _form(month: Month, file: File) -> Form:
    exchange = EXCHANGES[month.venue, month.market]
    reading = exchange.readings[month.feed, "dump"]
    return Form(dump_of(month), reading, midnight(file.first), midnight(file.last) + DAY, UNITS[exchange.time_unit])


def _unreadable(one: Seen, detail: str) -> Seen:
    return Seen(one.file, one.sha256, one.bytes, "unreadable" if one.file.name in detail else "loaded", detail)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
