"""The job: after any history of the minutes the bars are what one look at all of them gives, and nothing else was written."""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.landing import Files
from ingest.settings import settings
from jobs import bars
from jobs.runtime import lake as lakes
from jobs.runtime.changes import Taken
from jobs.runtime.lease import Lease, LeaseHeld
from jobs.runtime.live import Live, TableError
from tests.support.bars import Row, minute
from tests.support.lines import moment
from tests.support.minutes import KEY, Chart
from tests.support.stories import interpret

PROGRESS = "control/progress/bars.json"
NOTHING = {"bars": 0, "written": 0, "removed": 0, "unfit": 0}
BITSO = {"venue": "bitso", "pair": "BTC-MXN", "is_complete": None, "missing_trades": None}
BITCOIN = ("binance", "spot", "trade", "BTC-USDT")
ETHER = {"pair": "ETH-USDT", "feed": "agg_trade"}
MAY = "2026-05-01"


def first() -> list[Row]:
    """Four series over a month's edge; of one the ids 12 to 14 are missing, and with them the minutes 23:51 to 23:53."""
    bitcoin = [minute("23:49", 1, 9), minute("23:50", 10, 11, is_complete=False), minute("23:54", 15, 17, missing_trades=3)]
    bitcoin[2]["is_complete"] = False
    bitcoin += [minute("23:55", 18, 20), minute("23:59", 21, 22, "101", "99"), minute("00:00", 23, 24, day=MAY)]
    bitcoin += [minute("00:05", 25, 29, day=MAY, is_complete=False, revision=0)]
    ether = [
        minute(at, 2 * number, 2 * number + 1, "7", "8", **ETHER) for number, at in enumerate(("22:00", "22:01", "22:05"), 1)
    ]
    ether += [minute("23:59", 0, 0, "7", day="2026-04-23", **ETHER), minute("00:00", 1, 1, "7", day="2026-04-24", **ETHER)]
    bitso = [minute("23:58", 100, 107, **BITSO), minute("00:02", 130, 131, day=MAY, **BITSO)]
    return [*bitcoin, *ether, *bitso, minute("23:50", 4, 5, feed="agg_trade")]


