"""What survives a driver beside its tables: the stream's state, and the record of each batch."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingest.landing import Store
from jobs.runtime import deltalog
from jobs.runtime.live import Live
from jobs.transforms import feeds
from jobs.transforms.feeds import State

FORMAT = 1


class Versions(NamedTuple):
    """Versions of `trades` and `quarantine` up to which something is reflected, in this version of the minutes."""

    trades: int
    quarantine: int
    minutes: int


@dataclass
class Progress:
    """The state of a query, written now and then, after the minutes and never before them. It may lag; it never runs ahead."""

    store: Store
    query: str
    every: float = 10.0
    clock: Callable[[], float] = time.monotonic
    etag: str | None = None
    saved: float | None = None

    @property
    def key(self) -> str:
        return f"control/progress/stream-{self.query}.json"

    def load(self, trades: Live, quarantine: Live, minutes: Live) -> tuple[State, Versions] | None:
        """The state and the versions it speaks of; None where there is none, or a version is another commit now."""
        found = self.store.get(self.key)
        self.etag = found[1] if found else None
        if found is None:
            return None
        try:
            told = json.loads(found[0])
        except ValueError:
            return None
        if told["v"] != FORMAT or not all(_is_still(live, told[live.table.name]) for live in (trades, quarantine, minutes)):
            return None
        versions = Versions(*(told[live.table.name]["version"] for live in (trades, quarantine, minutes)))
        return feeds.state(told["feeds"]), versions

    def reflected(self, minutes: Live) -> Versions | None:
        """The versions that the minutes' last commit reflects."""
        for version in range(minutes.version, -1, -1):
            commit = deltalog.commit(self.store, minutes.table.name, version)
            if commit is None:
                return None
            if "trades" in commit.metadata:
                return Versions(commit.metadata["trades"], commit.metadata["quarantine"], version)
        return None

    def save(self, state: State, trades: Live, quarantine: Live, minutes: Live, *, force: bool = False) -> None:
        """Write the state, with the versions that this driver knows, never "the newest"."""
        now = self.clock()
        if not force and self.saved is not None and now - self.saved < self.every:
            return
        told = {
            "v": FORMAT,
            **{live.table.name: live.at() for live in (trades, quarantine, minutes)},
            "feeds": feeds.plain(state),
        }
        written = self.store.replace(self.key, json.dumps(told).encode(), self.etag)
        if written is not None:  # else another driver wrote it: the next check of the tables will say so
            self.etag = written
        self.saved = now

    def drop(self) -> None:
        """Forget it."""
        self.store.delete(self.key)
        self.etag, self.saved = None, None


@dataclass(frozen=True)
class Records:
    """What each batch of a query did, for whoever asks later."""

    store: Store
    query: str

    def record(self, told: Mapping[str, Any], query: str, batch: int) -> None:
        """The counts of one batch; a replay writes over its own."""
        key = f"control/runs/{self.query}/{query}-{batch}.json"
        there = self.store.get(key)
        self.store.replace(key, json.dumps(told).encode(), there[1] if there else None)


def _is_still(live: Live, told: Mapping[str, Any]) -> bool:
    """Is the version that the progress speaks of the same commit? One without an id of ours may be any."""
    if told["version"] > live.version or told["commit"] is None:
        return False
    if told["version"] == live.version:
        return bool(told["commit"] == live.id)
    commit = deltalog.commit(live.store, live.table.name, told["version"])
    return commit is not None and commit.id == told["commit"]
