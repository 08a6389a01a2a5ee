"""What is measured: batches that differ in one thing at a time. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


class Point(NamedTuple):
    """A batch, by all that its cost may depend on."""

    ticks: int
    pairs: int
    objects: int  # that it reads
    behind: int = 0  # trades that were in the table before
    number: int = 2  # which batch of its lake it is; the one before it is a small one of the same pairs

    def __str__(self) -> str:
        before = f", {self.behind:,} trades before" if self.behind else ""
        return f"{self.ticks:,} ticks, {self.pairs} pairs, {self.objects:,} objects{before}, batch {self.number}"


Cost = Mapping[str, float]  # processor and wall seconds of a batch, and the files that it wrote
Found = Mapping[Point, Sequence[Cost]]


@dataclass(frozen=True)
class Sizes:
    """The ranges. A batch has the usual pairs and the fewest objects, unless these are what varies."""

    ticks: Sequence[int] = (100, 1_000, 10_000, 100_000, 1_000_000)
    pairs: Sequence[int] = (1, 20, 100, 200)
    objects: Sequence[int] = (10, 100, 1_000, 4_000, 10_000)
    behind: Sequence[int] = (1_000_000, 10_000_000, 100_000_000)
    few: int = 10_000  # ticks of a batch in which they matter little
    low: int = 100_000  # ticks between which a tick's cost is taken where something else varies: fewer are lost in the noise
    high: int = 1_000_000
    usual_pairs: int = 4
    batches: int = 100  # in a row on one lake
    repeats: int = 5
    warm_up: int = 1  # rounds before them, over all points

    def up_to(self, most: int) -> "Sizes":
        """Without what is above so many ticks, objects or trades in the table."""
        ticks, objects, behind = ([size for size in sizes if size <= most] for sizes in (self.ticks, self.objects, self.behind))
        few, low, high = (min(size, most) for size in (self.few, self.low, self.high))
        return replace(self, ticks=ticks, objects=objects, behind=behind, few=few, low=low, high=high)

    # ------------------------------------------------------------------ points, by what varies

    def of_ticks(self) -> list[Point]:
        return [self.point(ticks) for ticks in self.ticks]

    def of_pairs(self, ticks: int) -> list[Point]:
        return [self.point(ticks)._replace(pairs=pairs) for pairs in self.pairs]

    def of_objects(self) -> list[Point]:
        return [self.point(self.low)._replace(objects=objects) for objects in self.objects]

    def of_tables(self, ticks: int) -> list[Point]:
        return [self.point(ticks)._replace(behind=behind) for behind in self.behind]

    def in_a_row(self) -> list[Point]:
        """The first, the second and the last of a row of the smallest batches; the second is one of `of_ticks`."""
        return [self.point(self.ticks[0])._replace(number=number) for number in (1, 2, self.batches)]

    def point(self, ticks: int) -> Point:
        return Point(ticks, self.usual_pairs, self.objects[0])

    def alone(self) -> list[Point]:
        """Each point that is measured on a lake of its own, once."""
        varied = [points(ticks) for points in (self.of_pairs, self.of_tables) for ticks in (self.low, self.high)]
        found = [
            *self.of_ticks(),
            *self.of_pairs(self.few),
            *self.of_objects(),
            *self.of_tables(self.few),
            *(point for points in varied for point in (points[:1] + points[-1:])),  # the ends are enough
        ]
        return list(dict.fromkeys(found))


FULL = Sizes()
# a batch, one with a table before it, and a row of three, on next to nothing: for the test
SMOKE = Sizes((40,), (), (2,), (240,), few=40, low=40, high=40, usual_pairs=2, batches=3, repeats=1, warm_up=0)
