"""When faults strike: it counts what fits each of them. No clock of its own; every call brings the market's time."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from ingest.simulator.damage import Sending, damaged
from ingest.simulator.faults import CONNECTIONS, FRAMES, HANDSHAKES, REQUESTS, SUBSCRIPTIONS, Fault
from ingest.simulator.listings import Series
from ingest.simulator.wire import Frame

_MICROSECOND = timedelta(microseconds=1)


class Script:
    """The faults of a simulation, and how often each has struck."""

    def __init__(self, faults: Sequence[Fault], start: int) -> None:
        self._faults = tuple(enumerate(faults))
        self._start = start
        self._seen: dict[tuple[int, Hashable, int], int] = {}
        self._fitting: dict[Series, list[tuple[int, Fault]]] = {}
        self._held: dict[Series, list[tuple[int, Sending]]] = {}  # how many frames each of them still waits for

    def sendings(self, frame: Frame) -> Iterator[Sending] | None:
        """What is sent where the frame was due; None: the frame, as it is."""
        series = frame.series
        if series not in self._fitting:
            wanted = {**FRAMES, **CONNECTIONS}
            self._fitting[series] = [numbered for numbered in self._named(wanted) if numbered[1].fits(series)]
        if not self._fitting[series]:
            return None
        return self._sendings(frame)

    def rest(self) -> Iterator[Sending]:
        """Frames that still wait when there are no more."""
        for held in self._held.values():
            yield from (sending for _, sending in held)
        self._held.clear()

    def refusal(self, new: Iterable[Series], now: int) -> Fault | None:
        """The fault that refuses this subscription."""
        known = list(new)
        for number, fault in self._named(SUBSCRIPTIONS):
            if any(fault.fits(series) for series in known) and self._strikes(number, fault, None, now):
                return fault
        return None

    def handshake(self, venue: str, market: str, now: int) -> Fault | None:
        """The fault that refuses this connection."""
        for number, fault in self._named(HANDSHAKES):
            if fault.fits_place(venue, market) and self._strikes(number, fault, None, now):
                return fault
        return None

    def request(self, venue: str, market: str, path: str, now: int) -> list[Fault]:
        """The faults that strike a request over HTTP."""
        return [
            fault
            for number, fault in self._named(REQUESTS)
            if fault.fits_place(venue, market)
            and path.endswith(".CHECKSUM" if fault.fault == "wrong-checksum" and not fault.path else fault.path or "")
            and self._strikes(number, fault, None, now)
        ]

    def age(self, venue: str, market: str) -> float | None:
        """After how many seconds on the clock a connection ends; None: nobody asked."""
        ages = [
            fault.age.total_seconds() for _, fault in self._faults if fault.fault == "age" and fault.fits_place(venue, market)
        ]
        return min(ages, default=None)

    def _sendings(self, frame: Frame) -> Iterator[Sending]:
        series = frame.series
        sending = Sending(frame, (frame.text,))
        waits = 0
        for number, fault in self._fitting[series]:
            is_frames = fault.fault in FRAMES
            if not self._strikes(number, fault, series if is_frames else None, frame.at):
                continue
            if fault.fault == "reorder":
                waits = fault.by
            elif is_frames:
                sending = damaged(sending, fault)
            else:
                sending = replace(sending, strikes=(*sending.strikes, fault))
        held = [(rest - 1, late) for rest, late in self._held.pop(series, [])]
        if not waits:
            yield sending
        for rest, late in held:
            if rest <= 0:
                yield late
        still = [(rest, late) for rest, late in held if rest > 0] + ([(waits, sending)] if waits else [])
        if still:
            self._held[series] = still

    def _named(self, names: Mapping[str, object]) -> Iterator[tuple[int, Fault]]:
        return ((number, fault) for number, fault in self._faults if fault.fault in names)

    def _strikes(self, place: int, fault: Fault, key: Hashable, now: int) -> bool:
        """Whether this is one of those that the fault hits; counts it if it fits."""
        since = max(now - self._start, 0) - fault.at // _MICROSECOND  # who asks before the start asks at the start
        if since < 0:
            return False
        turn, since = divmod(since, fault.every // _MICROSECOND) if fault.every else (0, since)
        if fault.lasts is not None and since >= fault.lasts // _MICROSECOND:
            return False
        number = self._seen.get((place, key, turn), 0)
        self._seen[place, key, turn] = number + 1
        return number >= fault.skip and (fault.most is None or number < fault.skip + fault.most)
