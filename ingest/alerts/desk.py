"""Where a program says what is wrong. Each channel has a thread of its own, so that none waits for another, nor the program for any."""

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from ingest.alert_settings import AlertSettings
from ingest.alerts.alert import Event, Key, Raised, Recovered, Report, Severity
from ingest.alerts.channel import Channel
from ingest.alerts.channels import channels
from ingest.alerts.courier import Counts, Courier
from ingest.alerts.policy import Limits, limits
from ingest.backoff import delays
from ingest.clock import SYSTEM, Clock

CLOSE_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


def open_alerts(settings: AlertSettings, name: str) -> "Alerts":
    """Alerts by the channels of a configuration; `name` says in each message who speaks. Refused where a secret is not there."""
    return Alerts(channels(settings), limits(settings), name)


def _pauses() -> Iterator[float]:
    return delays(random.random, first=1.0, cap=300.0)


class Alerts:
    """Says what is wrong, and when it is over, to every channel and to the log. Safe to use from any thread."""

    def __init__(
        self,
        found: Sequence[Channel],
        limits: Limits,
        name: str,
        clock: Clock = SYSTEM,
        pauses: Callable[[], Iterator[float]] = _pauses,
    ) -> None:
        self._clock = clock
        self._couriers = [Courier(channel, limits, name, clock, pauses) for channel in (_IN_THE_LOG, *found)]
        self._threads = [threading.Thread(target=one.run, name=f"alerts {one.name}", daemon=True) for one in self._couriers]
        for thread in self._threads:
            thread.start()

    def raise_(self, key: Key, severity: Severity, text: str) -> None:
        """Say that a condition holds; as often as you like, it is told once."""
        self.take(Raised(key, severity, text, self._clock.wall_ns()))

    def recover(self, key: Key) -> None:
        """Say that a condition no longer holds; nothing where it was not raised."""
        self.take(Recovered(key))

    def report(self, text: str) -> None:
        """Send a text as a message of its own."""
        self.take(Report(text))

    def take(self, event: Event) -> None:
        """Say any of these."""
        for courier in self._couriers:
            courier.take(event)

    def counts(self) -> Mapping[str, Counts]:
        """What became of the messages, by channel."""
        return {courier.name: courier.counts() for courier in self._couriers}

    def close(self, seconds: float = CLOSE_SECONDS) -> Mapping[str, Counts]:
        """Send what there is, and end within so many seconds. What is raised then stays so: nobody is told that it is over."""
        end = self._clock.monotonic() + seconds
        for courier in self._couriers:
            courier.finish()
        for thread in self._threads:
            thread.join(max(0.0, end - self._clock.monotonic()))
        for courier, thread in zip(self._couriers, self._threads, strict=True):
            if thread.is_alive():
                courier.abandon()
                _LOG.error("event=alerts_abandoned channel=%r messages=%d", courier.name, courier.counts().abandoned)
        return self.counts()


def _log(_title: str, text: str) -> None:
    for line in text.splitlines():
        _LOG.warning("event=alert detail=%r", line)


_IN_THE_LOG = Channel("log", _log)
