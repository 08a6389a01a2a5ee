"""Files of this disk as text: plain or packed, line by line, and never more than is sane."""

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ingest.packed import UnreadableError, gunzipped, opened

SUFFIXES = (".csv", ".csv.gz", ".zip", ".json", ".json.gz")
LONGEST = 10_000  # bytes of a line of a CSV
LARGEST = 64_000_000  # bytes of a text that is read as a whole
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Source:
    """A file that was found."""

    path: Path
    sha256: str
    bytes: int

    @property
    def conn(self) -> str:
        return f"file-{self.sha256[:12]}"

    @property
    def object(self) -> str:
        """Its key in the lake: of its content, so that the same file is the same, and one of another content is another."""
        return f"adopted/{self.sha256[:12]}-{re.sub(r'[^A-Za-z0-9._-]', '_', self.path.name)}"

    @property
    def name(self) -> str:
        return self.path.name


def found(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that are named, and those below the folders that are, in order. Hidden ones and those of another sort are no files."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for one in sorted(path.rglob("*")):
            below = one.relative_to(path).parts
            if one.is_file() and one.name.endswith(SUFFIXES) and not any(part.startswith(".") for part in below):
                yield one


def source(path: Path) -> Source:
    """A file, looked at."""
    with path.open("rb") as file:
        return Source(path, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


@contextmanager
def text(path: Path) -> Iterator[IO[bytes]]:
    """Its text, unpacked. UnreadableError: it cannot be, also where that is found on the way."""
    if path.name.endswith(".zip"):
        with opened(path) as file:
            yield file
    elif path.name.endswith(".gz"):
        with gunzipped(path) as file:
            yield file
    elif path.name.endswith(SUFFIXES):
        with path.open("rb") as file:
            yield file
    else:
        raise UnreadableError(f"{path.name}: one of {', '.join(SUFFIXES)} would be right")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that holds something."""
    with text(path) as file:
        number = 0
        while line := file.readline(LONGEST + 1):
            number += 1
            if len(line) > LONGEST:
                raise UnreadableError(f"{path.name}: line {number} has more than {LONGEST} bytes; rows of a CSV would be right")
            told = line.removeprefix(BOM).decode("utf-8", "replace").rstrip("\r\n")
            if told:
                yield number, told


def cells(line: str) -> Sequence[str]:
    """The values of a line, without their quotes."""
    return next(csv.reader([line])) if '"' in line else line.split(",")


def whole(path: Path) -> bytes:
    """All of it."""
    with text(path) as file:
        told = file.read(LARGEST + 1)
    if len(told) > LARGEST:
        raise UnreadableError(f"{path.name}: more than {LARGEST} bytes; an order book would be right")
    return told.removeprefix(BOM)
