"""A stream that is made only while somebody listens."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.simulator.books import Level
from ingest.simulator.listings import Series


@dataclass(frozen=True)
class Live:
    """When the stream speaks and what it says."""

    series: Series
    every: int  # microseconds
    make: Callable[[int], str | None]  # at a multiple of `every`; None: nothing to say
    first: Callable[[int], str] | None = None  # what a new subscriber hears of the moment that was


def written(levels: Sequence[Level], price: Callable[[int], str], quantity: Callable[[int], str]) -> list[list[str]]:
    """Levels as most venues write them."""
    return [[price(level.price), quantity(level.quantity)] for level in levels]


def text(frame: Any) -> str:  # noqa: ANN401 - any JSON value
    """A frame as JSON without blanks."""
    return json.dumps(frame, separators=(",", ":"))
