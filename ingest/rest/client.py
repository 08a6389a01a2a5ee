"""Asking a venue over REST: within the budget that all our processes share, again when that helps, never when it harms."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import urllib3

from ingest.clock import Clock
from ingest.delays import Verdict, by_status, delays
from ingest.exchanges.exchange import Rest
from ingest.rest.budget import Budget
from ingest.rest.pools import NO_PROXIES, pools

CONNECT_SECONDS, READ_SECONDS = 5.0, 20.0
THREADS = 6  # that may ask one venue at once: polls, repairs and checks of two markets
TRIES = 8  # of one question, with ever longer pauses: two minutes in all
OK = 200
BARRED_SECONDS, BARRED_CAP = 600.0, 3600.0  # an address that said no is left alone for so long, doubling: blocks are lifted
NEVER = (400, 404, 422)  # the question is wrong, or there is no such pair: other questions may be right
_LOG = logging.getLogger(__name__)


class RestError(Exception):
    """The venue cannot be asked, or refused; says what, and what it answered."""


@dataclass(frozen=True)
class Body:
    """A response that was not refused."""

    recv_ns: int
    raw: bytes
    headers: "urllib3.HTTPHeaderDict"
    seconds: float = 0.0  # from the question to the answer


class Get(Protocol):
    """One HTTP GET. Raises what its library raises."""

    def __call__(self, url: str) -> "urllib3.BaseHTTPResponse": ...


def get(proxies: Mapping[str, str] = NO_PROXIES) -> Get:
    """Connections that are kept, and no policy: that is ours."""
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    pool = pools(proxies, headers={"User-Agent": "ticklake"}, maxsize=THREADS)  # Coinbase refuses who has no name
    return lambda url: pool(url).request("GET", url, redirect=False, retries=False, timeout=timeout)


@dataclass(frozen=True)
class Purpose:
    """What is asked for, and how much of the whole budget that may take."""

    name: str
    share: float = 1.0
    tries: int = TRIES  # of one question


@dataclass
class RestCounts:
    """What a client has done. Written by its own threads only."""

    requests: int = 0
    refused: int = 0
    waited: float = 0.0  # seconds for the budget
    used: float = 0.0  # weight in the budget's window, when last asked


class Client:
    """One venue's market, for one purpose."""

    def __init__(  # noqa: PLR0913 - what a client needs of the world, by keyword
        self,
        rest: Rest,
        hosts: Sequence[str],
        budget: Budget,
        purpose: Purpose,
        *,
        get: Get,
        clock: Clock,
        random: Callable[[], float],
        stop: threading.Event,
    ) -> None:
        self._rest = rest
        self._addresses = tuple(hosts)
        self._hosts = deque(hosts)  # the next one in front
        self._barred: dict[str, tuple[float, float]] = {}  # address -> until when it is not asked, how long that was
        self._budget = budget
        self._purpose = purpose
        self._get = get
        self._clock = clock
        self._random = random
        self._stop = stop
        self.counts = RestCounts()

    @property
    def can_ask(self) -> bool:
        """Whether there is an address that has not said no of late."""
        now = self._clock.monotonic()
        return any(self._barred.get(host, (now, 0.0))[0] <= now for host in self._addresses)

    def ask(self, path: str, weight: int, tries: int | None = None) -> Body:
        """The answer. RestError: there is none, or we are to end."""
        try:
            return self._ask(path, weight, tries or self._purpose.tries)
        except OSError as error:  # the account of the budget cannot be kept: a full disk, as a rule
            raise RestError(f"{path}: {error}") from error

    def _ask(self, path: str, weight: int, tries: int) -> Body:
        pauses = delays(self._random)
        why = "no address is left"
        for left in reversed(range(tries)):
            if not self._turn():
                break
            found = self._try(path, weight, self._spend(weight))
            if isinstance(found, Body):
                self._barred.pop(self._hosts[0], None)
                return found
            why = found.why
            self.counts.refused += 1
            if not self._again(found, pauses, is_last=not left):
                break
        raise RestError(f"{path}: {why}")

    def _turn(self) -> bool:
        """Have an address in front that may be asked; False: there is none."""
        now = self._clock.monotonic()
        for _ in range(len(self._hosts)):
            if self._barred.get(self._hosts[0], (now, 0.0))[0] <= now:
                return True
            self._hosts.rotate(-1)
        return False

    def _bar(self, host: str, at_least: float) -> None:
        _, before = self._barred.get(host, (0.0, 0.0))
        seconds = max(at_least, min(BARRED_CAP, before * 2 or BARRED_SECONDS))
        self._barred[host] = self._clock.monotonic() + seconds, seconds

    def _again(self, found: Verdict, pauses: Iterator[float], *, is_last: bool) -> bool:
        """Wait as the answer asks for; False: do not ask this again."""
        if found.action == "never":
            return False
        if found.at_least:  # the venue named a time: that is for all of us
            with self._budget.account() as account:
                account.close(self._clock.monotonic(), found.at_least)
        if found.action == "stop":
            for host in self._addresses:
                self._bar(host, found.at_least)
            return False
        if found.action == "other_host":
            self._bar(self._hosts[0], 0.0)
            return True
        self._hosts.rotate(-1)
        if not (found.at_least or is_last) and self._stop.wait(next(pauses)):
            raise RestError("told to stop")
        return True

    def _spend(self, weight: int) -> float:
        """Wait until so much may be spent. When it was."""
        while True:
            now = self._clock.monotonic()
            with self._budget.account() as account:
                seconds = account.wait(now, weight, self._purpose.name, self._purpose.share)
                self.counts.used = account.used(now)
            if seconds <= 0:
                return now
            self.counts.waited += seconds
            if self._stop.wait(seconds):
                raise RestError("told to stop")

    def _try(self, path: str, weight: int, spent_at: float) -> Body | Verdict:
        url = self._hosts[0] + path
        self.counts.requests += 1
        began = self._clock.monotonic()
        try:
            answer = self._get(url)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            _LOG.warning("event=rest_failed url=%s error=%r", url, error)
            self._answered(weight, spent_at)
            return Verdict("again", f"{type(error).__name__}: {error}")
        recv_ns, seconds = self._clock.wall_ns(), self._clock.monotonic() - began
        self._answered(weight, spent_at, answer.headers.get(self._rest.used_header, "") if self._rest.used_header else "")
        if answer.status == OK:
            return Body(recv_ns, answer.data, answer.headers, seconds)
        _LOG.warning("event=rest_refused url=%s status=%d body=%r", url, answer.status, answer.data[:200])
        why = f"HTTP {answer.status} {answer.data[:200].decode('utf-8', 'replace')}"
        if answer.status in NEVER:
            return Verdict("never", why)
        return by_status(answer.status, {name.lower(): value for name, value in answer.headers.items()}, why)

    def _answered(self, weight: int, spent_at: float, used: str = "") -> None:
        now = self._clock.monotonic()
        with self._budget.account() as account:
            account.answered(now, (spent_at, weight, self._purpose.name))
            if used.isdecimal():
                account.told(now, float(used))
