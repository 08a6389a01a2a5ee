"""One CSV in one zip, or a text in a gzip, opened only where it can be believed: no bomb, no lock, nothing beside it."""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

RATIO = 100  # bytes that one packed byte may become; prices and times pack to a fourth or a tenth
SMALL = 10_000_000  # bytes that anything may become
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class UnreadableError(Exception):
    """The file is not what the venue publishes; says what it is."""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The CSV's bytes. What is found to be damaged on the way is an UnreadableError, too."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_member(path, archive)) as file:
            yield file
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnreadableError(f"{path.name}: no zip that can be read: {error}") from error


@contextmanager
def gunzipped(path: Path) -> Iterator[IO[bytes]]:
    """The text of a gzip. What is found to be damaged on the way is an UnreadableError, too."""
    most = max(SMALL, RATIO * path.stat().st_size)
    try:
        with gzip.open(path) as file, io.BufferedReader(_Bounded(file, most, path.name)) as bounded:
            yield bounded
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UnreadableError(f"{path.name}: no gzip that can be read: {error}") from error


class _Bounded(io.RawIOBase):
    """A gzip does not say before its end how large it becomes: what is read of it is counted."""

    def __init__(self, file: gzip.GzipFile, most: int, name: str) -> None:
        self._file, self._left, self._name = file, most, name

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:  # noqa: ANN401 - as its base has it
        piece = self._file.read(len(into))
        self._left -= len(piece)
        if self._left < 0:
            raise UnreadableError(f"{self._name}: becomes more than {RATIO} times as many bytes; as many at most would be right")
        into[: len(piece)] = piece
        return len(piece)


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) != 1:
        raise UnreadableError(f"{path.name}: {len(members)} files in it; one would be right")
    (member,) = members
    if not re.fullmatch(r"[^/\\]+\.csv", member.filename):
        raise UnreadableError(f"{path.name}: {member.filename!r} in it; a CSV would be right")
    if member.compress_type not in _METHODS or member.flag_bits & 1:
        raise UnreadableError(f"{path.name}: packed by method {member.compress_type} or locked; deflate would be right")
    if member.file_size > max(SMALL, RATIO * member.compress_size):
        packed = f"{member.compress_size} bytes would become {member.file_size}"
        raise UnreadableError(f"{path.name}: {packed}; {RATIO} times as many at most would be right")
    return member
