"""Policy of reconnecting: whether to try again at all, and where. Nothing here waits."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from websocket import WebSocketAddressException, WebSocketBadStatusException, WebSocketException

from ingest.backoff import delays

__all__ = ["delays"]  # part of the policy, whoever else waits so

FIVE_MINUTES = 300.0
TOO_MANY_REQUESTS = 429
BANNED = 418  # Binance: you went on after a 429
HOST_SAYS_NO = (401, 403, 404, 410, 451)  # 403: a firewall; 451: not served in this region. Asking again makes it worse


class RefusedError(Exception):
    """The venue answered a subscription with an error; its words."""


class SilenceError(Exception):
    """Nothing arrived for so long, not even the answer to a ping, that the connection must be dead."""


class ClosedError(Exception):
    """The venue ended the connection."""


class ProtocolError(Exception):
    """What arrived is not the websocket protocol."""


@dataclass(frozen=True)
class Verdict:
    """What to do after a connection failed or ended."""

    # other_host: never this one again; stop: no host of this venue again; never: not this question, others may do
    action: Literal["again", "other_host", "stop", "never"]
    why: str
    at_least: float = 0.0  # seconds before the next attempt, whatever the back-off says


def verdict(error: Exception) -> Verdict:
    """Decide by the error alone. What nobody foresaw is no reason to give up: it is tried again, ever more slowly."""
    if isinstance(error, WebSocketBadStatusException):
        return by_status(error.status_code, error.resp_headers or {}, f"HTTP {error.status_code} instead of a websocket")
    if isinstance(error, WebSocketAddressException):
        return Verdict("again", f"address not found: {error}")
    if isinstance(error, RefusedError):
        return Verdict("again", f"refused by the venue: {error}", at_least=5.0)
    if isinstance(error, (SilenceError, ClosedError, ProtocolError, WebSocketException, OSError)):
        return Verdict("again", f"{type(error).__name__}: {error}")
    return Verdict("again", f"unexpected {type(error).__name__}: {error}", at_least=5.0)


def retryable(error: Exception) -> bool:
    """Say whether the same host may be asked again."""
    return verdict(error).action == "again"


def pause(attempts: deque[float], now: float, limit: int) -> float:
    """Seconds until another attempt keeps the venue's limit in any five minutes. Forgets attempts that no longer count."""
    while attempts and now - attempts[0] >= FIVE_MINUTES:
        attempts.popleft()
    return 0.0 if len(attempts) < limit else attempts[len(attempts) - limit] + FIVE_MINUTES - now


def by_status(status: int, headers: Mapping[str, str], why: str) -> Verdict:
    """Decide by what a venue answered in place of what it was asked for. Names of headers in small letters."""
    told = headers.get("retry-after", "")
    if status == BANNED:
        return Verdict("stop", f"{why}: this address is banned", at_least=float(told) if told.isdecimal() else 120.0)
    if status in HOST_SAYS_NO:
        return Verdict("other_host", why)
    if status == TOO_MANY_REQUESTS:
        return Verdict("again", why, at_least=float(told) if told.isdecimal() else 60.0)
    return Verdict("again", why)
