"""One connection of a plan, from its first to its last byte."""

import contextlib
import logging

from ingest.collector.feed import Connection, Socket
from ingest.collector.intake import Intake
from ingest.delays import RefusedError
from ingest.journal import Journal

_LOG = logging.getLogger(__name__)


class Session:
    """Everything that arrives goes to the intake."""

    def __init__(self, intake: Intake, socket: Socket, journal: Journal, address: str) -> None:
        plan, clock = intake.plan, intake.clock
        limits = plan.exchange.limits
        texts = plan.exchange.subscriptions(tuple(plan.pairs))
        self._intake = intake
        self.journal = journal
        self._connection = Connection(
            socket, texts, per_second=limits.messages_per_second, frame_bytes=limits.frame_bytes, clock=clock
        )
        self._batches = self._connection.batches()
        self.began = clock.monotonic()
        self.subscribed: float | None = None  # when everything had been asked for
        self.first: float | None = None  # when the first frame of a feed came
        self.is_ending = False  # the venue said that it will close the connection
        intake.counts.connections += 1
        intake.tell([journal.event("connect", clock.wall_ns(), outcome="ok", detail=address)])

    def step(self) -> None:
        """Take what the next read brings. Raises why the connection ended."""
        intake, now = self._intake, self._intake.clock.monotonic
        batch = next(self._batches)
        if batch:
            taken = intake.keep(self.journal, batch)
            if taken.refused:
                raise RefusedError(taken.refused)
            self.is_ending = self.is_ending or taken.is_end
            if taken.steps and self.first is None:
                self.first = now()
        if self.subscribed is None and self._connection.subscribed:
            self.subscribed = now()
            at = intake.clock.wall_ns()
            intake.tell([self.journal.event("subscribed", at, stream=stream) for stream in intake.plan.pairs])
        intake.spool.check_room()

    def end(self, outcome: str, detail: str | None) -> None:
        """Say goodbye, and say of each stream how far it had come."""
        with contextlib.suppress(Exception):
            self._connection.close()
        self._intake.tell(self.journal.farewells(self._intake.clock.wall_ns(), outcome, detail))
