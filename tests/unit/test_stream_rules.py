"""Thousands of lakes with dying drivers, against what plain sets say of their trades."""

from collections import defaultdict
from collections.abc import Iterator
from random import Random

import pytest

from tests.support.crash import Died
from tests.support.world import BITSO, FEEDS, Driver, Feed, Item, Lake, Row, dense


def truth(lake: Lake) -> dict[tuple[Feed, int], Row]:
    """The minutes, from sets of ids."""
    found: dict[tuple[Feed, int], Row] = {}
    seen = {item.key for version in lake.quarantine for item, why in version if why == "void"} | {item.key for item in lake.rows}
    for feed in FEEDS:
        rows = sorted((item for item in lake.rows if item.feed == feed), key=lambda item: item.id)
        parts: dict[int, list[tuple[Item, int, bool]]] = defaultdict(list)
        for before, item, after in zip([None, *rows][: len(rows)], rows, [*rows, None][1:], strict=True):
            below = None if before is None else sum((feed, id_) not in seen for id_ in range(before.id + 1, item.id))
            above = None if after is None else sum((feed, id_) not in seen for id_ in range(item.id + 1, after.id))
            parts[item.minute].append((item, below or 0, below == 0 and above == 0))
        for minute, here in parts.items():
            said = (sum(one[1] for one in here), all(one[2] for one in here)) if dense(feed) else (None, None)
            trades = tuple(sorted((item.id, item.quarter, item.value) for item, _, _ in here))
            found[feed, minute] = Row(trades, *said, minute < max(parts))
    return found


def check(lake: Lake, taken: dict[int, Item], *, is_end: bool) -> None:
    keys = [item.key for item in lake.rows]
    assert len(keys) == len(set(keys)), "a key twice in trades"
    refused = {item.uid: why for version in lake.quarantine for item, why in version}
    assert len(refused) == sum(map(len, lake.quarantine)), "an item twice in quarantine"
    assert not refused.keys() & {item.uid for item in lake.rows}, "an item both in trades and in quarantine"
    won = {item.key: item for item in lake.rows}
    for item in taken.values():
        if item.is_void:
            assert refused.get(item.uid) == "void"
        elif item.key not in won:
            assert refused.get(item.uid) == "conflict", f"lost: {item}"
        elif won[item.key].uid != item.uid:
            assert won[item.key].is_like(item) or refused.get(item.uid) == "conflict", f"no trace of {item}"
    should = truth(lake)
    for key, rows in lake.minutes.items():
        assert rows in ([], [should.get(key)]), f"{key}: {rows}, not {should.get(key)}"
    missing = [key for key, row in should.items() if not lake.minutes.get(key) and (row.closed or is_end)]
    assert not missing, f"no row: {missing}"


def market(g: Random) -> list[Item]:
    """What three venues send, out of order here and there, with voids, copies and conflicts."""
    items: list[tuple[float, Item]] = []
    for feed in g.sample(FEEDS, g.choice([1, 1, 2, 3])):
        quarter, id_ = g.randint(0, 12), g.randint(5, 9)
        for _ in range(g.randint(2, 14)):
            quarter += g.choice([0, 0, 1, 1, 2, 3, g.randint(4, 30)])
            id_ += g.randint(1, 5) if feed == BITSO else 1
            if feed != BITSO and g.random() < 0.15:
                continue  # never received
            at = quarter if g.random() < 0.85 else max(0, quarter + g.randint(-40, 3))
            is_void = feed != BITSO and g.random() < 0.1
            items.append((quarter, Item(len(items), feed, id_, at, g.randint(1, 9), is_void)))
            while g.random() < 0.2:
                copy = items[-1][1]._replace(uid=len(items))
                change = g.random()
                if change < 0.25:
                    copy = copy._replace(value=copy.value + 100)
                elif change < 0.45:
                    copy = copy._replace(quarter=max(0, copy.quarter + g.choice([-5, -1, 1, 5, 20])))
                items.append((quarter + g.choice([0, 3, 50]), copy))
    disorder = g.choice([0, 2, 8, 100])
    return [item for _, item in sorted(items, key=lambda one: (one[0] + g.uniform(0, disorder), one[1].uid))]


def cut(g: Random, items: list[Item]) -> Iterator[list[Item]]:
    while items:
        size = g.choice([1, 1, 2, 3, 5, 9])
        yield items[:size]
        items = items[size:]


class Life:
    """A checkpoint and a driver over a lake; both may be lost."""

    def __init__(self, g: Random) -> None:
        self.g = g
        self.lake = Lake()
        self.driver: Driver | None = None
        self.taken: dict[int, Item] = {}

    def run(self, steps: Iterator[str], dies: int | None) -> None:
        for number, _ in enumerate(steps):
            if number == dies:
                self.driver = None
                raise Died

    def started(self, dies: int | None = None) -> Driver:
        if self.driver is None:
            driver = Driver(self.lake)
            self.run(driver.start(), dies)
            self.driver = driver
        return self.driver

    def take(self, items: list[Item], dies: int | None) -> None:
        """A batch, again and again until a driver survives it."""
        while True:
            if self.g.random() < 0.15:
                self.lake.progress, self.driver = None, None
            try:
                driver = self.started(dies if self.g.random() < 0.3 else None)
                self.run(driver.batch(items), dies)
            except Died:
                dies = self.g.choice([None, None, self.g.randint(0, 12)])
                continue
            self.taken |= {item.uid: item for item in items}
            check(self.lake, self.taken, is_end=False)
            return


def live(seed: int) -> None:
    g = Random(seed)  # noqa: S311 - a world, not a secret
    life, items = Life(g), market(g)
    troubled = g.random() < 0.7
    batches = list(cut(g, items))
    for number, batch in enumerate(batches):
        life.take(batch, g.randint(0, 12) if troubled and g.random() < 0.4 else None)
        if g.random() < 0.1:
            life.run(life.started().close(), None)
            check(life.lake, life.taken, is_end=True)
        if troubled and g.random() < 0.1:  # the checkpoint is lost: all comes again, cut otherwise, in another order
            again = [item for done in batches[: number + 1] for item in done]
            if g.random() < 0.5:
                g.shuffle(again)
            life.driver = None
            for part in cut(g, again):
                life.take(part, None)
    life.run(life.started().close(), None)
    check(life.lake, life.taken, is_end=True)


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 2000), *(pytest.param(start, start + 5000, marks=pytest.mark.long) for start in range(2000, 102_000, 5000))],
)
def test_whatever_happens_the_tables_are_what_the_trades_say(start: int, end: int):
    for seed in range(start, end):
        try:
            live(seed)
        except AssertionError as error:
            raise AssertionError(f"live({seed}): {error}") from error
