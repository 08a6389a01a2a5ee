"""A spool with lines in it, what lands of it, and a disk that fails it."""

import errno
import gzip
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from ingest.envelope import Origin, head, line
from ingest.landing import Files
from ingest.settings import Rotate
from ingest.spool.members import members
from ingest.spool.spool import Place, Spool
from ingest.spool.upload import land
from tests.support.fakes import FakeTime
from tests.support.segments import text

TRADES = Place("trades", "test", "spot")
EVENTS = Place("events", "test", "spot")
NOW = FakeTime().wall
HEAD = head(Origin("test", "spot", "trades", "trade", "A-B", "a_b", "ws", "laptop-5-1"))
ALWAYS = range(1, 10**6)


def one(seq: int, recv_ns: int = NOW, raw: bytes = b"{}") -> bytes:
    """One line."""
    return line(HEAD, seq, recv_ns, raw, is_json=True)


def spool(folder: Path, time: FakeTime | None = None, *, seconds: int = 60, megabytes: int = 64, max_bytes: int = 10**9) -> Spool:
    """A spool on a clock that stands still."""
    return Spool(folder, "laptop", Rotate(seconds, megabytes), max_bytes, (time or FakeTime()).clock)


def texts(folder: Path, part: str = "sealed") -> list[bytes]:
    """What the segments hold."""
    return sorted(map(text, (folder / part).iterdir()))


def landed(folder: Path, lake: Path) -> dict[str, bytes]:
    """Everything sealed, landed: key -> text."""
    store = Files(lake)
    for path in spool(folder).sealed():
        land(store, path, members(text(path)))
    return {key: gzip.decompress(found[0]) for key in store.keys("landing/") if (found := store.get(key))}


class Disk:
    """Fails the calls of a kind that are listed, the first being 1."""

    def __init__(self, patch: pytest.MonkeyPatch, call: str, failing: Iterable[int] = ALWAYS, code: int = errno.EIO) -> None:
        real, self.calls = getattr(os, call), 0

        def called(*arguments: object) -> object:
            self.calls += 1
            if self.calls in failing:
                raise OSError(code, os.strerror(code))
            return real(*arguments)

        patch.setattr(os, call, called)
