"""What the simulated venues do wrong on purpose: between the frames that there are and those that are sent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.simulator.wire import Frame

if TYPE_CHECKING:
    from ingest.simulator.listings import Series


@dataclass(frozen=True)
class Drop:
    """From so many market seconds after the start on, so many frames of each feed of the pair are not sent."""

    venue: str
    market: str
    pair: str
    seconds: float
    count: int


def with_drops(frames: Iterable[Frame], drops: Sequence[Drop], start: int) -> Iterator[tuple[Frame, bool]]:
    """Each frame, and whether it is kept back."""
    left: dict[tuple[int, Series], int] = {}
    for frame in frames:
        series, dropped = frame.series, False
        for number, drop in enumerate(drops):
            if (series.venue, series.market, series.pair) != (drop.venue, drop.market, drop.pair):
                continue
            if frame.at < start + drop.seconds * 1_000_000:
                continue
            rest = left.get((number, series), drop.count)
            left[number, series] = rest - 1
            dropped = dropped or rest > 0
        yield frame, dropped
