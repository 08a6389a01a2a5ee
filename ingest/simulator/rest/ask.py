"""What a client asks over HTTP, and what it gets: values. A refusal is raised, so that a check can stand where it belongs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest.exchanges import find_exchange
from ingest.simulator.listings import Listing, Series
from ingest.simulator.past import Past

Text = Mapping[str, str]
JSON = "application/json"


@dataclass(frozen=True)
class Ask:
    """A request to one venue's market, and what the venue knows at that moment."""

    venue: str
    market: str
    query: Text
    headers: Text  # names in lower case
    path: Text  # the parts of the path that vary, by name
    now: int  # market time
    past: Past
    symbols: Text  # the venue's symbol -> pair
    listings: Mapping[str, Listing] = field(default_factory=dict)  # by pair; none for a recording, which does not tell them
    seed: int | None = None  # None: a recording
    factor: float | None = 1.0  # times the documented limits; None: no limits

    def series(self, pair: str, kind: str) -> Series:
        exchange = find_exchange(self.venue, self.market)
        feed = exchange.feeds.get(kind) or exchange.recorded[kind]
        return Series(self.venue, self.market, kind, pair, feed.stream(pair))

    def made(self, pair: str) -> tuple[Listing, int]:
        """The listing and its seed, of which books and candles are made."""
        if self.seed is None:
            raise RefusedError(told({"msg": "a recording tells its trades: it has no books and no candles"}, 501))
        return self.listings[pair], self.seed


@dataclass(frozen=True)
class Reply:
    """What the client gets."""

    status: int
    body: bytes
    headers: Text = field(default_factory=dict)
    kind: str = JSON
    file: Path | None = None  # in place of a body


class RefusedError(Exception):
    """The venue does not do what was asked."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status, reply.body)
        self.reply = reply


@dataclass(frozen=True)
class Endpoint:
    """A path below a venue's prefix; `{name}` in it varies."""

    path: str
    answer: Callable[[Ask], Reply]
    weight: Callable[[Ask], int] = lambda ask: 1  # noqa: ARG005 - most cost one


def told(body: Any, status: int = 200, headers: Text | None = None) -> Reply:  # noqa: ANN401 - any JSON value
    """A reply in JSON."""
    return Reply(status, json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(), headers or {})


def times(weight: int) -> Callable[[Ask], int]:
    """A weight that does not depend on what is asked."""
    return lambda ask: weight  # noqa: ARG005 - it does not depend on it
