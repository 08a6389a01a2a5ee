"""The faults that can be asked for: a small language, one YAML list, every key checked before anything starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from ingest.simulator.listings import Series
from ingest.values import Size, read, refuse

_NOTHING = timedelta(0)
_REFUSALS = tuple(int(status) for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)
_20_MB = Size(20_000_000)


@dataclass(frozen=True)
class Fault:
    """What goes wrong, where, when, how often. What is not said fits everything."""

    fault: str
    venue: str | None = None
    market: str | None = None
    pair: str | None = None
    kind: str | None = None
    stream: str | None = None
    path: str | None = None  # how the path of a request ends
    at: timedelta = _NOTHING  # market time after the start
    skip: int = 0  # so many that fit pass first, of each feed
    count: int | None = None  # then so many are hit; None: one, or with `for` all
    lasts: timedelta | None = field(default=None, metadata={"key": "for"})  # market time
    every: timedelta | None = None  # market time after which it begins anew
    by: int = 3
    name: str | None = field(default=None, metadata={"key": "field"})
    value: str = "NaN"
    size: Size = _20_MB
    code: int = 1001
    reason: str = "on purpose"
    grace: timedelta = _NOTHING
    status: int = 503
    retry_after: timedelta | None = None
    delay: timedelta = _NOTHING
    behind: timedelta = _NOTHING
    age: timedelta = timedelta(hours=24)

    @property
    def most(self) -> int | None:
        """How many are hit in a round; None: all."""
        return 1 if self.count is None and self.lasts is None and self.fault not in _ENDLESS else self.count

    def fits(self, series: Series) -> bool:
        asked = (self.venue, self.market, self.kind, self.pair, self.stream)
        return all(want is None or want == have for want, have in zip(asked, series, strict=True))

    def fits_place(self, venue: str, market: str) -> bool:
        return self.venue in (None, venue) and self.market in (None, market)


_FEED = ("venue", "market", "pair", "kind", "stream")
_WHEN = ("at", "skip", "count", "for", "every")
_ENDLESS = {"mute", "age"}
FRAMES: Mapping[str, tuple[str, ...]] = {  # name -> keys of its own
    "drop": (),
    "mute": (),
    "duplicate": (),
    "reorder": ("by",),
    "truncate": (),
    "not-utf8": (),
    "bad-number": ("field", "value"),
    "binary": (),
    "huge": ("size",),
    "new-field": (),
    "lost-field": ("field",),
    "flip-side": (),
}
CONNECTIONS: Mapping[str, tuple[str, ...]] = {
    "half-open": (),
    "abort": (),
    "close": ("code", "reason"),
    "shutdown": ("grace",),
}
_AGE = {"age": ("venue", "market", "age")}
SUBSCRIPTIONS: Mapping[str, tuple[str, ...]] = {"refuse-subscription": ()}
HANDSHAKES: Mapping[str, tuple[str, ...]] = {"refuse-handshake": ("status", "retry_after")}
REQUESTS: Mapping[str, tuple[str, ...]] = {
    "refuse-request": ("status", "retry_after"),
    "slow": ("delay",),
    "cut": (),
    "not-json": (),
    "stale": ("behind",),
    "wrong-checksum": (),
}
_KEYS: Mapping[str, tuple[str, ...]] = {
    **{name: (*_FEED, *_WHEN, *own) for group in (FRAMES, CONNECTIONS, SUBSCRIPTIONS) for name, own in group.items()},
    **{name: ("venue", "market", *_WHEN, *own) for name, own in HANDSHAKES.items()},
    **{name: ("venue", "market", "path", *_WHEN, *own) for name, own in REQUESTS.items()},
    **_AGE,
}


def drop(venue: str, market: str, pair: str, seconds: float, count: int) -> Fault:
    """From so many market seconds after the start on, so many frames of each feed of the pair are not sent."""
    return Fault("drop", venue, market, pair, at=timedelta(seconds=seconds), count=count)


def faults(path: Path) -> list[Fault]:
    """Read and check a fault script; SettingsError says what is not right and what would be."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: not YAML in UTF-8: {error}") from error
    if not isinstance(tree, list):
        refuse(str(path), tree, "a list of faults, such as `- {fault: drop, pair: BTC-USDT, at: 10s, count: 5}`")
    return [_fault(each, f"{path}[{number}]") for number, each in enumerate(tree)]


def _fault(tree: Any, where: str) -> Fault:  # noqa: ANN401 - whatever YAML gave
    found: Fault = read(Fault, tree, where)
    if found.fault not in _KEYS:
        refuse(f"{where}.fault", found.fault, f"one of {', '.join(_KEYS)}")
    for key in tree:
        if key != "fault" and key not in _KEYS[found.fault]:
            refuse(f"{where}.{key}", tree[key], f"no key of {found.fault}; one of {', '.join(_KEYS[found.fault])}")
    for where_not, value, right, is_right in _rules(found):
        if not is_right:
            refuse(f"{where}.{where_not}", value, right)
    return found


def _rules(found: Fault) -> Iterable[tuple[str, Any, str, bool]]:
    """Yield key, value, what is right, whether it is."""
    yield "skip", found.skip, "0 or more", found.skip >= 0
    yield "count", found.count, "1 or more", found.count is None or found.count > 0
    yield "every", str(found.every), "longer than 0", found.every is None or found.every > _NOTHING
    yield "by", found.by, "1 or more", found.by > 0
    yield (
        "value",
        found.value,
        "NaN, Infinity or a number that no float holds, such as 1e400",
        found.value in ("NaN", "Infinity", "1e400"),
    )
    yield "code", found.code, "a code to close with, 1000 to 4999 without 1005 and 1006", _can_be_sent(found.code)
    yield "status", found.status, f"one of {', '.join(map(str, _REFUSALS))}", found.status in _REFUSALS
    yield "venue", found.venue, "binance: no other venue announces its end", found.fault != "shutdown" or found.venue == "binance"


def _can_be_sent(code: int) -> bool:
    return code in {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}


def check(wanted: Iterable[Fault], offered: Iterable[Series]) -> None:
    """Refuse a fault that can never strike, for nothing here is what it wants."""
    known = list(offered)
    for fault in wanted:
        words = [fault.venue, fault.market, fault.kind, fault.pair, fault.stream]
        if any(words) and not any(fault.fits(series) for series in known):
            have = sorted({" ".join(part for part, word in zip(series, words, strict=True) if word) for series in known})
            asked = " ".join(word for word in words if word)
            raise ValueError(f"{fault.fault} {asked}: not here; one of {', '.join(have)}")
