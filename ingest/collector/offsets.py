"""How far a venue's clock is from ours. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

OFF_MS = 1000.0  # more is told as `off`: delays and the order of events of two venues mean nothing any more
_MS = 1_000_000


class Offset(NamedTuple):
    """What one question and its answer tell. It is right to half of the round trip."""

    ms: float  # the venue's time less ours
    round_trip_ms: float

    @property
    def outcome(self) -> str:
        return "off" if abs(self.ms) > OFF_MS else "ok"

    def __str__(self) -> str:
        return f"offset {self.ms:+.1f} ms, round trip {self.round_trip_ms:.1f} ms"


def offset(venue_us: int, recv_ns: int, seconds: float) -> Offset:
    """The venue's time, when the answer was received, and how long after the question: it is taken to have told in the middle."""
    middle_ns = recv_ns - round(seconds * 1e9 / 2)
    return Offset((venue_us * 1000 - middle_ns) / _MS, seconds * 1000)


def best(offsets: Iterable[Offset]) -> Offset:
    """The one with the shortest round trip: nothing was waiting then, or least of all."""
    return min(offsets, key=lambda one: one.round_trip_ms)
