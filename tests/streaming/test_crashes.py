"""Drivers that die at every step of a batch, lakes that lose what they remember: the same tables come out, in every column."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from pyspark.sql import SparkSession

from tests.support.crash import POINTS, Died, Steps
from tests.support.lines import DAY, Collector, put
from tests.support.stories import BEFORE, Story, first, interpret, second
from tests.support.stream import take
from tests.support.tables import assert_tables

PROGRESS = "control/progress/stream-trades.json"
# a crash before a step leaves what a crash after the step before it leaves; all are tried in the long run
QUICK = {("after minutes append", True)}


def crash(story: Story, point: str, objects: Sequence[str]) -> None:
    with story.driver() as query:
        query.start()
        Steps(query, at=point)
        with pytest.raises(Died):
            take(query, objects)
        # as a driver that is stopped in mid-batch ends: nothing may come of what the broken batch left in its memory
        query.close()
        query.save()


def finish(story: Story, *batches: Sequence[str]) -> None:
    """A new driver; the batches, which may have been there before; the open minutes closed; all tables compared."""
    with story.driver() as query:
        query.start()
        for objects in batches:
            take(query, objects)
        query.close()
        assert_tables(query, story.oracle, open_too=True)


CASES = [
    pytest.param(
        point,
        lost,
        id=f"{point}, progress {'lost' if lost else 'kept'}",
        marks=() if (point, lost) in QUICK else pytest.mark.long,
    )
    for point in POINTS
    for lost in (False, True)
]


@pytest.mark.parametrize(("point", "lost"), CASES)
def test_a_driver_that_dies_leaves_no_trace(story: Story, point: str, lost: bool):  # noqa: FBT001 - a case
    objects = second(story)
    story.tell(*objects)
    crash(story, point, objects)
    if lost:
        (story.lake / PROGRESS).unlink()
    finish(story, objects)


@pytest.mark.long
def test_a_lost_checkpoint_after_a_crash_in_the_middle_of_the_trades(story: Story):
    """Everything comes again, cut otherwise, and the market goes on."""
    objects = second(story)
    crash(story, "after trades", objects)
    (story.lake / PROGRESS).unlink()
    later = Collector("later-1-1")
    further = [story.put(later.aggregate(10 + number, f"10:{5 + number // 2:02}:{number * 5:02}")) for number in range(4)]
    story.tell(*first(story), *objects, *further)
    with story.driver() as query:
        query.start()
        take(query, [objects[1], *first(story)])
        take(query, [objects[2], objects[0], further[0]])
        for key in further[1:]:
            take(query, [key])
        query.close()
        assert_tables(query, story.oracle, open_too=True)


def test_lost_tables_of_minutes_are_made_anew(story: Story):
    """The progress speaks of minutes that nobody has any more."""
    shutil.rmtree(story.lake / "tables/minute_aggregates")
    finish(story)


@pytest.mark.long
def test_a_progress_that_speaks_of_another_commit_is_not_believed(story: Story):
    """As after a table was put back from a copy: the version is there, but it is not the one of the progress."""
    objects = second(story)
    story.tell(*objects)
    kept = story.lake.with_name("kept")
    shutil.copytree(story.lake, kept)
    with story.driver() as query:
        query.start()
        take(query, objects)
    progress = (story.lake / PROGRESS).read_bytes()
    shutil.rmtree(story.lake)
    kept.rename(story.lake)
    crash(story, "after minutes append", [objects[0], objects[2]])
    (story.lake / PROGRESS).write_bytes(progress)
    finish(story, objects)


@pytest.mark.long
def test_a_lost_commit_of_the_quarantine_comes_again(story: Story):
    """Nobody saw that its voids had moved ranges: the batch that comes again brings them."""
    objects = second(story)
    story.tell(*objects)
    crash(story, "before quarantine", objects)
    (story.lake / PROGRESS).unlink()
    finish(story, objects)


def lines(g: Random) -> list[bytes]:
    """Some minutes of three feeds: out of order, with holes, voids, copies, and days between."""
    told, bitso = [Collector("test-1-1"), Collector("test-1-2")], Collector("test-1-3")
    found: list[tuple[float, bytes]] = []
    for collector, pair in zip(told, ("BTC-USDT", "ETH-USDT"), strict=True):
        second = 0
        for id_ in range(1, 30):
            second += g.choice([0, 1, 20, 45, 70])
            if g.random() < 0.15:
                continue  # never received
            at, day = f"1{second // 3600}:{second // 60 % 60:02}:{second % 60:02}", BEFORE if g.random() < 0.05 else DAY
            void = {"price": "0", "fills": (-1, -1)} if g.random() < 0.1 else {"price": f"{100 + id_}.5"}
            found.extend(
                (second + g.choice([0, 0, 0, 300]), collector.aggregate(id_, at, day=day, pair=pair, late=90_000, **void))
                for _ in range(g.choice([1, 1, 1, 2]))
            )
    found.extend(
        (number * 60, bitso.bitso([3 * number + 1, 3 * number + 2], f"10:{number + g.choice([0, 3]):02}:00"))
        for number in range(10)
    )
    return [line for _, line in sorted(found, key=lambda one: one[0])]


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(6))
def test_any_lake_whose_drivers_die_anywhere(spark: SparkSession, lake: Path, seed: int):
    interpret(spark)
    g, story = Random(seed), Story(spark, lake)  # noqa: S311 - a lake, not a secret
    rest = lines(g)
    batches: list[list[str]] = []
    while rest:
        size = g.choice([5, 15, 40])
        mine = [line for line in rest[:size] if b"bitso" not in line]
        others = [line for line in rest[:size] if b"bitso" in line]
        batches.append([put(lake, part, venue=venue) for part, venue in ((mine, "binance"), (others, "bitso")) if part])
        rest = rest[size:]
    for number, objects in enumerate(batches):
        story.tell(*objects)
        while True:
            try:
                with story.driver() as query:
                    query.start()
                    if number and g.random() < 0.2:
                        take(query, batches[g.randrange(number)])  # the checkpoint forgot it
                    if g.random() < 0.5:
                        Steps(query, at=g.choice(POINTS))
                    take(query, objects)
                break
            except Died:
                if g.random() < 0.3:
                    (lake / PROGRESS).unlink(missing_ok=True)
    finish(story)
