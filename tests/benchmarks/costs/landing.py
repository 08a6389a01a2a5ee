"""Landing objects of exactly so many ticks, pairs and objects, batch after batch; made once, kept in .cache."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random

from ingest.envelope import object_key
from ingest.simulator.landed import envelopes
from ingest.simulator.listings import Listing, Series, series
from ingest.simulator.ticks import MINUTE, Tick
from ingest.simulator.wire import WIRES, Frame
from ingest.spool.members import members
from tests.benchmarks import data

FORMAT = 1  # of what is kept: another one when the same parameters give other objects
VENUE, MARKET, KIND = "binance", "spot", "agg_trade"
START = data.START  # of the first batch; each has a minute of its own
SPAN = 59_000_000  # microseconds of that minute in which ticks come
FILLS = 2  # of each tick
FIRST_TICKS = 5  # of each pair in the small batch before the one that counts
FOLDER = "big"  # where duck.sql looks for the beginning of a key


@dataclass(frozen=True)
class Wanted:
    """So many batches of so many ticks each; `after` so many trades of each pair."""

    ticks: int
    pairs: int
    objects: int
    after: int = 0
    batches: int = 1
    begun: bool = True  # is a small batch of the same pairs before them?


@dataclass(frozen=True)
class Batches:
    """Where the objects lie, and the keys of each batch."""

    root: Path
    keys: Sequence[Sequence[str]]


def batches(wanted: Wanted) -> Batches:
    """Objects, from the cache."""
    folder = data.CACHE / "-".join(map(str, ("batches", FORMAT, *map(int, astuple(wanted)))))
    if not folder.exists():
        data.CACHE.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=data.CACHE, prefix="part-"))
        try:
            (part / "keys.json").write_text(json.dumps(_made(part, wanted)), encoding="utf-8")
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return Batches(folder, json.loads((folder / "keys.json").read_text(encoding="utf-8")))


def names(pairs: int) -> list[str]:
    """Pairs as Binance might list them."""
    return [f"C{number:03}-USDT" for number in range(pairs)]


def _made(folder: Path, wanted: Wanted) -> list[list[str]]:
    sizes = [(wanted.ticks, wanted.objects)] * wanted.batches
    if wanted.begun:
        sizes.insert(0, (wanted.pairs * FIRST_TICKS, 1))
    random = Random(str(wanted))  # noqa: S311 - to come again, not to be secret
    numbers = [wanted.after] * wanted.pairs  # the last id of each pair
    write = envelopes("bench")
    found = []
    for place, (ticks, objects) in enumerate(sizes):
        minute = START // MINUTE + place
        found.append(
            [
                _put(folder, frames, write)
                for frames in _objects(minute, ticks=ticks, objects=objects, numbers=numbers, random=random)
            ]
        )
    return found


def _objects(minute: int, *, ticks: int, objects: int, numbers: list[int], random: Random) -> Iterator[list[Frame]]:
    """The frames of each object of a batch. The pairs take turns, objects follow each other in time."""
    pairs = names(len(numbers))
    edges = [round(ticks * place / objects) for place in range(objects + 1)]
    for low, high in pairwise(edges):
        of_pair: dict[int, list[Tick]] = {}
        for place in range(low, high):
            pair = place % len(pairs)
            numbers[pair] += 1
            at = minute * MINUTE + place * SPAN // ticks
            of_pair.setdefault(pair, []).append(_tick(numbers[pair], at, random.random))
        frames = [frame for pair, found in of_pair.items() for frame in WIRES[VENUE, MARKET, KIND](*_offered(pairs[pair]), found)]
        yield sorted(frames, key=lambda frame: frame.at)


def _tick(number: int, at: int, random: Callable[[], float]) -> Tick:
    price, quantity = 250_000 + int(random() * 5_000), FILLS + int(random() * 90_000)
    return Tick(number, FILLS * number, FILLS, at, price, quantity, is_buy=random() < 0.5, goes_on=False)


@cache
def _offered(pair: str) -> tuple[Listing, Series]:
    listing = Listing(VENUE, MARKET, pair, 250_000, 2, 900, 5, 0)
    return listing, series(listing)[KIND]


def _put(folder: Path, frames: Sequence[Frame], write: Callable[[Frame], bytes]) -> str:
    lines = b"".join([write(frame) for frame in frames])
    first = frames[0].at
    key = object_key(
        channel="trades",
        venue=VENUE,
        market=MARKET,
        day=f"{datetime.fromtimestamp(first // 1_000_000, UTC):%Y-%m-%d}",
        first_recv_ns=first * 1000,
        collector="bench",
        sha256=hashlib.sha256(lines).hexdigest(),
    )
    path = folder / FOLDER / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(members(lines))
    return f"{FOLDER}/{key}"
