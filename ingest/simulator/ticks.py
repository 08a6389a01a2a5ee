"""The simulated market as numbers: a minute of a listing is a function of the seed, the listing and the minute.

So a simulator that is started again goes on with the same market, same ids and all; and nothing is kept between minutes.
"""

import zlib
from bisect import bisect_right
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import accumulate
from random import Random
from typing import NamedTuple

from ingest.simulator.listings import Listing

MINUTE = 60_000_000  # in microseconds, as all times of the market
_WAVES = ((1440, 0.04), (360, 0.02), (60, 0.008), (15, 0.004), (5, 0.002), (1, 0.001))  # minutes, share of the price
_PATTERN = 1024  # after so many ticks the numbers of fills repeat


class Tick(NamedTuple):
    """What a taker's order took at one price."""

    number: int  # dense
    first_fill: int  # dense but for what the insurance fund filled, which no aggregate shows
    fills: int
    at: int
    price: int
    quantity: int
    is_buy: bool  # the taker's side
    goes_on: bool  # the same order took the tick before


def ticks(listing: Listing, seed: int, minute: int) -> list[Tick]:
    """All ticks of a minute (counted from 1970), in order."""
    random = Random(f"{seed}/{listing.name}/{minute}").random  # noqa: S311 - a game, and it has to be repeatable
    hour, place = divmod(minute, 60)
    counts = _hour(listing, seed, hour)
    number = hour * listing.ticks_per_hour + counts[place]
    times = _times(counts[place + 1] - counts[place], minute * MINUTE, random)
    price, goal = level(listing, seed, minute), level(listing, seed, minute + 1)
    noise = 1 + listing.price // 40_000
    starts, fills, span = _fills(listing, seed)
    found: list[Tick] = []
    is_buy = goes_on = False
    at = 0
    for left, time in zip(range(len(times), 0, -1), times, strict=True):
        if goes_on:
            price += 1 + int(random() * 3) if is_buy else -1 - int(random() * 3)
        else:
            at, is_buy = time, random() < 0.5  # noqa: PLR2004 - a chance
            price += (goal - price) // left + int((random() - 0.5) * 2 * noise)
        price = max(price, 1)
        rounds, index = divmod(number, _PATTERN)
        quantity = max(fills[index], int(listing.quantity * (0.2 + 0.1 / (random() + 0.003))))
        found.append(
            Tick(number, rounds * span + starts[index], fills[index], at, price + is_buy, quantity, is_buy, goes_on=goes_on)
        )
        goes_on = random() < 0.15  # noqa: PLR2004 - a chance
        number += 1
    return found


def minute_of(listing: Listing, seed: int, number: int) -> int:
    """The minute of a tick, by its number."""
    hour, rest = divmod(number, listing.ticks_per_hour)
    return hour * 60 + bisect_right(_hour(listing, seed, hour), rest) - 1


def minute_of_fill(listing: Listing, seed: int, fill: int) -> int:
    """The minute of a fill, by its id; of a fill that no aggregate shows: the minute of the tick before it."""
    starts, _, span = _fills(listing, seed)
    rounds, rest = divmod(fill, span)
    return minute_of(listing, seed, rounds * _PATTERN + bisect_right(starts, rest) - 1)


def _times(count: int, start: int, random: Callable[[], float]) -> list[int]:
    """A third of the ticks come in three bursts of half a second."""
    bursts = [int(random() * (MINUTE - 500_000)) for _ in range(3)]
    spread = [
        bursts[int(random() * 3)] + int(random() * 500_000) if random() < 0.33 else int(random() * MINUTE)  # noqa: PLR2004 - a chance
        for _ in range(count)
    ]
    return [start + time for time in sorted(spread)]


@lru_cache(maxsize=256)
def _hour(listing: Listing, seed: int, hour: int) -> list[int]:
    """How many ticks have passed at each of an hour's 61 minute edges. Each hour has as many, so numbers need no memory."""
    random = Random(f"{seed}/{listing.name}/hour/{hour}")  # noqa: S311 - to come again, not to be secret
    weights = list(accumulate((random.choice((2, 2, 3, 3, 4, 5, 9)) for _ in range(60)), initial=0))
    return [listing.ticks_per_hour * weight // weights[-1] for weight in weights]


@cache
def _fills(listing: Listing, seed: int) -> tuple[list[int], list[int], int]:
    """First fill and number of fills of each tick of the pattern, and the fills of the whole pattern."""
    random = Random(f"{seed}/{listing.name}/fills")  # noqa: S311 - to come again, not to be secret
    fills = [random.choice((1, 1, 1, 1, 2, 2, 3, 5)) for _ in range(_PATTERN)]
    hidden = [random.choice((1, 3)) if listing.market == "usdm" and random.random() < 0.01 else 0 for _ in range(_PATTERN)]  # noqa: PLR2004 - a chance
    ends = list(accumulate(a + b for a, b in zip(fills, hidden, strict=True)))
    return [end - count for end, count in zip(ends, fills, strict=True)], fills, ends[-1]


@lru_cache(maxsize=1024)
def level(listing: Listing, seed: int, minute: int) -> int:
    """The price at a minute's edge: slow and fast waves with hashed crests look like a random walk and need no past."""
    base, quote = listing.pair.split("-")
    asset = listing.pair if quote == "BTC" else base  # what it is worth moves on all venues together
    drift = 0.0
    for length, share in _WAVES:
        index, part = divmod(minute, length)
        here, there = (_uniform(f"{seed}/{asset}/{length}/{at}") for at in (index, index + 1))
        drift += share * (here + (there - here) * part / length - 0.5)
    return int(listing.price * (1 + drift))


def _uniform(name: str) -> float:
    return zlib.crc32(name.encode()) / 2**32
