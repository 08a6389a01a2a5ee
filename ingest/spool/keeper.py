"""A spool at work: what a former run left is finished, what is appended synced and sealed, what is sealed uploaded."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ingest.clock import Clock
from ingest.landing import Store
from ingest.settings import Ingest
from ingest.spool.records import Records
from ingest.spool.salvage import mend, salvage
from ingest.spool.segment import Place, of_sealed
from ingest.spool.spool import AGAIN_SECONDS, Spool
from ingest.spool.upload import Uploader
from ingest.watch.vitals import SpoolVitals

SEALINGS = 3  # tries at the end, where the disk refuses


class Memory(Protocol):
    """What is to outlive the segments."""

    def remember(self, spool: Spool, /) -> bool:
        """Write it down, no more of it than is on the disk; False: the disk does not take it."""
        ...

    def miss(self, place: Place, found: Records) -> None:
        """A sealed segment is not what it was: what is gone of it is to be remembered, too."""
        ...


class NoMemory:
    """Where the segments are all there is."""

    def remember(self, _spool: Spool) -> bool:
        return True

    def miss(self, place: Place, found: Records) -> None: ...


class Keeper:
    """One process's spool, whose lock it holds."""

    def __init__(  # noqa: PLR0913 - what is kept where, and by which clock
        self,
        folder: Path,
        ingest: Ingest,
        store: Store,
        memory: Memory,
        *,
        clock: Clock,
        pauses: Callable[[], Iterator[float]],  # between the tries of an upload
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._memory = memory
        self._fsync_seconds = ingest.spool.fsync_ms / 1000
        self._max_bytes = int(ingest.spool.max_bytes)
        self._one = threading.RLock()  # one at a time syncs, seals and remembers
        self._left = salvage(folder).left  # open segments of former runs that the disk does not let be sealed
        self.spool = Spool(folder, ingest.collector, ingest.rotate, ingest.spool.max_bytes, clock)
        self.uploader = Uploader(self.spool, store, self._mended, pauses)
        self._upload(self.spool.sealed())

    def run(self, enough: threading.Event, look: Callable[[], None] = lambda: None) -> None:
        """Sync, `look` and seal, again and again."""
        again = self._clock.monotonic() + AGAIN_SECONDS
        while not enough.wait(self._fsync_seconds):
            with self._one:
                self.spool.sync()
            look()
            self._seal()
            if self._left and self._clock.monotonic() >= again:
                self._salvage_again()
                again = self._clock.monotonic() + AGAIN_SECONDS

    def drain(self) -> None:
        """Seal all that there is."""
        for _ in range(SEALINGS):
            self._seal(everything=True)
            if not self.spool.unsealed:
                break

    @property
    def trouble(self) -> Sequence[str]:
        """What stays behind after a drain."""
        unsealed = self.spool.unsealed + len(self._left)
        return [f"{unsealed} segments could not be sealed; the next start tries again"] if unsealed else []

    def vitals(self) -> SpoolVitals:
        """How it is."""
        landed, sealed = self.uploader.landed, self.spool.sealed()
        failing, oldest = landed.failing_since, of_sealed(sealed[0]) if sealed else None
        return SpoolVitals(
            bytes=self.spool.bytes,
            max_bytes=self._max_bytes,
            is_full=self.spool.is_full,
            waiting=len(sealed),
            oldest_seconds=max(0.0, (self._clock.wall_ns() - oldest.first_recv_ns) / 1e9) if oldest else 0.0,
            objects=landed.objects,
            landed_bytes=landed.bytes,
            failures=landed.failures,
            failing_seconds=0.0 if failing is None else self.spool.now() - failing,
            conflicts=len(landed.conflicts),
            recent=tuple(landed.recent),
        )

    def _seal(self, *, everything: bool = False) -> None:
        with self._one:
            self._upload(self.spool.seal(lambda: self._memory.remember(self.spool), everything=everything))

    def _salvage_again(self) -> None:
        with self._one:  # nobody else makes segments of segments meanwhile
            found = salvage(self._folder, self._left)
            self._left = found.left
            self.spool.count()
        self._upload(found.sealed)

    def _mended(self, path: Path, found: Records) -> Sequence[Path]:
        """A sealed segment that the disk has changed. What is missing is remembered before the segment goes."""
        name = of_sealed(path)
        assert name is not None
        with self._one:
            self._memory.miss(name.place, found)
            if not self._memory.remember(self.spool):
                raise OSError("the disk does not take what is to be remembered")
            parts = mend(self._folder, path, found)
            self.spool.count()
        return parts

    def _upload(self, paths: Sequence[Path]) -> None:
        for path in paths:
            self.uploader.add(path)
