"""What a collector knows of its feeds, written into the marks of its spool. Never ahead of what is on the disk."""

import contextlib
from typing import TYPE_CHECKING

from ingest.clock import Clock
from ingest.collector.intake import Intake
from ingest.spool.marks import Marks
from ingest.spool.records import Records
from ingest.spool.segment import Place
from ingest.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Sequence


class Memory:
    """One collector's."""

    def __init__(self, marks: Marks, clock: Clock) -> None:
        self.marks = marks
        self._clock = clock
        self._intakes: Sequence[Intake] = ()  # in the order of the marks' plans

    def add(self, intake: Intake) -> None:
        """Somebody who knows how far the feeds of the next plan are."""
        self._intakes = [*self._intakes, intake]  # others go through it at any time

    def remember(self, spool: Spool) -> bool:
        """What the marks tell of is on the disk before they are: a frame that a power failure takes must be missed."""
        with contextlib.ExitStack() as locks:
            for intake in self._intakes:
                locks.enter_context(intake.lock)
            feeds = self.marks.snapshot()
        return spool.sync() and self.marks.save(feeds, spool.synced())

    def miss(self, place: Place, found: Records) -> None:
        """Frames of a segment that the disk has changed: they are holes of their feeds."""
        for number, stream, hole in self.marks.missed(place, found, self._clock.monotonic()):
            self._intakes[number].miss(stream, hole)
