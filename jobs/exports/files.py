"""The files of a layout: which one is the newest, and how one that was made comes to its place. Nothing here needs Spark."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import NamedTuple

from ingest import landing
from ingest.settings import Lake

_VERSION = re.compile(r"(.+)\.(\d{6})\.([0-9a-f]{12})\.parquet")
PIECE = 1 << 20  # bytes that are in memory at a time
SUFFIX = len(".000001.0123456789ab.parquet")  # what tells versions of a file apart, at the end of its name


class File(NamedTuple):
    """One that is there."""

    key: str
    bytes: int


Files = Mapping[str, File]  # by path within the layout, less its version


@dataclass(frozen=True)
class Making:
    """A file as Spark has made it, and where it goes."""

    key: str
    path: str  # within the folder
    folder: str
    there: str | None  # key of the newest version
    is_append_only: bool
    columns: Sequence[str] = ()  # names and types, of parquet
    is_gone: bool = False  # did that version go from the warehouses? It comes by another name


class Put(NamedTuple):
    """What became of it."""

    path: str
    file: File
    is_new: bool


def newest(folder: str, sizes: Iterable[tuple[str, int]]) -> dict[str, File]:
    """Of files that have versions the last ones."""
    found: dict[str, tuple[int, File]] = {}
    for key, size in sizes:
        told = _VERSION.fullmatch(key.removeprefix(folder))
        if told and int(told[2]) > found.get(told[1], (0,))[0]:
            found[told[1]] = int(told[2]), File(key, size)
    return {path: file for path, (_, file) in found.items()}


def plain(folder: str, sizes: Iterable[tuple[str, int]]) -> dict[str, File]:
    """Of files that have one name for ever all."""
    return {key.removeprefix(folder): File(key, size) for key, size in sizes}


def put(lake: Lake, some: Sequence[Making]) -> list[Put]:
    """What a worker does: each into its place, unless what is there says the same."""
    store = landing.store(lake)
    found = []
    for one in some:
        with TemporaryDirectory(dir=gettempdir()) as name:
            path = store.local(one.key, Path(name))
            size, sha = path.stat().st_size, said(path, one.columns) if one.is_append_only else _sha256(path)
            key, is_new = _place(one, sha, store, Path(name))
            if is_new:
                store.put(key, path)
            found.append(Put(one.path, File(key, size), is_new))
    return found


def _place(one: Making, sha: str, store: landing.Store, scratch: Path) -> tuple[str, bool]:
    if not one.is_append_only:
        key = one.folder + one.path
        if one.there is None:
            return key, True
        below = scratch / "there"  # not where the new one lies, which may have the same name
        below.mkdir()
        try:
            return key, _sha256(store.local(key, below)) != sha
        except landing.FrozenError:  # of an old month: written over, as nobody can tell whether it is another one
            return key, True
    if one.there is None:
        return f"{one.folder}{one.path}.000001.{sha[:12]}.parquet", True
    told = _VERSION.fullmatch(one.there)
    assert told is not None, one.there
    if told[3] == sha[:12] and not one.is_gone:
        return one.there, False
    return f"{one.folder}{one.path}.{int(told[2]) + 1:06}.{sha[:12]}.parquet", True


def said(path: Path, columns: Sequence[str]) -> str:
    """The sha256 of a parquet file's pages and columns. Its footer lists encodings in an order that is another one in each JVM."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(size - 8)
        left = size - 8 - int.from_bytes(file.read(4), "little")
        file.seek(0)
        digest = hashlib.sha256("|".join(columns).encode())
        while left > 0 and (piece := file.read(min(left, PIECE))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
