"""What can be told: conditions that begin and end, and reports; and what one message tells of them."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


class Severity(enum.IntEnum):
    """How soon somebody should look."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, order=True)
class Key:
    """What is wrong, and where: `stall` `binance spot BTC-USDT`."""

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what} {self.where}".rstrip()


@dataclass(frozen=True)
class Raised:
    """A condition holds; said as often as the caller likes."""

    key: Key
    severity: Severity
    text: str
    at_ns: int


@dataclass(frozen=True)
class Recovered:
    """A condition no longer holds."""

    key: Key


@dataclass(frozen=True)
class Report:
    """A text of its own, such as the daily one."""

    text: str


Event = Raised | Recovered | Report
State = Literal["raised", "worse", "still", "recovered", "passed"]  # passed: it was over before anybody could be told


@dataclass(frozen=True)
class Note:
    """What is told of one condition."""

    state: State
    key: Key
    severity: Severity
    text: str
    since_ns: int
    seconds: float  # for so long it has held, or held
    returns: int  # it was over, and came back before that could be told


@dataclass(frozen=True)
class Message:
    """One message: notes, or a report; and what could not be told."""

    notes: Sequence[Note] = ()
    report: str | None = None
    no_room: int = 0  # events that came when there was room for no more
    undelivered: int = 0  # messages before this one that the channel refused
