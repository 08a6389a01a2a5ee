"""The simulated order books: a book is a function of the seed and the time, so a snapshot and the changes after it agree.

A book lives in steps. The best bid and ask stand around the last trade, other levels stand on a grid below and above; a level's
quantity is a function of its price and of the last step at which it was its turn to change.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Literal, NamedTuple

from ingest.simulator.listings import Listing
from ingest.simulator.ticks import MINUTE, level, ticks

STEP = 50_000  # microseconds
DEPTH = 1000  # levels a side
_TURN = 97  # steps after which it is a level's turn again
_MASK = 2**64 - 1

Side = Literal["bid", "ask"]


class Level(NamedTuple):
    """So much at a price; 0: nothing."""

    price: int
    quantity: int
    since: int  # the step at which the quantity became what it is


class Book(NamedTuple):
    """Both sides, or what changed on them; the best first."""

    bids: list[Level]
    asks: list[Level]


def book(listing: Listing, seed: int, step: int, depth: int = DEPTH) -> Book:
    """The book at a step."""
    bid = best_bid(listing, seed, step)
    bids, asks = (
        [_level(listing, seed, side, price, step, bid) for price in islice(_prices(listing, side, bid), depth)] for side in _SIDES
    )
    return Book(bids, asks)


def changes(listing: Listing, seed: int, before: int, step: int) -> Book:
    """The levels that are not what they were at the step `before`."""
    found = differences(listing, seed, before, step)
    return Book(*([new for _, new in side] for side in found))


def differences(
    listing: Listing, seed: int, before: int, step: int
) -> tuple[list[tuple[Level, Level]], list[tuple[Level, Level]]]:
    """What each level that changed was and is, on both sides; the best first."""
    was, now = best_bid(listing, seed, before), best_bid(listing, seed, step)
    bids, asks = (
        [
            (old, new)
            for price in sorted(_may_differ(listing, side, (before, was), (step, now)), reverse=side == "bid")
            for old, new in [(_level(listing, seed, side, price, before, was), _level(listing, seed, side, price, step, now))]
            if old != new and (old.quantity or new.quantity)
        ]
        for side in _SIDES
    )
    return bids, asks


def best_bid(listing: Listing, seed: int, step: int) -> int:
    """The best bid's price at a step; the best ask is one above."""
    minute, place = divmod(step, MINUTE // STEP)
    return _best_bids(listing, seed, minute)[place]


_SIDES: tuple[Side, Side] = ("bid", "ask")


@lru_cache(maxsize=256)
def _best_bids(listing: Listing, seed: int, minute: int) -> tuple[int, ...]:
    """At each step of a minute: where a seller found it, or one below where a buyer found the ask, in the last trade."""
    happened = ticks(listing, seed, minute)
    times = [tick.at for tick in happened]
    bids = [level(listing, seed, minute), *(tick.price - tick.is_buy for tick in happened)]
    return tuple(max(1, bids[bisect_left(times, minute * MINUTE + at)]) for at in range(0, MINUTE, STEP))


def _grid(listing: Listing) -> int:
    return 1 + listing.price // 160_000


def _window(listing: Listing, side: Side, bid: int) -> range:
    """Which multiples of the grid stand on a side, beside its best."""
    grid = _grid(listing)
    if side == "bid":
        last = (bid - 1) // grid
        return range(max(1, last - DEPTH + 2), last + 1)
    first = (bid + 1) // grid + 1
    return range(first, first + DEPTH - 1)


def _prices(listing: Listing, side: Side, bid: int) -> Iterator[int]:
    """The best first."""
    grid, window = _grid(listing), _window(listing, side, bid)
    yield bid if side == "bid" else bid + 1
    yield from (grid * place for place in (reversed(window) if side == "bid" else window))


def _level(listing: Listing, seed: int, side: Side, price: int, step: int, bid: int) -> Level:  # noqa: PLR0913, PLR0917 - all of it decides
    grid = _grid(listing)
    since = step - (step - price // grid) % _TURN
    is_best = price == (bid if side == "bid" else bid + 1)
    if not is_best and (price % grid or price // grid not in _window(listing, side, bid)):
        return Level(price, 0, since)
    mixed = (price * 0x9E3779B97F4A7C15 + since * 0xC2B2AE3D27D4EB4F + _salt(listing, seed, side)) & _MASK
    mixed = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9 & _MASK
    return Level(price, max(1, listing.quantity * (1 + (mixed >> 32) % 1000) // 100), since)


def _may_differ(listing: Listing, side: Side, before: tuple[int, int], after: tuple[int, int]) -> set[int]:
    """Prices whose turn it was, that came or went at either end of the window, and the best ones."""
    grid = _grid(listing)
    old, new = _window(listing, side, before[1]), _window(listing, side, after[1])
    low, high = min(old.start, new.start), max(old.stop, new.stop)
    places = set(range(min(old.start, new.start), max(old.start, new.start)))
    places.update(range(min(old.stop, new.stop), max(old.stop, new.stop)))
    for turn in range(before[0] + 1, min(after[0], before[0] + _TURN) + 1):
        places.update(range(low + (turn - low) % _TURN, high, _TURN))
    best = 0 if side == "bid" else 1
    return {grid * place for place in places} | {before[1] + best, after[1] + best}


@lru_cache(maxsize=256)
def _salt(listing: Listing, seed: int, side: Side) -> int:
    return zlib.crc32(f"{seed}/{listing.name}/book/{side}".encode()) << 20