@pytest.fixture(scope="module")
def begun(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a first run done, to be copied."""
    interpret(spark)
    there = Chart(spark, tmp_path_factory.mktemp("begun"))
    there.minutes.append(first())
    assert there.run()["minutes"] == "all"
    there.check()
    return there.lake


@pytest.fixture
def there(begun: Path, spark: SparkSession, lake: Path) -> Chart:
    interpret(spark)
    shutil.copytree(begun, lake, dirs_exist_ok=True)
    made = Chart(spark, lake)
    made.minutes.take(first())
    return made


def late() -> list[Row]:
    """The minutes that were missing, as the stream merges them: with the neighbours that they make complete."""
    filled = [minute("23:51", 12, 12), minute("23:53", 13, 14, "100", "250")]
    return [*filled, minute("23:50", 10, 11, revision=2), minute("23:54", 15, 17, revision=2)]


def test_nothing_new_is_nothing_written(there: Chart, lake: Path, capsys: pytest.CaptureFixture[str]):
    """By the command line: the summary, and the record of the run."""
    conf = lake.parent / "conf.yaml"
    conf.write_text(f"lake: {lake}\ningest: {{collector: test}}\n")
    before, progress = there.version, (lake / PROGRESS).read_bytes()
    assert bars.main(["--conf", str(conf), "--run", "second"]) == 0
    assert capsys.readouterr().out == "bars: changed minutes, 0 bars, 0 written, 0 removed, 0 unfit\n"
    record = json.loads((lake / "control/runs/bars/second.json").read_text())
    assert {name: record[name] for name in ("job", "run", "code", "minutes", *NOTHING)} == NOTHING | {
        "job": "bars",
        "run": "second",
        "code": 0,
        "minutes": "changed",
    }
    assert (there.version, (lake / PROGRESS).read_bytes()) == (before, progress)
    assert there.run(full=True) | {"bars": 0} == NOTHING | {"minutes": "all"}
    assert there.version == before


def test_late_and_revised_minutes_change_their_bars_and_no_other(there: Chart):
    before = there.told()
    there.minutes.merge(late())
    assert there.run() | {"bars": 0} == NOTHING | {"minutes": "changed", "written": 3}
    there.check()
    after = there.told()
    assert {key: told[0] for key, told in after.items() if told != before.get(key)} == {
        (*BITCOIN, width, moment(f"{start}:00")): 2 for width, start in (("5m", "23:50"), ("1h", "23:00"), ("1d", "00:00"))
    }
    assert after.keys() == before.keys()


@pytest.mark.long
def test_a_bar_is_not_complete_between_the_two_commits_of_the_stream(there: Chart):
    """New minutes are appended before the older ones are corrected: what is not written yet is no minute without trades."""
    there.minutes.append(
        [minute(at, *ids, day=MAY) for at, ids in (("01:01", (40, 44)), ("01:04", (45, 46)), ("01:05", (47, 48)))]
    )
    there.run()
    there.check()
    key = (*BITCOIN, "5m", moment("01:00:00", MAY))
    assert there.bar(*key)["is_complete"] is False
    there.minutes.merge([minute("00:05", 25, 29, day=MAY), minute("01:00", 30, 39, day=MAY)])
    there.run()
    there.check()
    assert there.bar(*key)["is_complete"] is True


@pytest.mark.long
def test_minutes_that_only_moved_are_no_change(there: Chart):
    there.minutes.append([minute("00:06", 30, 31, day=MAY)])
    there.run()
    there.minutes.optimize()
    before = there.version
    assert there.run() == NOTHING | {"minutes": "changed"}
    assert there.version == before
    assert (
        json.loads((there.lake / PROGRESS).read_bytes())["tables"]["minute_aggregates"]["version"] == there.minutes.live.version
    )


@pytest.mark.long
def test_bars_of_minutes_that_are_gone_go_too(there: Chart):
    """The stream began over: of one pair nothing is left, of another all but its last month, one minute is another one."""
    there.minutes.overwrite(
        [minute("00:00", 23, 24, "5", day=MAY), minute("00:05", 25, 29, day=MAY, is_complete=False, revision=0)]
    )
    told = there.run()
    there.check()
    assert told["minutes"] == "changed"
    assert told["removed"] > 0


@pytest.mark.parametrize("point", ["after the bars", pytest.param("before the bars", marks=pytest.mark.long)])
def test_a_run_that_dies_leaves_no_trace(there: Chart, monkeypatch: pytest.MonkeyPatch, point: str):
    """What it wrote are the bars of a late minute, and those of a new one, which makes the one of the month before complete, too."""
    there.minutes.append([minute("23:51", 12, 12), minute("00:01", 8, 9, day=MAY, **ETHER)])
    before, progress = there.version, (there.lake / PROGRESS).read_bytes()

    def die(*_: object, **__: object) -> None:
        raise RuntimeError(point)

    with monkeypatch.context() as patch:
        patch.setattr(*((Live, "overwrite", die) if point == "before the bars" else (Taken, "save", die)))
        with pytest.raises(RuntimeError, match=point):
            there.run()
    is_written = point == "after the bars"
    assert (there.version, (there.lake / PROGRESS).read_bytes()) == (before + is_written, progress)
    assert there.run() | {"bars": 0} == NOTHING | {"minutes": "changed", "written": 0 if is_written else 9}
    there.check()
    assert there.version == before + 1
    assert there.bar("binance", "spot", "agg_trade", "ETH-USDT", "5m", moment("22:05:00"))["is_complete"]


def lose_the_log(there: Chart) -> None:
    there.minutes.lose_log()


def lose_the_bars(there: Chart) -> None:
    shutil.rmtree(there.lake / "tables/bars")


def lose_the_progress(there: Chart) -> None:
    (there.lake / PROGRESS).unlink()


def change_the_bars(there: Chart) -> None:
    """By hand: one is deleted, another doubled, a third one changed."""
    where = f"delta.`{there.lake}/tables/bars`"
    for statement in (
        f"DELETE FROM {where} WHERE pair = 'ETH-USDT' AND width = '5m'",  # noqa: S608 - ours
        f"INSERT INTO {where} SELECT * FROM {where} WHERE pair = 'BTC-USDT' AND width = '1d'",  # noqa: S608 - ours
        f"UPDATE {where} SET low = 1 WHERE pair = 'BTC-MXN'",  # noqa: S608 - ours
    ):
        there.spark.sql(statement)


LONG = [pytest.param(lose, marks=pytest.mark.long) for lose in (lose_the_bars, lose_the_progress, change_the_bars)]


@pytest.mark.parametrize("lose", [lose_the_log, *LONG])
def test_where_nobody_can_tell_what_changed_all_minutes_are_looked_at(there: Chart, lose: Callable[[Chart], None]):
    there.minutes.append([minute("23:51", 12, 12)])
    lose(there)
    assert there.run()["minutes"] == "all"
    there.check()
    assert there.run() == NOTHING | {"minutes": "changed"}


@pytest.mark.long
def test_other_widths_are_other_bars(there: Chart):
    assert there.run(widths=["1h", "15m", "7d"])["minutes"] == "all"
    there.check(["1h", "15m", "7d"])


def test_two_runs_do_not_meet(there: Chart):
    lease = Lease(Files(there.lake), "bars", "another", ttl=3600)
    lease.take()
    with pytest.raises(LeaseHeld, match=r"control/lease/bars\.json: another writes these tables; stop it first"):
        there.run()
    lease.release()


def test_without_minutes_it_says_what_makes_them(spark: SparkSession, lake: Path):  # noqa: ARG001 - the job takes the session that there is
    told = settings({"lake": str(lake), "ingest": {"collector": "test"}})
    with pytest.raises(
        TableError, match=r"tables/minute_aggregates is not there yet: the stream makes it; run \./spark-submit\.sh stream"
    ):
        bars.run(told, lakes.place(told.lake), argparse.Namespace(full=False))


# --- any history


APRIL = "2026-04-30"
TIMES = [(APRIL, "23:54"), (APRIL, "23:55"), (APRIL, "23:58"), (APRIL, "23:59"), (MAY, "00:00"), (MAY, "00:01"), (MAY, "00:05")]
TIMES += [("2026-05-08", "00:05"), ("2026-05-09", "12:00"), ("2026-06-01", "00:00")]  # a week later, and more


def drawn(g: Random) -> list[Row]:
    """Some minutes, new or in the place of what is there; the ids of most of them join where none between them is missing."""
    found: dict[tuple[Any, ...], Row] = {}
    for _ in range(g.choice([1, 3, 8])):
        series = g.choice([{}, {}, {}, {"feed": "agg_trade"}, ETHER, BITSO])
        place = g.randrange(len(TIMES))
        day, at = TIMES[place]
        known = series if "is_complete" in series else {"is_complete": g.random() < 0.95, **series}
        prices = [f"{g.randrange(1, 10**6)}.{g.randrange(10**4)}" for _ in range(3)]
        first_id = 1000 + 10 * place
        row = minute(at, first_id + (g.random() < 0.05), first_id + 9, *prices, day=day, **known)
        found[tuple(row[name] for name in KEY)] = row
    return list(found.values())


QUICK = 10  # a seed with minutes that come, are corrected, and are gone


def change(g: Random, there: Chart) -> None:
    rows = drawn(g)
    new = [row for row in rows if tuple(row[name] for name in KEY) not in there.minutes.rows]
    kind = g.choice(["append", "merge", "merge", "start over", "delete", "optimize"])
    if kind == "append" and new:
        there.minutes.append(new)
    elif kind == "start over":
        kept = [row for row in there.minutes.rows.values() if g.random() < 0.8]
        there.minutes.overwrite([*kept, *new])
    elif kind == "delete" and there.minutes.rows:
        key = g.choice(sorted(there.minutes.rows, key=str))
        told = " AND ".join(f"{name} = {str(value)!r}" for name, value in zip(KEY, key, strict=True))
        there.minutes.delete(told, [key])
    elif kind == "optimize":
        there.minutes.optimize()
    else:
        there.minutes.merge(rows)


@pytest.mark.parametrize("seed", [QUICK, *(pytest.param(seed, marks=pytest.mark.long) for seed in (81, *range(100, 106)))])
def test_after_any_history_the_bars_are_what_all_minutes_say(there: Chart, seed: int):
    g = Random(seed)  # noqa: S311 - a lake, not a secret
    for _ in range(2 if seed == QUICK else 8):
        for _ in range(g.choice([1, 1, 2])):
            change(g, there)
        assert there.run()["minutes"] == "changed"
        there.check()
