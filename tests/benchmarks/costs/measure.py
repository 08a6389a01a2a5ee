"""Who is asked for what, in which order. Nothing is computed here but what was measured."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.costs.landing import START, Wanted, batches
from tests.benchmarks.costs.points import Cost, Found, Point, Sizes
from tests.benchmarks.costs.table import table
from tests.benchmarks.worker import Worker


@dataclass(frozen=True)
class Lakes:
    """Fresh lakes, one after the other; on each, batches are measured and their rows compared with DuckDB's."""

    stream: Worker
    duck: Worker
    folder: Path
    tell: Callable[[str], None]

    def measured(self, sizes: Sizes) -> Found:
        """Every point as often as asked, in rounds, so that a slow moment of the machine falls on all alike."""
        self.make(sizes)
        found: dict[Point, list[Cost]] = {}
        for number in range(-sizes.warm_up, sizes.repeats):
            for point in sizes.alone():
                cost = self.batches(wanted(point), point.behind)[-1]
                self.tell(f"{'warm-up' if number < 0 else f'round {number + 1}'}: {said(point, cost)}")
                if number >= 0:
                    found.setdefault(point, []).append(cost)
        first, _, last = sizes.in_a_row()
        row = self.batches(Wanted(first.ticks, first.pairs, first.objects, batches=sizes.batches, begun=False))
        found[last] = list(row[-sizes.repeats :])
        alone = Wanted(first.ticks, first.pairs, first.objects, begun=False)
        found[first] = [row[0], *(self.batches(alone)[0] for _ in range(sizes.repeats - 1))]
        for point in (first, last):
            self.tell(f"in a row: {said(point, min(found[point], key=lambda cost: cost['cpu']))}")
        return found

    def make(self, sizes: Sizes) -> None:
        """Tables and objects, the first time."""
        for point in sizes.alone():
            if point.behind:
                table(point.behind, point.pairs)
            batches(wanted(point))

    def batches(self, asked: Wanted, behind: int = 0) -> Sequence[Cost]:
        """Each batch's cost, on a lake that is gone when its rows are known to be right."""
        objects, out = batches(asked), self.folder / "costs"
        expected = self.folder / f"duck-{objects.root.name}"
        if not expected.exists():
            self.duck.ask("round", landing=f"{objects.root}/big/landing/**/*.gz", out=str(expected))
        laid = str(table(behind, asked.pairs)) if behind else None
        found: Sequence[Cost] = self.stream.ask(
            "costs", out=str(out), landing=str(objects.root), batches=objects.keys, table=laid
        )
        self.duck.ask("compare", lake=str(out), out=str(expected), since=f"{SINCE:%Y-%m-%d %H:%M:%S}+00" if behind else None)
        shutil.rmtree(out)
        return found


SINCE = datetime.fromtimestamp(START // 1_000_000, UTC)


def wanted(point: Point) -> Wanted:
    """The objects of a point's batch, and of the small one before it."""
    return Wanted(point.ticks, point.pairs, point.objects, after=point.behind // point.pairs)


def said(point: Point, cost: Cost) -> str:
    """For whoever watches."""
    return f"{point}: cpu {cost['cpu']:.2f} wall {cost['wall']:.2f}, {cost['files']} files"
