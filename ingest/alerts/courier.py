"""One channel's thread: asks the policy what to send, and sends it until the channel takes it or never will."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ingest.alerts.alert import Event, Message
from ingest.alerts.channel import Channel, RefusedError, UnreachableError
from ingest.alerts.policy import Limits, Policy
from ingest.alerts.wording import body, title
from ingest.clock import Clock

LAST_PAUSE = 0.5  # seconds between tries once the end has come
_LOG = logging.getLogger(__name__)


@dataclass
class Counts:
    """What became of a channel's messages."""

    delivered: int = 0
    refused: int = 0
    failed_tries: int = 0
    abandoned: int = 0  # at the end there was no time left for them
    is_failing: bool = False  # the last try did not deliver


class Courier:
    """What one channel is told. `take` never waits for the channel."""

    def __init__(self, channel: Channel, limits: Limits, name: str, clock: Clock, delays: Callable[[], Iterator[float]]) -> None:
        self._channel = channel
        self._policy = Policy(limits)
        self._name = name
        self._clock = clock
        self._delays = delays
        self._changed = threading.Condition()  # guards the policy and the counts
        self._counts = Counts()
        self._in_hand = 0  # messages that are being sent
        self._is_ending = False
        self._abandoned = threading.Event()

    @property
    def name(self) -> str:
        return self._channel.name

    def take(self, event: Event) -> None:
        with self._changed:
            if self._policy.take(self._clock.monotonic(), event):
                self._changed.notify()

    def counts(self) -> Counts:
        with self._changed:
            return replace(self._counts)

    def finish(self) -> None:
        """Ask `run` to send what there is, without limit and without long pauses, and to return."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()

    def abandon(self) -> None:
        """Ask `run` to return after the try under way, and count what nobody will send."""
        self._abandoned.set()
        with self._changed:
            rest = iter(lambda: self._policy.message(self._clock.monotonic(), is_last=True), None)
            self._counts.abandoned += self._in_hand + len(list(rest))

    def run(self) -> None:
        try:
            while message := self._next():
                self._deliver(title(message, self._name), body(message))
        except Exception:  # noqa: BLE001 - a fault of ours; it is said, and the other channels go on
            _LOG.exception("event=alerts_fault channel=%r detail=this_channel_is_told_no_more", self.name)

    def _next(self) -> Message | None:
        with self._changed:
            self._in_hand = 0
            while not self._abandoned.is_set():
                now = self._clock.monotonic()
                message = self._policy.message(now, is_last=self._is_ending)
                if message or self._is_ending:
                    self._in_hand = int(message is not None)
                    return message
                self._changed.wait(self._policy.wait(now))
        return None

    def _deliver(self, subject: str, text: str) -> None:
        """Try until the channel has taken it, or never will, or the time is over."""
        pauses = self._delays()
        while not self._abandoned.is_set():
            try:
                self._channel.send(subject, text)
            except RefusedError as error:
                self._refuse(str(error))
                return
            except UnreachableError as error:
                self._pause(max(next(pauses), error.at_least), str(error))
            except Exception as error:  # noqa: BLE001 - nobody foresaw it, so its text may show anything
                self._pause(next(pauses), f"unexpected {type(error).__name__}")
            else:
                with self._changed:
                    self._counts.delivered += 1
                    self._counts.is_failing = False
                return

    def _refuse(self, why: str) -> None:
        _LOG.error("event=alert_refused channel=%r detail=%r", self.name, why)
        with self._changed:
            self._counts.refused += 1
            self._counts.is_failing = True
            self._policy.refused()

    def _pause(self, seconds: float, why: str) -> None:
        with self._changed:
            self._counts.failed_tries += 1
            self._counts.is_failing = True
            was_ending = self._is_ending
        again = LAST_PAUSE if was_ending else seconds
        _LOG.warning("event=alert_not_delivered channel=%r again_in=%.1fs detail=%r", self.name, again, why)
        if was_ending:
            self._abandoned.wait(LAST_PAUSE)
            return
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending, seconds)
