"""Fakes of what the socket side asks of the world."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from ingest.clock import Clock


@dataclass
class FakeTime:
    """A clock that moves only when told to."""

    seconds: float = 0.0
    wall: int = 1_731_000_000_000_000_000  # 2024-11-07T17:20:00Z

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += int(seconds * 1e9)

    @property
    def clock(self) -> Clock:
        return Clock(wall_ns=lambda: self.wall, monotonic=lambda: self.seconds)


class Stop(threading.Event):
    """Waiting for it moves the clock and is written down; set after so many waits."""

    def __init__(self, time: FakeTime, waits: int) -> None:
        super().__init__()
        self.time, self.left = time, waits
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(round(timeout, 3))
        self.time.advance(timeout)
        self.left -= 1
        if self.left <= 0:
            self.set()
        return self.is_set()


def nobody(url: str) -> NoReturn:
    """A REST half that is not asked."""
    raise AssertionError(url)


def nothing() -> None:
    """Marks that are not kept."""


def text(payload: bytes) -> bytes:
    """A text frame as a server sends it."""
    return _frame(0x81, payload)


def ping(payload: bytes) -> bytes:
    """A ping as a server sends it."""
    return _frame(0x89, payload)


def close(code: int, reason: str = "") -> bytes:
    """A close frame as a server sends it."""
    return _frame(0x88, code.to_bytes(2, "big") + reason.encode())


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    length = bytes([size]) if size < 126 else bytes([126]) + size.to_bytes(2, "big")
    return bytes([first]) + length + payload


@dataclass
class FakeSocket:
    """A socket that plays a script: bytes are received, a number is seconds of nothing, a function is called, an error raised."""

    script: Iterable[bytes | float | Exception | Callable[[], None]]
    time: FakeTime = field(default_factory=FakeTime)
    sent: list[tuple[float, int, bytes]] = field(default_factory=list)  # when, opcode, payload
    closed: bool = False

    def __post_init__(self) -> None:
        self._steps: Iterator[bytes | float | Exception | Callable[[], None]] = iter(self.script)
        self._rest = 0.0

    def receive(self, size: int) -> bytes:
        assert size > 0
        if self._rest > 0:
            return self._wait()
        step = next(self._steps, b"")
        if isinstance(step, bytes):
            return step
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step()
            raise TimeoutError
        self._rest = step
        return self._wait()

    def _wait(self) -> bytes:
        part = min(0.25, self._rest)  # a binary fraction, so that sums are exact
        self._rest -= part
        self.time.advance(part)
        raise TimeoutError

    def send(self, opcode: int, payload: bytes) -> None:
        self.sent.append((round(self.time.seconds, 6), int(opcode), payload))

    def close(self) -> None:
        self.closed = True
