"""What may be asked of a venue: one account a venue and machine, kept in a file that all our processes share.

Times are of the machine's monotonic clock, which all its processes share until it is started anew.
"""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ingest.exchanges.exchange import Exchange

BLINK = 0.001  # seconds; a sum of times may be a hair's breadth short, and what is short is not given
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass
class Account:
    """What was spent lately. Pure but for the clock that it is told."""

    limit: float
    seconds: float
    spent: list[tuple[float, float, str]] = field(default_factory=list)  # when, weight, what for
    closed_until: float = 0.0  # the venue said: not before

    def wait(self, now: float, weight: float, purpose: str, share: float = 1.0) -> float:
        """Seconds until so much may be spent; 0: it is spent now. `share`: at most so much of the limit for this purpose."""
        self.spent = [one for one in self.spent if now - one[0] < self.seconds]
        waits = [self.closed_until - now]
        # a share below one request would never be enough: one at a time is always right
        for own, limit in ((self.spent, self.limit), ([one for one in self.spent if one[2] == purpose], self.limit * share)):
            waits.append(self._until(own, max(limit, weight), weight, now))
        if max(waits) > 0:
            return max(waits)
        self.spent.append((now, weight, purpose))
        return 0.0

    def answered(self, now: float, spent: tuple[float, float, str]) -> None:
        """The venue counts a question when it comes there: by now, who knows when. What was slow frees its weight later."""
        if spent in self.spent:  # else forgotten by now
            self.spent.remove(spent)
            self.spent.append((now, *spent[1:]))

    def told(self, now: float, used: float) -> None:
        """The venue counts more than we did: somebody else is at work behind our address."""
        known = sum(weight for at, weight, _ in self.spent if now - at < self.seconds)
        if used > known:
            self.spent.append((now, used - known, "others"))

    def close(self, now: float, seconds: float) -> None:
        """Ask nothing for so long."""
        self.closed_until = max(self.closed_until, now + seconds)

    def used(self, now: float) -> float:
        """What was spent of the limit."""
        return sum(weight for at, weight, _ in self.spent if now - at < self.seconds)

    def _until(self, spent: list[tuple[float, float, str]], limit: float, weight: float, now: float) -> float:
        over = sum(one[1] for one in spent) + weight - limit
        for at, freed, _ in spent:
            if over <= 0:
                break
            over -= freed
            if over <= 0:
                return max(at + self.seconds - now, BLINK)
        return 0.0


@dataclass(frozen=True)
class Budget:
    """The account of one venue's market, in its file."""

    path: Path
    limit: float
    seconds: float

    @contextlib.contextmanager
    def account(self) -> Iterator[Account]:
        """Nobody else has it while the block lasts; what the block changed is written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            found = self._read(file)
            yield found
            file.seek(0)
            file.truncate()
            file.write(json.dumps({"boot": _boot(), "spent": found.spent, "closed_until": found.closed_until}).encode())
            file.flush()  # before the lock goes

    def used(self, now: float) -> float:
        """What was spent of the limit, as far as can be seen without keeping anybody waiting."""
        try:
            with self.path.open("rb") as file:
                return self._read(file).used(now)
        except OSError:
            return 0.0

    def _read(self, file: IO[bytes]) -> Account:
        file.seek(0)
        account = Account(self.limit, self.seconds)
        with contextlib.suppress(ValueError, KeyError, TypeError):  # empty, or cut by a power failure: nothing is known
            tree: dict[str, Any] = json.loads(file.read())
            if tree["boot"] == _boot():
                account.closed_until = float(tree["closed_until"])
                account.spent = [(float(at), float(weight), str(purpose)) for at, weight, purpose in tree["spent"]]
        return account


def budget(folder: Path, exchange: Exchange) -> Budget:
    """The account of an exchange that can be asked, where all our processes look for it."""
    assert exchange.rest is not None
    return Budget(folder / f"{exchange.venue}-{exchange.market}.json", exchange.rest.budget, exchange.rest.seconds)


def _boot() -> str:
    try:
        return BOOT.read_text().strip()
    except OSError:
        return "unknown"  # not Linux; the clock begins anew there as well, and old times lie ahead of it or are long gone
