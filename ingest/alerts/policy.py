"""When to tell one channel what. Nothing here waits, sends or looks at a clock.

A condition is told when it begins, when it gets worse, when it goes on for long, and when it has stayed away for its hold. The hold
doubles each time the condition comes back soon, so that flapping grows quiet. All that is due goes into one message; messages keep
the limit; what has to wait is in the next one.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from ingest.alert_settings import AlertSettings
from ingest.alerts.alert import Event, Key, Message, Note, Raised, Recovered, Report, Severity, State

LONGEST_HOLD = 64  # times `settle`; as long after its end a condition's hold is remembered


@dataclass(frozen=True)
class Limits:
    """How much one channel is told. Times in seconds."""

    burst: int = 5
    every: float = 60.0
    settle: float = 60.0
    remind_after: float = 86_400.0
    gather: float = 1.0  # what begins together is told together
    conditions: int = 1000
    reports: int = 10


def limits(settings: AlertSettings) -> Limits:
    """The limits that a configuration asks for."""
    return Limits(
        burst=settings.limit.burst,
        every=settings.limit.every.total_seconds(),
        settle=settings.settle.total_seconds(),
        remind_after=settings.remind_after.total_seconds(),
    )


@dataclass
class _Condition:
    severity: Severity
    text: str
    since: float
    since_ns: int
    hold: float
    changed: float  # when it last began or ended
    is_raised: bool = True
    returns: int = 0
    told: Severity | None = None  # the worst that was told
    told_at: float = 0.0

    def is_over(self, now: float) -> bool:
        return not self.is_raised and now >= self.changed + self.hold


class Policy:
    """What one channel was told, and what it is still to be told. Times are seconds of a clock that never jumps."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[Key, _Condition] = {}
        self._ended: dict[Key, tuple[float, float]] = {}  # hold, when its end was told; in the order of the ends
        self._reports: deque[str] = deque()
        self._no_room = 0
        self._no_room_since = 0.0
        self._undelivered = 0
        self._busy_until = -math.inf  # with a message every `every` seconds; may lie `burst` - 1 messages ahead
        self._expected = math.inf  # what the last `wait` was about

    def step(self, now: float, events: Iterable[Event]) -> list[Message]:
        """Take what happened; the messages to send now."""
        for event in events:
            self.take(now, event)
        return list(iter(lambda: self.message(now), None))

    def take(self, now: float, event: Event) -> bool:
        """Take what happened. Whether something is due before the time that `wait` has told."""
        match event:
            case Raised():
                due = self._raise(now, event)
            case Recovered():
                due = self._recover(now, event.key)
            case Report():
                due = now
                if len(self._reports) < self._limits.reports:
                    self._reports.append(event.text)
                else:
                    self._lack_room(now)
        return max(due, self._free_at()) < self._expected

    def message(self, now: float, *, is_last: bool = False) -> Message | None:
        """What is to be sent now, if anything; it counts as told. The last ones keep no limit."""
        if not is_last and now < self._free_at():
            return None
        if self._reports:
            told = Message(report=self._reports.popleft(), no_room=self._no_room, undelivered=self._undelivered)
        else:
            if not is_last and now < self._due_at():
                return None
            notes = [note for key in list(self._open) if (note := self._tell(now, key, is_last=is_last))]
            if not notes and not self._no_room:
                return None
            told = Message(notes=notes, no_room=self._no_room, undelivered=self._undelivered)
        self._no_room = self._undelivered = 0
        self._busy_until = max(self._busy_until, now) + self._limits.every
        return told

    def wait(self, now: float) -> float | None:
        """Seconds until `message` may have something; None: not before the next event."""
        due = now if self._reports else self._due_at()
        self._expected = max(due, self._free_at())
        return None if math.isinf(self._expected) else max(0.0, self._expected - now)

    def refused(self) -> None:
        """Count a message that the channel will never take; the next one says so."""
        self._undelivered += 1

    def _raise(self, now: float, event: Raised) -> float:
        found = self._open.get(event.key)
        if found is None:
            if len(self._open) >= self._limits.conditions:
                return self._lack_room(now)
            self._forget(now)
            hold, _ = self._ended.pop(event.key, (self._limits.settle / 2, now))
            hold = min(2 * hold, LONGEST_HOLD * self._limits.settle)
            self._open[event.key] = _Condition(event.severity, event.text, now, event.at_ns, hold, now)
            return now + self._limits.gather
        if not found.is_raised:
            found.is_raised, found.changed = True, now
            found.returns += 1
        found.severity, found.text = event.severity, event.text
        return self._due(found) + self._limits.gather

    def _recover(self, now: float, key: Key) -> float:
        found = self._open.get(key)
        if found is None or not found.is_raised:
            return math.inf
        found.is_raised, found.changed = False, now
        return self._due(found) + self._limits.gather

    def _lack_room(self, now: float) -> float:
        if not self._no_room:
            self._no_room_since = now
        self._no_room += 1
        return self._no_room_since + self._limits.gather

    def _tell(self, now: float, key: Key, *, is_last: bool) -> Note | None:
        found = self._open[key]
        is_over = found.is_over(now) or (is_last and not found.is_raised)
        if self._due(found) > now and not is_over:
            return None
        state: State
        if is_over:
            state = "recovered" if found.told else "passed"
            self._ended[key] = found.hold, now
            del self._open[key]
        else:
            state = "raised" if not found.told else "worse" if found.severity > found.told else "still"
            found.told, found.told_at = max(found.severity, found.told or found.severity), now
        seconds = (now if found.is_raised else found.changed) - found.since
        return Note(state, key, found.severity, found.text, found.since_ns, seconds, found.returns)

    def _due(self, found: _Condition) -> float:
        if not found.told:
            return found.since
        if not found.is_raised:
            return found.changed + found.hold
        return found.changed if found.severity > found.told else found.told_at + self._limits.remind_after

    def _due_at(self) -> float:
        lacking = [self._no_room_since] if self._no_room else []
        return min([*lacking, *(self._due(found) for found in self._open.values())], default=math.inf) + self._limits.gather

    def _free_at(self) -> float:
        return self._busy_until - (self._limits.burst - 1) * self._limits.every

    def _forget(self, now: float) -> None:
        while self._ended:
            key, (_, at) = next(iter(self._ended.items()))
            is_long_ago = now - at >= LONGEST_HOLD * self._limits.settle
            if not is_long_ago and len(self._ended) <= self._limits.conditions:
                return
            del self._ended[key]
