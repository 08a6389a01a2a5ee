"""The job: after any history of minutes and candles its rows are what one look at all of them gives, and nothing else was written."""

import json
import shutil
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.landing import Files
from jobs import reconcile
from jobs.runtime.changes import Taken
from jobs.runtime.lease import Lease, LeaseHeld
from jobs.runtime.live import Live, TableError
from jobs.tables.reconciliation import VERDICTS
from tests.support.bars import minute
from tests.support.lines import moment
from tests.support.minutes import KEY
from tests.support.reconciliation import Row, same
from tests.support.reconciling import Both
from tests.support.stories import interpret

PROGRESS = "control/progress/reconcile.json"
NOTHING = {**dict.fromkeys(VERDICTS, 0), "written": 0, "removed": 0, "new_unexplained": 0}
LOOKED = tuple(VERDICTS)  # the figures of what was looked at, changed or not
APRIL, MAY, JUNE = "2026-04-30", "2026-05-01", "2026-06-01"
USDM = {"market": "usdm", "feed": "agg_trade"}
ETHER = {"feed": "agg_trade", "pair": "ETH-USDT"}
BITSO = {"venue": "bitso", "pair": "BTC-MXN", "is_complete": None, "missing_trades": None}
BITCOIN = ("binance", "spot", "trade", "BTC-USDT")


def other(row: Row, units: int) -> Row:
    """So many units of the quantity more."""
    return row | {"volume": row["volume"] + units, "buy_volume": row["buy_volume"] + units}


def first() -> tuple[list[Row], list[Row]]:
    """Four series over a month's edge, and their candles; a candle of each side of what is covered, and one of a minute that we lack."""
    bitcoin = [minute(at, 10 * place, 10 * place + 9) for place, at in enumerate(("23:50", "23:51", "23:53", "23:59"))]
    bitcoin.append(minute("00:00", 40, 49, day=MAY, revision=0))
    futures = [minute(f"23:5{at}", 10 * at, 10 * at + 9, **USDM) for at in (7, 8, 9)]
    futures.append(minute("00:00", 100, 109, day=MAY, **USDM, revision=0))
    # as far from midnight as a change then reaches, and a minute further
    futures += [minute(at, place, place, **USDM) for place, at in enumerate(("19:59", "20:00"), 1)]
    ether = [minute("23:58", 1, 3, **ETHER), minute("00:01", 4, 6, day=MAY, **ETHER)]
    there = [same(row) for row in (*bitcoin, *futures, *ether)]
    there += [same(minute(at, 1, 2, day=day)) for day, at in ((APRIL, "23:40"), (APRIL, "23:52"), (MAY, "09:00"))]
    bitcoin[1] = other(bitcoin[1], -3) | {"is_complete": False}
    for place, units in ((1, 5), (2, -5), (4, 3), (5, -3)):
        futures[place] = other(futures[place], units)
    return [*bitcoin, *futures, *ether, minute("23:58", 100, 107, **BITSO)], there


