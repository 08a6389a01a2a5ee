"""The benchmark's landing objects: an hour of a simulated market, and quiet minutes that follow; made once, kept in .cache."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ingest.simulator.landed import objects
from ingest.simulator.listings import Listing, Series, series
from ingest.simulator.market import market
from ingest.simulator.ticks import MINUTE, ticks
from ingest.simulator.wire import WIRES, Frame

HOME = Path(__file__).resolve().parents[2]
CACHE = HOME / ".cache" / "benchmarks"
FORMAT = 2  # of what is kept: another one when the same parameters give other objects
SEED = 7
START = int(datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()) * 1_000_000
MINUTES = 60
KIND = "agg_trade"
# (pair, price, its places, quantity, its places, share of the ticks): a market's pairs are never equally busy
PAIRS = (
    ("BTC-USDT", 6_180_000, 2, 800, 5, 0.35),
    ("ETH-USDT", 260_000, 2, 900, 4, 0.30),
    ("SOL-USDT", 15_000, 2, 3_000, 3, 0.20),
    ("PEPE-USDT", 1_234, 8, 900_000, 0, 0.15),
)
TINY_TICKS = 400
TINY_BATCHES = 12  # objects that are there; how many of them are used is the run's business


@dataclass(frozen=True)
class Landed:
    """Where the objects lie (`big` and `tiny` are keys below the root, in order of time), and how many ticks they hold."""

    root: Path
    big: Sequence[str]
    tiny: Sequence[str]
    ticks: int


def landed(wanted: int) -> Landed:
    """Objects of about so many ticks, from the cache."""
    folder = CACHE / f"landing-{FORMAT}-{wanted}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=CACHE, prefix="part-"))
        try:
            made = [_put(part / name, found) for name, found in (("big", _big(wanted)), ("tiny", _tiny(wanted)))]
            (part / "keys").write_text("\n".join("\n".join([*keys, ""]) for keys in made), encoding="utf-8")
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    big, tiny = (folder / "keys").read_text(encoding="utf-8").split("\n\n")[:2]
    return Landed(folder, big.split(), tiny.split(), sum(listing.ticks_per_hour for listing in _listings(wanted)))


def _put(folder: Path, frames: Iterable[Frame]) -> list[str]:
    keys = []
    for key, data in objects(frames, "bench"):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        keys.append(f"{folder.name}/{key}")
    return keys


def _listings(wanted: int) -> list[Listing]:
    return [
        Listing("binance", "spot", pair, price, places, quantity, quantity_places, round(wanted * share))
        for pair, price, places, quantity, quantity_places, share in PAIRS
    ]


def _big(wanted: int) -> Iterator[Frame]:
    return market(SEED, START, START + MINUTES * MINUTE, listings=_listings(wanted), wanted=lambda found: found.kind == KIND)


def _tiny(wanted: int) -> Iterator[Frame]:
    """The same feeds go on, ids dense as before, with exactly `TINY_TICKS` a minute."""
    each = TINY_TICKS // len(PAIRS)
    first = START // MINUTE + MINUTES
    quiet = [_QuietFeed(listing, each, first) for listing in _listings(wanted)]
    for minute in range(first, first + TINY_BATCHES):
        yield from sorted((frame for feed in quiet for frame in feed.frames(minute)), key=lambda frame: frame.at)


class _QuietFeed:
    """A feed that goes on where its busy hour ended."""

    def __init__(self, listing: Listing, each: int, first: int) -> None:
        last = next(found[-1] for minute in range(first - 1, 0, -1) if (found := ticks(listing, SEED, minute)))
        self.number, self.fill = last.number + 1, last.first_fill + last.fills
        # the quietest minute of an hour has well above a third of the average
        self.listing, self.each = replace(listing, ticks_per_hour=each * 60 * 4), each
        self.series: Series = series(listing)[KIND]

    def frames(self, minute: int) -> Iterator[Frame]:
        found = []
        for tick in ticks(self.listing, SEED, minute)[: self.each]:
            found.append(tick._replace(number=self.number, first_fill=self.fill))
            self.number, self.fill = self.number + 1, self.fill + tick.fills
        assert len(found) == self.each, f"{self.listing.name}: minute {minute} has {len(found)} ticks; {self.each} are needed"
        return WIRES[self.series.venue, self.series.market, KIND](self.listing, self.series, found)
