"""What goes wrong during a soak: faults of every sort at random moments, the same for the same seed. Pure."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

BINANCE = ({"venue": "binance", "market": "spot"}, {"venue": "binance", "market": "usdm"})
OTHERS = ({"venue": "coinbase", "market": "spot"}, {"venue": "bitso", "market": "spot"})
ALL = (*BINANCE, *OTHERS)
# seconds are the clock's; `script` makes market time of them. Nothing here changes what a good frame says
SORTS: Sequence[tuple[Mapping[str, Any], Sequence[Mapping[str, str]]]] = (
    ({"fault": "drop", "count": 40}, ALL),
    ({"fault": "duplicate", "count": 200}, ALL),
    ({"fault": "reorder", "count": 100, "by": 5}, ALL),
    ({"fault": "truncate", "count": 5}, ALL),
    ({"fault": "not-utf8", "count": 5}, ALL),
    ({"fault": "bad-number", "count": 5, "field": "p", "value": "NaN"}, BINANCE),
    ({"fault": "lost-field", "count": 5, "field": "a"}, BINANCE[1:]),
    ({"fault": "lost-field", "count": 5, "field": "trade_id"}, OTHERS[:1]),
    ({"fault": "new-field", "count": 200}, ALL),
    ({"fault": "huge"}, ALL),
    ({"fault": "mute", "for": 5.0}, ALL),
    ({"fault": "half-open"}, ALL),
    ({"fault": "abort"}, ALL),
    ({"fault": "close", "code": 1008}, ALL),
    ({"fault": "shutdown", "grace": 4.0}, BINANCE),
    ({"fault": "refuse-handshake", "status": 503, "count": 2}, ALL),
    ({"fault": "refuse-request", "status": 503, "count": 2}, ALL),
    ({"fault": "refuse-request", "status": 429, "retry_after": "1s", "count": 1}, ALL),
    ({"fault": "cut", "count": 2}, ALL),
    ({"fault": "not-json", "count": 2}, ALL),
    ({"fault": "slow", "delay": "1s", "count": 2}, ALL),
    ({"fault": "stale", "behind": 1.0, "for": 5.0}, ALL),
)


def script(seed: int, seconds: float, every: float, speed: float) -> list[dict[str, Any]]:
    """One fault every so often, from the first until shortly before the end, so that what it broke can be mended."""
    random = Random(seed)  # noqa: S311 - to come again, not to be secret
    found, at = [], every
    while at < seconds - every:
        sort, places = random.choice(SORTS)
        market = {key: f"{round(value * speed * 1000)}ms" if isinstance(value, float) else value for key, value in sort.items()}
        found.append({**market, **random.choice(places), "at": f"{round(at * speed)}s"})
        at += every * (0.5 + random.random())
    return found
