"""When a collector began and ended: an event in each market that it listens to."""

import logging
from collections.abc import Sequence

from ingest.clock import Clock, iso
from ingest.envelope import Origin, head, line
from ingest.journal import EVENTS, Sequences, event_text
from ingest.plan import Plan
from ingest.spool.marks import Marks
from ingest.spool.spool import Place, Spool, SpoolError

_LOG = logging.getLogger(__name__)


class Diary:
    """One run's, under the name of no connection."""

    def __init__(self, spool: Spool, marks: Marks, clock: Clock, conn: str) -> None:
        self._spool = spool
        self._marks = marks
        self._clock = clock
        self._conn = conn
        self._next = Sequences().next

    def write(self, event: str, plans: Sequence[Plan]) -> None:
        """Say what is collected, and when a frame was heard last: `before_ts` of a start is where the time of nobody begins."""
        at = self._clock.wall_ns()
        feeds: dict[tuple[str, str], list[str]] = {}
        for plan in plans:
            feeds.setdefault((plan.exchange.venue, plan.exchange.market), []).append(
                f"{plan.kind} {' '.join(plan.pairs.values())}"
            )
        for (venue, market), found in feeds.items():
            origin = Origin(venue, market, EVENTS, "control", None, None, "ws", self._conn)
            heard = self._marks.heard(venue, market)
            raw = event_text(event, at, before_ts=None if heard is None else iso(heard), detail="; ".join(found))
            text = line(head(origin), self._next(EVENTS), at, raw, is_json=True)
            try:
                self._spool.append(Place(EVENTS, venue, market), at, text)
            except SpoolError as error:  # a full disk must not keep us from uploading, which makes room
                _LOG.warning("event=lost_event name=%s venue=%s market=%s detail=%r", event, venue, market, str(error))
