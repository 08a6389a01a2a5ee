"""Looks at a collector every second: its status for whoever asks, and what is wrong for people."""

import json
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ingest.alerts.alert import Event, Key
from ingest.alerts.desk import Alerts
from ingest.clock import Clock, day
from ingest.watch.health import conditions, daily
from ingest.watch.vitals import Vitals, plain

NAME = "status.json"
SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class Watch:
    """One collector's."""

    def __init__(
        self, folder: Path, vitals: Callable[[], Vitals], events: Callable[[], Iterable[Event]], alerts: Alerts, clock: Clock
    ) -> None:
        self._folder = folder
        self._vitals = vitals
        self._events = events  # of conditions that come and go by rules of their own
        self._alerts = alerts
        self._clock = clock
        self._raised: set[Key] = set()
        self._reported: Vitals | None = None
        self._day = day(clock.wall_ns())

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(SECONDS):
            self.look()

    def look(self) -> None:
        """Once."""
        now = self._vitals()
        write(self._folder / NAME, now)
        for event in self._events():
            self._alerts.take(event)
        wrong = conditions(now)
        for key, (severity, text) in wrong.items():
            self._alerts.raise_(key, severity, text)
        for key in self._raised - wrong.keys():
            self._alerts.recover(key)
        self._raised = set(wrong)
        if (today := day(now.at_ns)) != self._day:
            self._day = today
            self._alerts.report(daily(self._reported, now))
            self._reported = replace(now)


def write(path: Path, vitals: Vitals) -> None:
    """For `status`. A disk that refuses is told by other means."""
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(plain(vitals), separators=(",", ":")))
        part.replace(path)
    except OSError as error:
        _LOG.warning("event=status_not_written path=%s error=%r", path, error)
