"""The stream in a world of lists: drivers that die at any step, batches that come again, lost checkpoints and lost progress.

What Spark does in the real one (which rows are fresh, what a minute's trades are) is done here by plain loops. Which minutes are
brought, how they are written and what is said of them is the stream's own code: `Change`, `plan`, `Ranges`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jobs.queries.plan import Change, plan, whole
from jobs.transforms import feeds
from jobs.transforms.feeds import Brought, Feed, State, brought, voids
from jobs.transforms.ranges import MINUTE
from jobs.transforms.spans import Span

QUARTER = MINUTE // 4  # the worlds' unit of time
LATE = 6  # minutes below the newest one from which a row goes to a commit of its own
BITCOIN = Feed("binance", "spot", "agg_trade", "BTC-USDT")
ETHER = Feed("binance", "spot", "agg_trade", "ETH-USDT")
BITSO = Feed("bitso", "spot", "trade", "BTC-MXN")
FEEDS = (BITCOIN, ETHER, BITSO)
DENSE = {("binance", "spot", "agg_trade"): True, ("bitso", "spot", "trade"): False}


class Item(NamedTuple):
    """A line of a landing object; `uid` is its place on the connection."""

    uid: int
    feed: Feed
    id: int
    quarter: int
    value: int
    is_void: bool = False

    @property
    def minute(self) -> int:
        return self.quarter // 4

    @property
    def key(self) -> tuple[Feed, int]:
        return self.feed, self.id

    def is_like(self, other: "Item") -> bool:
        return (self.quarter, self.value) == (other.quarter, other.value)


class Row(NamedTuple):
    """A minute: its trades, and what is said of it."""

    trades: tuple[tuple[int, int, int], ...]
    missing: int | None
    complete: bool | None
    closed: bool


def dense(feed: Feed) -> bool:
    """Is a missing id of this feed a missing trade?"""
    return DENSE[feed.venue, feed.market, feed.kind]


def arrived(items: Iterable[Item]) -> dict[Feed, Brought]:
    """As `fresh.marks` tells it: here every item is a mark."""
    by_feed: dict[Feed, dict[int, int]] = defaultdict(dict)
    for item in items:
        by_feed[item.feed][item.id] = item.quarter * QUARTER
    return brought(
        (*feed, id_, ts, id_ - 1 not in found, id_ + 1 not in found)
        for feed, found in by_feed.items()
        for id_, ts in found.items()
    )


@dataclass
class Lake:
    """What survives a driver."""

    trades: list[list[Item]] = field(default_factory=list)
    quarantine: list[list[tuple[Item, str]]] = field(default_factory=list)
    minutes: dict[tuple[Feed, int], list[Row]] = field(default_factory=lambda: defaultdict(list))
    told: list[tuple[int, int] | None] = field(default_factory=list)  # what each commit of the minutes says it reflects
    progress: str | None = None

    @property
    def rows(self) -> list[Item]:
        return [item for version in self.trades for item in version]

    @property
    def versions(self) -> tuple[int, int]:
        return len(self.trades), len(self.quarantine)


class Driver:
    """One life of the query. Its methods stop before and after each commit: there it may die."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.state: State = {}

    def start(self) -> Iterator[str]:
        """Learn the state, bring what the last life left."""
        lake = self.lake
        versions = next((told for told in reversed(lake.told) if told), (0, 0))
        if lake.progress is not None:
            told = json.loads(lake.progress)
            versions, self.state = tuple(told["versions"]), feeds.state(told["feeds"])
        else:
            self._take(Change(self.state), (0, 0), versions)
        change = Change(self.state)
        self._take(change, versions, lake.versions)
        yield from self._bring(change, fast=False)
        yield from self._save()

    def _take(self, change: Change, since: tuple[int, int], until: tuple[int, int]) -> None:
        trades = [item for version in self.lake.trades[since[0] : until[0]] for item in version]
        void = [item for version in self.lake.quarantine[since[1] : until[1]] for item, why in version if why == "void"]
        change.take(arrived(trades), DENSE)
        change.take(voids(_marks(arrived(void))), DENSE)

    def batch(self, items: Sequence[Item]) -> Iterator[str]:
        """One batch: trades, late trades, quarantine, minutes, progress."""
        lake, change = self.lake, Change(self.state)
        void = [item for item in items if item.is_void]
        fresh, late, conflicts = self._judge([item for item in items if not item.is_void], {item.key for item in void})
        for name, rows in (("trades", fresh), ("late", late)):
            if rows:
                yield f"before {name}"
                lake.trades.append(rows)
                yield f"after {name}"
                change.take(arrived(rows), DENSE)
        there = {item.uid for version in lake.quarantine for item, _ in version}
        bad = [(item, "void") for item in void] + [(item, "conflict") for item in conflicts]
        new = {item.uid: (item, why) for item, why in bad if item.uid not in there}
        if new:
            yield "before quarantine"
            lake.quarantine.append(list(new.values()))
            yield "after quarantine"
        change.take(voids(_marks(arrived(void))), DENSE)
        yield from self._bring(change, fast=True)
        yield from self._save()

    def _judge(self, items: Iterable[Item], void: set[tuple[Feed, int]]) -> tuple[list[Item], list[Item], list[Item]]:
        """(Fresh, fresh and late, conflicts); the rest are duplicates."""
        won = {item.key: item for item in self.lake.rows}
        fresh: list[Item] = []
        late: list[Item] = []
        conflicts: list[Item] = []
        for item in items:
            known = self.state.get(item.feed)
            covered = dense(item.feed) and ((known is not None and known.ranges.holds(item.id)) or item.key in void)
            if item.key in won:
                if not won[item.key].is_like(item):
                    conflicts.append(item)
            elif covered:
                conflicts.append(item)
            else:
                won[item.key] = item
                is_late = known is not None and known.top is not None and item.minute < known.top - LATE
                (late if is_late else fresh).append(item)
        return fresh, late, conflicts

    def close(self) -> Iterator[str]:
        """Rows for the open minutes."""
        open_ = frozenset(feed for feed, known in self.state.items() if known.top is not None)
        yield from self._bring(Change(self.state), fast=False, close=open_)

    def _bring(self, change: Change, *, fast: bool, close: frozenset[Feed] = frozenset()) -> Iterator[str]:
        lake = self.lake
        made = plan(change, fast=fast, close=close)
        appended = self._rows(whole(made.append))
        if appended:
            yield "before minutes append"
            for key, row in appended.items():
                lake.minutes[key].append(row)
            lake.told.append(None if made.merge else lake.versions)
            yield "after minutes append"
        merged = self._rows(made.merge)
        if merged:
            yield "before minutes merge"
            for key, row in merged.items():
                if lake.minutes.get(key) or row.closed or key[0] in close:
                    lake.minutes[key] = [row] * max(1, len(lake.minutes[key]))
            lake.told.append(lake.versions)
            yield "after minutes merge"
        for feed, bare in made.bare.items():
            self.state[feed].bare = bare

    def _rows(self, spans: Any) -> dict[tuple[Feed, int], Row]:  # noqa: ANN401 - Mapping[Feed, list[Span]]
        found: dict[tuple[Feed, int], list[Item]] = defaultdict(list)
        for item in self.lake.rows:
            if any(low <= item.minute <= high for low, high in _spans(spans, item.feed)):
                found[item.feed, item.minute].append(item)
        return {(feed, minute): self._row(feed, minute, items) for (feed, minute), items in found.items()}

    def _row(self, feed: Feed, minute: int, items: list[Item]) -> Row:
        known = self.state[feed]
        flags = known.ranges.flags()
        assert known.top is not None
        missing, complete = (flags.get(minute, 0), minute not in flags) if dense(feed) else (None, None)
        return Row(tuple(sorted((item.id, item.quarter, item.value) for item in items)), missing, complete, minute < known.top)

    def _save(self) -> Iterator[str]:
        yield "before progress"
        self.lake.progress = json.dumps({"versions": self.lake.versions, "feeds": feeds.plain(self.state)})
        yield "after progress"


def _marks(found: dict[Feed, Brought]) -> list[Any]:
    """Marks again, one an island's end."""
    return [
        (*feed, id_, 0, id_ == island.low, id_ == island.high)
        for feed, here in found.items()
        for island in here.islands
        for id_ in {island.low, island.high}
    ]


def _spans(spans: Any, feed: Feed) -> list[Span]:  # noqa: ANN401 - Mapping[Feed, list[Span]]
    return list(spans.get(feed, []))
