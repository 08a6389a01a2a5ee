"""What the points say: cost = a a batch + b a tick + c an object read + d a file written; and what a tick costs at each end. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median

import numpy as np

from tests.benchmarks.costs.points import Found, Point, Sizes

TERMS = ("batch", "tick", "object", "file")


@dataclass(frozen=True)
class Fit:
    """Seconds of each term, and by what share of the cost each point is off: above zero where it costs more than the fit says."""

    terms: Mapping[str, float]
    off: Mapping[Point, float]

    def worst(self) -> tuple[Point, float]:
        """The point that is off most."""
        return max(self.off.items(), key=lambda each: abs(each[1]))


def usual(found: Found, unit: str) -> Mapping[Point, float]:
    """The median of each point: figures are made of differences, and of least ones a lucky round of one point decides."""
    return {point: median(cost[unit] for cost in costs) for point, costs in found.items()}


def files(found: Found) -> Mapping[Point, int]:
    """That each point wrote."""
    return {point: round(max(cost["files"] for cost in costs)) for point, costs in found.items()}


def fitted(costs: Mapping[Point, float], written: Mapping[Point, int]) -> Fit:
    """Non-negative least squares of the shares by which the points are off: one second of a small batch is not one of a big batch.

    With four terms each choice of those that are not zero can be tried; the best of them that has no term below zero is the answer.
    """
    facts = np.array([(1, point.ticks, point.objects, written[point]) for point in costs], dtype=float)
    shares = facts / np.array(list(costs.values()))[:, None]
    lengths = np.linalg.norm(shares, axis=0)
    scaled = shares / np.where(lengths > 0, lengths, 1)
    found = np.zeros(len(TERMS))
    error = np.inf
    for number in range(1, len(TERMS) + 1):
        for chosen in combinations(range(len(TERMS)), number):
            tried = np.zeros(len(TERMS))
            tried[list(chosen)] = np.linalg.lstsq(scaled[:, chosen], np.ones(len(scaled)), rcond=None)[0]
            off = float(np.linalg.norm(scaled @ tried - 1))
            if (tried >= 0).all() and off < error:
                found, error = tried, off
    terms = found / np.where(lengths > 0, lengths, 1)
    said = shares @ terms
    return Fit(
        dict(zip(TERMS, map(float, terms), strict=True)),
        {point: float(1 - share) for point, share in zip(costs, said, strict=True)},
    )


@dataclass(frozen=True)
class Step:
    """From one point to the next: seconds for each one more of what differs."""

    low: Point
    high: Point
    each: float


def step(costs: Mapping[Point, float], amount: Callable[[Point], float], low: Point, high: Point) -> Step | None:
    """None where a point was not measured or nothing differs."""
    if low not in costs or high not in costs or amount(low) == amount(high):
        return None
    return Step(low, high, (costs[high] - costs[low]) / (amount(high) - amount(low)))


def steps_of_ticks(costs: Mapping[Point, float], sizes: Sizes) -> list[Step]:
    """What a tick costs: from each size to the next, and between the same two where there are few and many pairs, or trades before.

    What a few more of them cost is lost in the noise.
    """
    couples = [(low, high) for low, high in pairwise(sizes.of_ticks()) if high.ticks > sizes.few]
    couples.append((sizes.point(sizes.ticks[0]), sizes.point(sizes.low)))
    for low, high in (
        (sizes.of_pairs(sizes.low), sizes.of_pairs(sizes.high)),
        (sizes.of_tables(sizes.low), sizes.of_tables(sizes.high)),
    ):
        couples.extend(zip(low, high, strict=True))
    return [found for low, high in couples if (found := step(costs, lambda point: point.ticks, low, high))]


def steps_of_objects(costs: Mapping[Point, float], sizes: Sizes) -> list[Step]:
    """What an object costs, among fewer ones and among the most."""
    return _at_ends(costs, sizes.of_objects(), lambda point: point.objects)


def steps_of_files(costs: Mapping[Point, float], written: Mapping[Point, int], sizes: Sizes) -> list[Step]:
    """What a file costs, among fewer ones and among the most: where a batch has few ticks, lest a tick's cost is in it."""
    return _at_ends(costs, sizes.of_pairs(sizes.few), written.__getitem__)


def _at_ends(costs: Mapping[Point, float], points: Sequence[Point], amount: Callable[[Point], float]) -> list[Step]:
    couples = [(points[0], points[-2]), (points[-2], points[-1])] if len(points) > 2 else []
    return [found for low, high in couples if (found := step(costs, amount, low, high))]


def growths(costs: Mapping[Point, float], written: Mapping[Point, int], sizes: Sizes) -> dict[str, float | None]:
    """By which factor each cost is higher at the far end of a range than at its near end."""
    ticks = {(each.low, each.high): each for each in steps_of_ticks(costs, sizes)}
    fewest, low, high = (sizes.point(size) for size in (sizes.ticks[0], sizes.low, sizes.high))

    def of_ticks(near: tuple[Point, Point], far: tuple[Point, Point]) -> float | None:
        return factor(ticks.get(near), ticks.get(far))

    def across(lows: Sequence[Point], highs: Sequence[Point]) -> float | None:
        return of_ticks((lows[0], highs[0]), (lows[-1], highs[-1])) if len(lows) > 1 else None

    def at_ends(found: Sequence[Step]) -> float | None:
        return factor(found[0], found[-1]) if len(found) > 1 else None

    _, second, last = sizes.in_a_row()
    tables = sizes.of_tables(sizes.few)
    return {
        "b_growth_ticks": of_ticks((fewest, low), (low, high)),
        "b_growth_pairs": across(sizes.of_pairs(sizes.low), sizes.of_pairs(sizes.high)),
        "b_growth_table": across(sizes.of_tables(sizes.low), sizes.of_tables(sizes.high)),
        "a_growth_batches": ratio(costs.get(last), costs.get(second)),
        "a_growth_table": ratio(costs.get(tables[-1]), costs.get(tables[0])) if len(tables) > 1 else None,
        "c_growth": at_ends(steps_of_objects(costs, sizes)),
        "d_growth": at_ends(steps_of_files(costs, written, sizes)),
    }


def factor(near: Step | None, far: Step | None) -> float | None:
    """None where the near one is lost in the noise."""
    return ratio(far.each if far else None, near.each if near else None)


def ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None or below <= 0 else above / below
