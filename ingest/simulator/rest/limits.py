"""How much the venues answer: limits on the real clock, whatever the market's. Nothing here reads it: each call brings the time."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ingest.simulator.rest import binance_spot, binance_usdm, bitso, coinbase
from ingest.simulator.rest.ask import Reply, told

PATIENCE = 10  # refusals in one minute that Binance forgives before it bans; the venue does not say how many
_BAN, _LONGEST_BAN = 120, 3 * 86_400  # seconds
_CONNECTIONS, _FIVE_MINUTES = 300, 300.0
_COINBASE_CONNECTIONS, _COINBASE_BURST = 8, 20  # a second; at once
_LOCKOUT, _LONG_LOCKOUT, _LOCKOUTS_FORGIVEN = 60, 86_400, 4  # the venue says `up to a day`, and not after how many


@dataclass(frozen=True)
class Verdict:
    """What a request costs: headers of its answer, or a refusal in its place."""

    headers: Mapping[str, str] = field(default_factory=dict)
    refusal: Reply | None = None


@dataclass
class Weight:
    """Binance: so much weight in each minute of the clock; who goes on after the refusal is banned, ever longer."""

    most: int
    minute: int = 0
    used: int = 0
    refused: int = 0
    bans: int = 0
    banned_until: float = 0.0

    def spend(self, now: float, weight: int) -> Verdict:
        if now < self.banned_until:
            return self._banned(now)
        if int(now // 60) != self.minute:
            self.minute, self.used, self.refused = int(now // 60), 0, 0
        self.used += weight
        told_weight = {"X-MBX-USED-WEIGHT": str(self.used), "X-MBX-USED-WEIGHT-1M": str(self.used)}
        if self.used <= self.most:
            return Verdict(told_weight)
        self.refused += 1
        if self.refused > PATIENCE:
            self.banned_until = now + min(_BAN * 2**self.bans, _LONGEST_BAN)
            self.bans += 1
            return self._banned(now)
        reason = (
            f"Too much request weight used; current limit is {self.most} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return Verdict(refusal=_refusal(429, (self.minute + 1) * 60 - now, {"code": -1003, "msg": reason}, told_weight))

    def _banned(self, now: float) -> Verdict:
        reason = (
            f"Way too much request weight used; IP banned until {int(self.banned_until * 1000)}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return Verdict(refusal=_refusal(418, self.banned_until - now, {"code": -1003, "msg": reason}, {}))


@dataclass
class Bucket:
    """Coinbase: tokens that drip into a bucket."""

    a_second: float
    most: float
    tokens: float | None = None
    at: float = 0.0

    def spend(self, now: float, _weight: int) -> Verdict:
        full = self.most if self.tokens is None else min(self.most, self.tokens + (now - self.at) * self.a_second)
        self.at, self.tokens = now, full if full < 1 else full - 1
        return Verdict() if full >= 1 else Verdict(refusal=told({"message": "Public rate limit exceeded"}, 429))


@dataclass
class Lockout:
    """Bitso: so many requests in any minute; then a minute's lockout, and a day's for who is locked out again and again."""

    most: int
    asked: deque[float] = field(default_factory=deque)
    lockouts: deque[float] = field(default_factory=deque)
    until: float = 0.0

    def spend(self, now: float, _weight: int) -> Verdict:
        if now >= self.until:
            while self.asked and self.asked[0] <= now - 60:
                self.asked.popleft()
            self.asked.append(now)
            if len(self.asked) <= self.most:
                return Verdict()
            while self.lockouts and self.lockouts[0] <= now - 3600:
                self.lockouts.popleft()
            self.lockouts.append(now)
            self.until = now + (_LOCKOUT if len(self.lockouts) <= _LOCKOUTS_FORGIVEN else _LONG_LOCKOUT)
        return Verdict(refusal=bitso.refusal("0200", "Too many requests", 429))


@dataclass
class Attempts:
    """Binance: so many connections in any five minutes."""

    most: int
    tried: deque[float] = field(default_factory=deque)

    def spend(self, now: float, _weight: int) -> Verdict:
        while self.tried and self.tried[0] <= now - _FIVE_MINUTES:
            self.tried.popleft()
        self.tried.append(now)
        if len(self.tried) <= self.most:
            return Verdict()
        return Verdict(
            refusal=_refusal(
                429, self.tried[-self.most] + _FIVE_MINUTES - now, {"code": -1003, "msg": "Too many connections."}, {}
            )
        )


Spend = Callable[[float, int], Verdict]


def limits(factor: float | None) -> dict[tuple[str, str], Spend]:
    """The limit of each venue's market, so many times the documented one; None: there are none."""
    if factor is None:
        return {}
    return {
        ("binance", "spot"): Weight(max(1, int(binance_spot.WEIGHT_A_MINUTE * factor))).spend,
        ("binance", "usdm"): Weight(max(1, int(binance_usdm.WEIGHT_A_MINUTE * factor))).spend,
        ("coinbase", "spot"): Bucket(coinbase.REQUESTS_A_SECOND * factor, max(1.0, coinbase.BURST * factor)).spend,
        ("bitso", "spot"): Lockout(max(1, int(bitso.REQUESTS_A_MINUTE * factor))).spend,
    }


def attempts(factor: float | None) -> dict[tuple[str, str], Spend]:
    """How often a websocket may be opened, where a venue says it; None: as often as one likes."""
    if factor is None:
        return {}
    return {
        ("binance", "spot"): Attempts(max(1, int(_CONNECTIONS * factor))).spend,
        ("binance", "usdm"): Attempts(max(1, int(_CONNECTIONS * factor))).spend,
        ("coinbase", "spot"): Bucket(_COINBASE_CONNECTIONS * factor, max(1.0, _COINBASE_BURST * factor)).spend,
    }


def _refusal(status: int, seconds: float, body: dict[str, object], headers: Mapping[str, str]) -> Reply:
    return told(body, status, {**headers, "Retry-After": str(max(1, math.ceil(seconds)))})
