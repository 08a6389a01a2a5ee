"""How a collector is: plain values, taken at one moment, for its status, its metrics and its alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class FeedVitals:
    """One stream."""

    venue: str
    market: str
    kind: str
    pair: str
    stream: str
    last_id: int | None
    heard_seconds: float | None  # since anything was heard of it by this process
    limit_seconds: float  # of silence, after which somebody asks
    holes: int  # that are not dealt with
    is_mute: bool  # the venue trades, and the stream says nothing


@dataclass(frozen=True)
class LinkVitals:
    """One plan's connections. Counts are those of this process."""

    venue: str
    market: str
    kind: str
    streams: int
    frames: int
    trades: int  # frames of them
    bytes: int  # of lines
    connections: int
    is_connected: bool
    since_seconds: float  # so long it is, or is not
    mutes: int
    lost: int  # lines that the spool refused
    lost_seconds: float | None  # since the last of them; None: none was
    given_up: str | None
    lag_ms: Sequence[float]  # receive time minus the venue's time of sending: least, median, 99 of 100, most, of the last frames


@dataclass(frozen=True)
class MarketVitals:
    """What is asked of one market over REST."""

    venue: str
    market: str
    waiting: int  # holes
    stuck: int  # of these, whose last try failed
    repaired: int
    left: int
    failed: int
    rows: int
    polls: int
    polls_failed: int
    polls_late: int
    polls_failing: Sequence[str]  # names of those whose last question had no answer
    weight_used: float
    weight_limit: float
    clock_ms: float | None  # how far the venue's clock is ahead of ours; None: not measured, or it does not tell


@dataclass(frozen=True)
class SpoolVitals:
    """What is on its way to the landing zone."""

    bytes: int
    max_bytes: int
    is_full: bool  # nothing is received: the bound was reached, or the disk takes no more
    waiting: int  # segments that are sealed and have not landed
    oldest_seconds: float  # since the first frame of the oldest of them
    objects: int
    landed_bytes: int
    failures: int  # tries that did not land
    failing_seconds: float  # since the last object landed, while tries fail; 0: none fails
    conflicts: int
    recent: Sequence[str]  # keys of the last objects


@dataclass(frozen=True)
class Vitals:
    """A collector at one moment."""

    collector: str
    run: str
    pid: int
    at_ns: int
    seconds: float  # it has run
    feeds: Sequence[FeedVitals]
    links: Sequence[LinkVitals]
    markets: Sequence[MarketVitals]
    spool: SpoolVitals
    gaps: int  # holes found by this process
    faults: Sequence[str]
    drifts: Mapping[str, int] = field(default_factory=dict)  # feed -> frames with other fields than the venue documents
    sides: Mapping[str, str] = field(default_factory=dict)  # feed -> in what the stream and REST differ


def plain(vitals: Vitals) -> dict[str, Any]:
    """For JSON."""
    return asdict(vitals)


def vitals(tree: dict[str, Any]) -> Vitals:
    """From JSON. KeyError, TypeError: it is not what `plain` gave."""
    parts = {
        "feeds": tuple(FeedVitals(**one) for one in tree["feeds"]),
        "links": tuple(LinkVitals(**{**one, "lag_ms": tuple(one["lag_ms"])}) for one in tree["links"]),
        "markets": tuple(MarketVitals(**{**one, "polls_failing": tuple(one["polls_failing"])}) for one in tree["markets"]),
        "spool": SpoolVitals(**{**tree["spool"], "recent": tuple(tree["spool"]["recent"])}),
        "faults": tuple(tree["faults"]),
    }
    return Vitals(**{**tree, **parts})


def quantiles(values: Sequence[float]) -> tuple[float, ...]:
    """Least, median, 99 of 100, most; none of nothing."""
    if not values:
        return ()
    found = sorted(values)
    return tuple(found[min(len(found) - 1, int(len(found) * part))] for part in (0.0, 0.5, 0.99, 1.0))
