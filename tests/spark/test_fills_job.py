"""The job: after any history of the books the fills are what walking all of them gives, and nothing else was written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.landing import Files
from jobs import fills
from jobs.runtime.changes import Taken
from jobs.runtime.lease import Lease, LeaseHeld
from jobs.runtime.live import Live, TableError
from tests.support.fills import Row, book
from tests.support.shelf import KEY, NOTIONALS, Shelf
from tests.support.stories import interpret

PROGRESS = "control/progress/fills.json"
NOTHING = {"fills": 0, "written": 0, "removed": 0, "cut": 0, "unfit": 0}
COINBASE = {"venue": "coinbase", "pair": "BTC-USD"}
FUTURES = {"market": "usdm", "pair": "ETH-USDT", "levels": 2}
MAY = "2026-05-01"
BIDS, ASKS = ["59999.9 0.5", "59990 0.25", "59000 7"], ["60000.1 0.5", "60010 0.25", "61000 7"]


def first() -> list[Row]:
    """Three markets over a month's edge; one is asked for two levels, and does not have enough on them; one book is crossed."""
    times = (("10:00", "2026-04-30"), ("23:49", "2026-04-30"), ("00:05", MAY))
    bitcoin = [book(f"{at}:00", BIDS, ASKS, day=day) for at, day in times]
    ether = [book("23:50:00", ["3000 1", "2999 1"], ["3001 1", "3002 1"], **FUTURES)]
    dollars = [book("23:50:00", [], ASKS, **COINBASE), book("23:50:10", ["60001"], ["60000"], **COINBASE)]
    return [*bitcoin, *ether, *dollars]