@pytest.fixture(scope="module")
def begun(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a first run done, to be copied."""
    interpret(spark)
    there = Both(spark, tmp_path_factory.mktemp("begun"))
    minutes, candles = first()
    there.minutes.append(minutes)
    there.candles.merge(candles)
    told = there.run()
    # of Bitso there are no candles, and beyond the first and the last minute of a feed nobody says anything
    said = {"equal": 6, "equal_uncounted": 2, "straddle": 4, "missing_trades": 1, "no_minute": 1, "written": 14}
    assert told == NOTHING | said | {"minutes": "all", "new_unexplained": 1}
    there.check()
    return there.lake


@pytest.fixture
def there(begun: Path, spark: SparkSession, lake: Path) -> Both:
    interpret(spark)
    shutil.copytree(begun, lake, dirs_exist_ok=True)
    made = Both(spark, lake)
    minutes, candles = first()
    made.minutes.take(minutes)
    made.candles.take(candles)
    return made


def command(there: Both, *options: str) -> int:
    conf = there.lake.parent / "conf.yaml"
    conf.write_text(f"lake: {there.lake}\ningest: {{collector: test}}\n")
    return reconcile.main(["--conf", str(conf), "--run", "now", *options])


def figures(told: Any) -> dict[str, Any]:  # noqa: ANN401 - a summary
    """What was written, not what was looked at."""
    return {name: value for name, value in told.items() if name not in LOOKED}


WRITTEN_NONE = {"minutes": "changed", "written": 0, "removed": 0, "new_unexplained": 0}


def test_nothing_new_is_nothing_written(there: Both, capsys: pytest.CaptureFixture[str]):
    """By the command line: what nothing explains stood so before, so that the exit code is 0."""
    before, progress = there.version, (there.lake / PROGRESS).read_bytes()
    assert command(there) == 0
    zeros = ", ".join(f"0 {name.replace('_', ' ')}" for name in NOTHING)
    assert capsys.readouterr() == (f"reconcile: changed minutes, {zeros}\n", "")
    record = json.loads((there.lake / "control/runs/reconcile/now.json").read_text())
    assert (record["code"], record["written"]) == (0, 0)
    assert (there.version, (there.lake / PROGRESS).read_bytes()) == (before, progress)
    assert figures(there.run(full=True)) == WRITTEN_NONE | {"minutes": "all"}
    assert there.version == before


def test_a_new_difference_is_the_third_exit_code_once(there: Both, capsys: pytest.CaptureFixture[str]):
    before = there.verdicts()
    there.minutes.merge([other(minute("23:53", 20, 29), 1)])
    assert command(there) == 3
    said = "reconcile: 1 minutes are not the exchange's, and nothing explains it: verdicts differs, no_minute\n"
    assert capsys.readouterr().err.endswith(said)
    there.check()
    after = there.verdicts()
    assert {key: told for key, told in after.items() if told != before[key]} == {(*BITCOIN, moment("23:53:00")): ("differs", 2)}


@pytest.mark.long
def test_a_difference_that_stays_unexplained_is_told_once(there: Both):
    for units, new in ((1, 1), (2, 0)):
        there.minutes.merge([other(minute("23:53", 20, 29), units)])
        assert figures(there.run()) == WRITTEN_NONE | {"written": 1, "new_unexplained": new}
    there.minutes.merge([minute("23:53", 20, 29)])
    assert figures(there.run()) == WRITTEN_NONE | {"written": 1}
    there.minutes.merge([other(minute("23:53", 20, 29), 2)])
    assert figures(there.run()) == WRITTEN_NONE | {"written": 1, "new_unexplained": 1}


@pytest.mark.long
def test_a_candle_that_came_changes_its_minute_and_its_neighbours(there: Both):
    """The other half of a straddle had no candle."""
    late = minute("00:01", 110, 119, day=MAY, **USDM)
    there.minutes.merge(
        [other(minute("00:00", 100, 109, day=MAY, **USDM), 4), other(late, -4), minute("00:02", 120, 121, day=MAY, **USDM)]
    )
    assert figures(there.run()) == WRITTEN_NONE | {"written": 3}
    there.check()
    words = {key[-1].minute: word for key, (word, _) in there.verdicts().items() if key[1] == "usdm" and key[-1].day == 1}
    assert words == {0: "unclear", 1: "no_candle", 2: "no_candle"}
    there.candles.merge([same(late)])
    assert figures(there.run()) == WRITTEN_NONE | {"written": 2}
    there.check()


@pytest.mark.parametrize("at", ["after the last", pytest.param("before the first", marks=pytest.mark.long)])
def test_candles_that_waited_far_away_are_looked_at_when_a_feed_covers_them(there: Both, at: str):
    """Nothing near them changes then."""
    row = minute("12:00", 1000, 1001, day=MAY) if at == "after the last" else minute("08:00", 1, 2)
    there.minutes.append([row])
    assert there.run()["new_unexplained"] == 1
    there.check()
    time = moment("09:00:00", MAY) if at == "after the last" else moment("23:40:00")
    assert there.verdicts()[*BITCOIN, time] == ("no_minute", 1)


@pytest.mark.long
def test_where_the_last_minute_is_gone_all_minutes_are_looked_at(there: Both):
    key = (*BITCOIN, moment("00:00:00", MAY))
    there.minutes.delete("market = 'spot' AND pair = 'BTC-USDT' AND month = 5", [key])
    assert figures(there.run()) == WRITTEN_NONE | {"minutes": "all", "removed": 1}
    there.check()


@pytest.mark.parametrize("point", ["after the rows", pytest.param("before the rows", marks=pytest.mark.long)])
def test_a_run_that_dies_leaves_no_trace_and_what_it_found_is_told(there: Both, monkeypatch: pytest.MonkeyPatch, point: str):
    there.minutes.merge([other(minute("23:53", 20, 29), 1)])
    before, progress = there.version, (there.lake / PROGRESS).read_bytes()

    def die(*_: object, **__: object) -> None:
        raise RuntimeError(point)

    with monkeypatch.context() as patch:
        patch.setattr(*((Live, "overwrite", die) if point == "before the rows" else (Taken, "save", die)))
        with pytest.raises(RuntimeError, match=point):
            there.run()
    is_written = point == "after the rows"
    assert (there.version, (there.lake / PROGRESS).read_bytes()) == (before + is_written, progress)
    # the minute that we lack lies beside it, and who was told of what is not known
    told = {"written": 0, "new_unexplained": 2} if is_written else {"written": 1, "new_unexplained": 1}
    assert figures(there.run()) == WRITTEN_NONE | told
    there.check()
    assert there.version == before + 1
    assert figures(there.run()) == WRITTEN_NONE


def lose_the_log_of_minutes(there: Both) -> None:
    there.minutes.lose_log()


def lose_the_log_of_candles(there: Both) -> None:
    there.candles.merge([same(minute("23:59", 30, 39))])
    there.candles.lose_log()


def lose_the_rows(there: Both) -> None:
    shutil.rmtree(there.lake / "tables/reconciliation")


def lose_the_progress(there: Both) -> None:
    (there.lake / PROGRESS).unlink()


def lose_what_is_covered(there: Both) -> None:
    told = json.loads((there.lake / PROGRESS).read_text())
    del told["kept"]
    (there.lake / PROGRESS).write_text(json.dumps(told))


def change_the_rows(there: Both) -> None:
    """By hand."""
    where = f"delta.`{there.lake}/tables/reconciliation`"
    there.spark.sql(f"DELETE FROM {where} WHERE pair = 'ETH-USDT'")  # noqa: S608 - ours
    there.spark.sql(f"UPDATE {where} SET verdict = 'equal' WHERE verdict = 'straddle'")  # noqa: S608 - ours


LOSSES = (lose_the_log_of_candles, lose_the_rows, lose_the_progress, lose_what_is_covered, change_the_rows)
LONG = [pytest.param(lose, marks=pytest.mark.long) for lose in LOSSES]


@pytest.mark.parametrize("lose", [lose_the_log_of_minutes, *LONG])
def test_where_nobody_can_tell_what_changed_all_minutes_are_looked_at(there: Both, lose: Callable[[Both], None]):
    there.minutes.append([minute("23:52", 15, 19)])
    lose(there)
    assert there.run()["minutes"] == "all"
    there.check()
    assert figures(there.run()) == WRITTEN_NONE


def test_two_runs_do_not_meet(there: Both):
    lease = Lease(Files(there.lake), "reconcile", "another", ttl=3600)
    lease.take()
    with pytest.raises(LeaseHeld, match=r"control/lease/reconcile\.json: another writes these tables; stop it first"):
        there.run()
    lease.release()


def test_without_candles_it_says_what_makes_them(there: Both):
    shutil.rmtree(there.candles.live.path)
    with pytest.raises(TableError, match=r"tables/klines is not there yet: the stream makes it"):
        there.run()


# --- any history


TIMES = [(APRIL, f"23:5{at}") for at in (2, 3, 4, 5, 9)] + [
    (MAY, "00:00"),
    (MAY, "00:01"),
    (MAY, "06:00"),
    (MAY, "22:00"),
    (JUNE, "00:00"),
]
KINDS: list[dict[str, Any]] = [{}, {}, {"feed": "agg_trade"}, USDM, USDM, USDM, {"pair": "ETH-USDT", **USDM}, BITSO]


def right(g: Random) -> Row:
    """A minute as the exchange sees it."""
    place = g.randrange(len(TIMES))
    day, at = TIMES[place]
    return minute(at, 10 * place, 10 * place + 9, day=day, **g.choice(KINDS))


def ours(g: Random) -> list[Row]:
    """Some minutes, each once, that differ by little: some of it adds up to nought."""
    found: dict[tuple[Any, ...], Row] = {}
    for _ in range(g.choice([2, 6, 12])):
        row = other(right(g), g.choice([0, 0, 1, -1, 2, -2]))
        said = {"revision": g.choice([0, 1, 2])} | ({} if row["is_complete"] is None else {"is_complete": g.random() < 0.8})
        found[tuple(row[name] for name in KEY)] = row | said
    return list(found.values())


def theirs(g: Random) -> list[Row]:
    found = [same(row) for row in (right(g) for _ in range(g.choice([2, 6, 12]))) if row["venue"] == "binance"]
    changed = [row | ({"volume": row["volume"] + Decimal(g.choice([0, 0, 0, 1]))}) for row in found]
    return list({(row["market"], row["pair"], row["open_time"]): row for row in changed}.values())


def change(g: Random, there: Both) -> None:
    kind = g.choice(["minutes", "minutes", "candles", "candles", "start over", "delete", "optimize"])
    rows = there.minutes.rows
    if kind == "candles" and (candles := theirs(g)):
        there.candles.merge(candles)
    elif kind == "start over":
        there.minutes.overwrite([row for row in rows.values() if g.random() < 0.8] or ours(g))
    elif kind == "delete" and rows:
        key = g.choice(sorted(rows, key=str))
        told = " AND ".join(f"{name} = {str(value)!r}" for name, value in zip(KEY, key, strict=True))
        there.minutes.delete(told, [key])
    elif kind == "optimize":
        there.minutes.optimize()
    else:
        there.minutes.merge(ours(g))


def words(rows: Iterable[Row]) -> set[str]:
    return {row["verdict"] for row in rows}


@pytest.mark.parametrize("seed", [3, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(100, 104))])
def test_after_any_history_the_rows_are_what_all_minutes_and_candles_say(there: Both, seed: int):
    g = Random(seed)  # noqa: S311 - a lake, not a secret
    for _ in range(1 if seed == 3 else 5):
        for _ in range(g.choice([2, 3])):
            change(g, there)
        there.run()
        there.check()
