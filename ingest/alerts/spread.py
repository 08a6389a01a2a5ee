"""How wide the top of a book is, and what of that people are told. Pure: who watches a book keeps what is exceeded."""

from collections.abc import Sequence
from decimal import Decimal

from ingest.alerts.alert import Key, Raised, Recovered, Severity

RELEASE = Decimal("0.8")  # of a threshold: down to there it stays exceeded, so that a spread at the threshold does not flap
Exceeded = frozenset[Decimal]
NOTHING_EXCEEDED: Exceeded = frozenset()


def spread_pct(bid: Decimal, ask: Decimal) -> Decimal:
    """The spread in percent of the ask."""
    return (ask - bid) * 100 / ask


def judge_spread(  # noqa: PLR0913, PLR0917 - what was, what is, and where and when it is
    exceeded: Exceeded, bid: Decimal, ask: Decimal, thresholds: Sequence[Decimal], where: str, at_ns: int
) -> tuple[Exceeded, Sequence[Raised | Recovered]]:
    """What is exceeded now, and what that changes. A book without both sides, or a crossed one, says nothing of its spread."""
    if not (bid.is_finite() and ask.is_finite() and 0 < bid <= ask):
        return exceeded, ()
    wide = (ask - bid) * 100  # compared by multiplication, which is exact
    now = frozenset(limit for limit in thresholds if wide > (limit * RELEASE if limit in exceeded else limit) * ask)
    if now == exceeded:
        return exceeded, ()
    text = f"{spread_pct(bid, ask):.4f} % of the ask (bid {bid}, ask {ask})"
    changes: list[Raised | Recovered] = []
    for rank, limit in enumerate(thresholds):
        if limit in now and limit not in exceeded:
            changes.append(Raised(key(limit, where), _severity(rank, len(thresholds)), text, at_ns))
        elif limit in exceeded and limit not in now:
            changes.append(Recovered(key(limit, where)))
    return now, changes


def key(threshold: Decimal, where: str) -> Key:
    """The condition that a book's spread is above a threshold."""
    return Key(f"spread above {threshold} %", where)


def _severity(rank: int, count: int) -> Severity:
    if count == 1:
        return Severity.WARNING
    if rank == 0:
        return Severity.CRITICAL
    return Severity.INFO if rank == count - 1 else Severity.WARNING