@pytest.fixture(scope="module")
def begun(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a first run done, to be copied."""
    interpret(spark)
    there = Shelf(spark, tmp_path_factory.mktemp("begun"))
    there.books.append(first()[:1])  # a file of its own
    there.books.append(first()[1:])
    assert there.run() == {"books": "all", "fills": 24, "written": 24, "removed": 0, "cut": 4, "unfit": 0}
    there.check()
    return there.lake


@pytest.fixture
def there(begun: Path, spark: SparkSession, lake: Path) -> Shelf:
    interpret(spark)
    shutil.copytree(begun, lake, dirs_exist_ok=True)
    made = Shelf(spark, lake)
    made.books.take(first())
    return made


def test_nothing_new_is_nothing_written(there: Shelf, lake: Path, capsys: pytest.CaptureFixture[str]):
    """By the command line: the summary, and the record of the run."""
    conf = lake.parent / "conf.yaml"
    # the same amounts in another order, one of them written otherwise
    conf.write_text(f"lake: {lake}\ningest: {{collector: test}}\njobs: {{fills: {{notionals: [100000.0, 50000]}}}}\n")
    before, progress = there.version, (lake / PROGRESS).read_bytes()
    assert fills.main(["--conf", str(conf), "--run", "second"]) == 0
    assert capsys.readouterr().out == "fills: changed books, 0 fills, 0 written, 0 removed, 0 cut, 0 unfit\n"
    record = json.loads((lake / "control/runs/fills/second.json").read_text())
    expected = NOTHING | {"job": "fills", "run": "second", "code": 0, "books": "changed"}
    assert {name: record[name] for name in expected} == expected
    assert (there.version, (lake / PROGRESS).read_bytes()) == (before, progress)
    assert there.run(rebuild=True) == NOTHING | {"books": "all", "fills": 24}
    assert there.version == before


def test_new_books_are_added_and_no_other_is_written_again(there: Shelf):
    """Also one that came late, between two others of the same minute."""
    files = set((there.lake / "tables/fills").rglob("*.parquet"))
    there.books.append(
        [book("23:49:30", BIDS, ASKS), book("00:06:00", BIDS, ASKS, day=MAY), book("23:50:05", BIDS, ASKS, **COINBASE)]
    )
    told = there.run()
    there.check()
    assert told == NOTHING | {"books": "changed", "fills": told["fills"], "written": 12}
    assert set((there.lake / "tables/fills").rglob("*.parquet")) > files
    log = (there.lake / f"tables/fills/_delta_log/{there.version:020}.json").read_text()
    assert '"remove"' not in log
    assert '"order_books\\":3' in log.replace(" ", "")  # says of which version of the books it is


def test_a_repair_of_the_books_is_one_of_the_fills(there: Shelf):
    """After a foreign writer: some stand twice until the repair; then one is gone, another one is another one."""
    gone, kept = (book(f"{at}:00", BIDS, ASKS, day=day) for at, day in (("23:49", "2026-04-30"), ("00:05", MAY)))
    new = book("00:06:00", BIDS, ASKS, day=MAY)
    there.books.live.append(there.books.frame([kept, new, *there.books.take([new])]))
    assert there.run()["written"] == 4
    there.check()
    other = kept | {"asks": kept["asks"][1:], "best_ask": None}
    there.books.overwrite([other, gone | {"recv_ts": gone["ts"].replace(minute=48)}], "BTC-USDT")
    told = there.run()
    there.check()
    assert (told["written"], told["removed"]) == (2 + 4, 4 + 4 + 4)  # what is asked is another one; what is bid is not


def test_a_book_that_is_another_one_takes_no_other_with_it(there: Shelf):
    """Of its month nothing else is walked, and nothing else goes."""
    there.books.merge([book("23:49:00", BIDS, ASKS[1:])])
    assert there.run() == NOTHING | {"books": "changed", "fills": 4, "written": 4}
    there.check()


@pytest.mark.parametrize("point", ["after the fills", pytest.param("before the fills", marks=pytest.mark.long)])
def test_a_run_that_dies_leaves_no_trace(there: Shelf, monkeypatch: pytest.MonkeyPatch, point: str):
    there.books.append([book("23:51:00", BIDS, ASKS), book("00:07:00", BIDS, ASKS, day=MAY, **COINBASE)])
    before, progress = there.version, (there.lake / PROGRESS).read_bytes()

    def die(*_: object, **__: object) -> None:
        raise RuntimeError(point)

    with monkeypatch.context() as patch:
        patch.setattr(*((Live, "append", die) if point == "before the fills" else (Taken, "save", die)))
        with pytest.raises(RuntimeError, match=point):
            there.run()
    is_written = point == "after the fills"
    assert (there.version, (there.lake / PROGRESS).read_bytes()) == (before + is_written, progress)
    assert there.run() == NOTHING | {"books": "changed", "fills": 8, "written": 0 if is_written else 8}
    there.check()
    assert there.version == before + 1


def lose_the_log(there: Shelf) -> None:
    there.books.lose_log()


def lose_the_fills(there: Shelf) -> None:
    shutil.rmtree(there.lake / "tables/fills")


def lose_the_progress(there: Shelf) -> None:
    (there.lake / PROGRESS).unlink()


def change_the_fills(there: Shelf) -> None:
    """By hand: one is deleted, another doubled, a third one changed."""
    where = f"delta.`{there.lake}/tables/fills`"
    for statement in (
        f"DELETE FROM {where} WHERE pair = 'ETH-USDT' AND side = 'buy'",  # noqa: S608 - ours
        f"INSERT INTO {where} SELECT * FROM {where} WHERE pair = 'BTC-USDT' AND side = 'sell'",  # noqa: S608 - ours
        f"UPDATE {where} SET cost = 1 WHERE pair = 'BTC-USD'",  # noqa: S608 - ours
    ):
        there.spark.sql(statement)


@pytest.mark.long
@pytest.mark.parametrize("lose", [lose_the_log, lose_the_fills, lose_the_progress, change_the_fills])
def test_where_nobody_can_tell_what_changed_all_books_are_walked(there: Shelf, lose: Callable[[Shelf], None]):
    there.books.append([book("23:51:00", BIDS, ASKS)])
    lose(there)
    assert there.run()["books"] == "all"
    there.check()
    assert there.run() == NOTHING | {"books": "changed"}


def test_other_amounts_are_other_fills(there: Shelf):
    told = there.run(notionals=[50_000, 2_500.5])
    assert (told["books"], told["written"], told["removed"]) == ("all", 12, 12)
    there.check([50_000, 2_500.5])


@pytest.mark.long
def test_books_that_only_moved_are_no_change(there: Shelf):
    there.books.append([book("23:51:00", BIDS, ASKS)])
    there.run()
    there.books.optimize()
    before = there.version
    assert there.run() == NOTHING | {"books": "changed"}
    assert there.version == before


@pytest.mark.long
def test_without_a_book_there_is_no_fill(there: Shelf):
    there.books.overwrite([])
    assert there.run() == NOTHING | {"books": "changed", "removed": 24}
    there.check()


def test_two_runs_do_not_meet(there: Shelf):
    lease = Lease(Files(there.lake), "fills", "another", ttl=3600)
    lease.take()
    with pytest.raises(LeaseHeld, match=r"control/lease/fills\.json: another writes these tables; stop it first"):
        there.run()
    lease.release()


def test_without_books_it_says_what_makes_them(there: Shelf):
    shutil.rmtree(there.books.live.path)
    with pytest.raises(
        TableError, match=r"tables/order_books is not there yet: the stream makes it; run \./spark-submit\.sh stream"
    ):
        there.run()


# --- any history


TIMES = [("2026-04-30", "23:49:00"), ("2026-04-30", "23:49:59.999999"), ("2026-04-30", "23:55:00"), (MAY, "00:00:00")]
TIMES += [(MAY, "00:05:00"), (MAY, "12:00:00"), ("2026-06-01", "00:00:00")]
MARKETS = [{}, {}, COINBASE, FUTURES, {"venue": "coinbase"}]


def drawn(g: Random) -> list[Row]:
    """Some books, new or in the place of what is there."""
    found: dict[tuple[Any, ...], Row] = {}
    for _ in range(g.choice([1, 3, 6])):
        day, at = g.choice(TIMES)
        sides = [
            [f"{g.randrange(10**8)}.{g.randrange(10**6)} {g.randrange(10)}.{g.randrange(10**8)}" for _ in "123"] for _ in "ab"
        ]
        low, high = (sorted(side, key=lambda text: float(text.split()[0])) for side in sides)
        row = book(at, low[:: -1 if g.random() < 0.9 else -9], high[: g.choice([0, 3, 3])], day=day, **g.choice(MARKETS))
        found[tuple(row[name] for name in KEY)] = row
    return list(found.values())


def change(g: Random, there: Shelf) -> None:
    new = [row for row in drawn(g) if tuple(row[name] for name in KEY) not in there.books.rows]
    kind = g.choice(["append", "append", "append", "merge", "repair", "start over", "delete", "optimize"])
    if kind == "repair":
        pair = g.choice(["BTC-USDT", "BTC-USD", "ETH-USDT"])
        kept = [row for row in there.books.rows.values() if row["pair"] == pair and g.random() < 0.8]
        there.books.overwrite([*kept, *(row for row in new if row["pair"] == pair)], pair)
    elif kind == "start over":
        there.books.overwrite([*(row for row in there.books.rows.values() if g.random() < 0.8), *new])
    elif kind == "delete" and there.books.rows:
        key = g.choice(sorted(there.books.rows, key=str))
        told = " AND ".join(f"{name} = {str(value)!r}" for name, value in zip(KEY, key, strict=True))
        there.books.delete(told, [key])
    elif kind == "optimize":
        there.books.optimize()
    elif kind == "merge":
        there.books.merge(drawn(g))
    else:
        there.books.append(new)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 104))
def test_after_any_history_the_fills_are_what_all_books_say(there: Shelf, seed: int):
    g = Random(seed)  # noqa: S311 - a lake, not a secret
    for _ in range(6):
        for _ in range(g.choice([1, 1, 2])):
            change(g, there)
        assert there.run(notionals=NOTIONALS)["books"] == "changed"
        there.check()
