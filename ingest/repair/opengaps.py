"""The gaps that the lake publishes, read as values. What is not one is refused by its place, and the others are read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from ingest.values import SettingsError, read

KEY = "control/open-gaps.json"
VERSION = 1
OPEN = "open"  # a gap in another state, such as `implausible`, only a person may have repaired


@dataclass(frozen=True)
class OpenGap:
    """One gap. Which ids are missing is not known where they are not dense."""

    venue: str
    market: str
    feed: str
    pair: str
    before_id: int
    after_id: int | None = None
    first_missing_id: int | None = None
    last_missing_id: int | None = None
    missing: int | None = None
    before_ts: datetime | None = None
    after_ts: datetime | None = None
    state: str = OPEN

    @property
    def kind(self) -> str:
        """Of its trades: that of the feed, without the epoch."""
        return self.feed.partition(".")[0]

    @property
    def epoch(self) -> int:
        """Which numbering of its ids; 1 is the first."""
        number = self.feed.partition(".")[2]
        return int(number) if number.isdecimal() else 1

    @property
    def label(self) -> str:
        """As logs and people say it."""
        return f"{self.venue}/{self.market}/{self.feed}/{self.pair} after {self.before_id}"


@dataclass(frozen=True)
class Published:
    """What the lake has published."""

    as_of: str | None
    gaps: Sequence[OpenGap]
    refused: Sequence[str]  # entries that cannot be read, by their place


def published(data: bytes) -> Published:
    """Read the object. ValueError: it is none that this program knows."""
    tree = json.loads(data)
    if not isinstance(tree, Mapping) or tree.get("v") != VERSION or not isinstance(tree.get("gaps"), list):
        raise ValueError(f"{data[:100]!r}; an object with v {VERSION} and a list of gaps would be right")
    gaps, refused = [], []
    for number, told in enumerate(tree["gaps"]):
        try:
            gaps.append(_gap(told, f"gaps[{number}]"))
        except SettingsError as error:
            refused.append(f"{KEY}: {error}")
    as_of = tree.get("as_of")
    return Published(as_of if isinstance(as_of, str) else None, list(dict.fromkeys(gaps)), refused)


def _gap(told: Any, where: str) -> OpenGap:  # noqa: ANN401 - any JSON value
    """Keys that are not known are those of a newer lake: no reason to leave the gap open."""
    known = {item.name for item in fields(OpenGap)}
    tree = {name: value for name, value in told.items() if name in known} if isinstance(told, Mapping) else told
    found: OpenGap = read(OpenGap, tree, where)
    return found


def times_text(at: datetime | None) -> str | None:
    """A time as our events write it."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
