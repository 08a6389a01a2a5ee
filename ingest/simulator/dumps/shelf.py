"""The published files that were asked for, on a disk for as long as the venues are open: the last ones, the oldest goes."""

import asyncio
import hashlib
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest.simulator.aside import ClosingError, aside
from ingest.simulator.dumps.names import Dump
from ingest.simulator.dumps.rows import lines
from ingest.simulator.listings import Listing

MOST = 16


class Shelf:
    """Makes a file when it is asked for the first time; a thread makes it, one file at a time."""

    def __init__(self, seed: int, closing: asyncio.Event) -> None:
        self._seed = seed
        self._closing = closing
        self._folder: TemporaryDirectory[str] | None = None
        self._made: dict[Dump, str] = {}  # with the hash; in the order of requests
        self._one = asyncio.Lock()

    async def file(self, dump: Dump, listing: Listing) -> tuple[Path, str]:
        """Where the file is, and its SHA-256."""
        async with self._one:
            if self._folder is None:
                self._folder = TemporaryDirectory(prefix="ticklake-dumps-", ignore_cleanup_errors=True)
            path = Path(self._folder.name) / dump.market / f"{dump.period}-{dump.kind}-{dump.name}.zip"
            known = self._made.pop(dump, None)
            if known is None:
                known = await aside(partial(write, dump, listing, self._seed, path, self._closing.is_set), self._closing)
            self._made[dump] = known
            while len(self._made) > MOST:
                oldest = next(iter(self._made))
                del self._made[oldest]
                (path.parent.parent / oldest.market / f"{oldest.period}-{oldest.kind}-{oldest.name}.zip").unlink()
            return path, self._made[dump]

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def write(dump: Dump, listing: Listing, seed: int, path: Path, is_over: Callable[[], bool]) -> str:
    """Write the file; its SHA-256. The same file gets the same bytes, whenever it is made."""
    path.parent.mkdir(exist_ok=True)
    inside = zipfile.ZipInfo(f"{dump.name}.csv", (dump.day.year, dump.day.month, dump.day.day, 0, 0, 0))
    inside.compress_type = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(path, "w", compresslevel=1) as archive,
        archive.open(inside, "w", force_zip64=dump.period == "monthly") as file,
    ):
        for text in lines(dump, listing, seed):
            if is_over():
                raise ClosingError
            file.write(text.encode())
    with path.open("rb") as whole:
        return hashlib.file_digest(whole, "sha256").hexdigest()
