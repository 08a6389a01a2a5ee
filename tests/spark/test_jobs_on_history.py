"""The jobs that go on from the tables read history in the place of the live rows of the months that are published."""

import argparse
import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.settings import settings
from jobs import bars, gaps, quality
from jobs.runtime import history
from jobs.runtime.changes import At, there
from jobs.runtime.lake import place
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from tests.support.bars import bars as made_of
from tests.support.history import agg_csv
from tests.support.inbox import Inbox
from tests.support.lines import Collector, micros, put
from tests.support.project import HOME
from tests.support.stream import driver, take
from tests.support.tables import assert_rows, rows_of

BTC, ETH = "BTC-USDT", "ETH-USDT"
UNWRITTEN = ("revision", "updated_at")


@pytest.fixture
def there_is(spark: SparkSession, lake: Path) -> Inbox:
    return Inbox(spark, lake)


def file(inbox: Inbox, month: str, ids: Sequence[int], *, void: Sequence[int] = (), symbol: str = "BTCUSDT") -> None:
    """A month's file: a trade a minute from ten o'clock on."""
    at = micros("10:00:00", f"{month}-05") // 1000
    rows = [(id_, "0" if id_ in void else f"{id_}.5", "0.5", at + n * 60_000, id_ % 2 == 0) for n, id_ in enumerate(ids)]
    inbox.put(f"{symbol}-aggTrades-{month}", agg_csv(rows))


def live(inbox: Inbox, *trades: tuple[str, int, str, str]) -> None:
    """Trades of pairs: id, day, time."""
    one = Collector("a-1-1")
    with driver(inbox.spark, inbox.lake) as query:
        query.start()
        lines = [one.aggregate(id_, at, f"{id_}.5", "0.5", day=day, pair=pair) for pair, id_, day, at in trades]
        take(query, [put(inbox.lake, lines, day="2026-04-01")])
        query.close()


def run(inbox: Inbox, job: Any, **chosen: Any) -> dict[str, Any]:  # noqa: ANN401 - a module, its options
    told = settings({"lake": str(inbox.lake), "ingest": {"collector": "test"}, "jobs": {"bars": {"widths": ["1d"]}}})
    return dict(job.run(told, place(told.lake), argparse.Namespace(**{"full": False, **chosen})))


def minutes(inbox: Inbox) -> list[dict[str, Any]]:
    where = place(inbox.settings.lake)
    at: list[At | None] = [there(inbox.spark, where, name) for name in (MINUTE_AGGREGATES.name, "published")]
    return rows_of(history.both(inbox.spark, where, MINUTE_AGGREGATES.name, *at))


def ledger(inbox: Inbox) -> list[tuple[Any, ...]]:
    names = ("pair", "before_id", "after_id", "first_missing_id", "last_missing_id", "missing", "state", "repaired_rows")
    return [tuple(row[name] for name in names) for row in inbox.table("gaps", "pair", "before_id")]


def check_bars(inbox: Inbox) -> None:
    """Those that a plain computation makes of the minutes, live and history."""
    found = [{name: value for name, value in row.items() if name not in UNWRITTEN} for row in inbox.table("bars", "start")]
    expected = [
        {name: value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value for name, value in row.items()}
        for row in made_of(minutes(inbox), ["1d"])
    ]
    assert_rows(found, [{name: row[name] for name in found[0]} for row in expected], ("pair", "start"))


@pytest.mark.long
def test_jobs_see_live_and_history_as_one_and_what_changed_of_either(there_is: Inbox):
    """Bitcoin was collected in January, too; of Ether nothing was before April, and history has March alone."""
    file(there_is, "2026-01", [1, 2, 3, 5, 6, 10], void=[5])  # 4 and 7 to 9 are missing, 5 is an id of nothing
    file(there_is, "2026-03", [50, 51, 52])
    file(there_is, "2026-03", [50, 51, 52], symbol="ETHUSDT")
    live(there_is, (BTC, 3, "2026-01-05", "10:02:00"))
    live(there_is, *((pair, id_, "2026-04-01", f"00:0{id_ - 70}:05") for pair in (BTC, ETH) for id_ in (70, 71)))
    assert there_is.run() == there_is.told(3, published=3, rows=11, rejected=1, minutes=11)
    found = sorted((row["pair"], row["first_id"]) for row in minutes(there_is))
    assert found == [(BTC, id_) for id_ in (1, 2, 3, 6, 10, 50, 51, 52, 70, 71)] + [(ETH, id_) for id_ in (50, 51, 52, 70, 71)]

    first = run(there_is, gaps)
    assert first == {"minutes": "all", "found": 5, "halts": 0, "closed": 0, "open": 3, "missing": 21, "beyond_repair": 0}
    unchanged = [
        (BTC, 6, 10, 7, 9, 3, "open", 0),
        (BTC, 52, 70, 53, 69, 17, "open", 0),
        (ETH, 52, 70, 53, 69, 17, "not_collected", 0),
    ]
    assert ledger(there_is) == sorted(
        [
            (BTC, 3, 6, 4, 4, 1, "open", 0),
            (BTC, 10, 50, 11, 49, 39, "not_collected", 0),
            *unchanged,
        ]
    )
    told = json.loads((there_is.lake / "control/open-gaps.json").read_text())
    assert [gap["before_id"] for gap in told["gaps"]] == [3, 6, 52]  # nobody is asked for what nobody was to have
    assert run(there_is, bars) == {"minutes": "all", "bars": 5, "written": 5, "removed": 0, "unfit": 0}
    check_bars(there_is)
    assert run(there_is, gaps) == {**first, "minutes": "changed", "found": 0}

    file(there_is, "2026-02", range(11, 50))
    file(there_is, "2026-01", [1, 2, 3, 4, 5, 6, 10], void=[5])
    assert there_is.run()["published"] == 2
    assert run(there_is, gaps) == {**first, "minutes": "changed", "found": 0, "halts": 1, "closed": 1, "open": 2, "missing": 20}
    assert ledger(there_is) == sorted(
        [
            (BTC, 3, 6, None, None, 0, "repaired_dump", 1),
            (BTC, 10, 50, None, None, 0, "repaired_dump", 39),
            (BTC, 49, 50, None, None, 0, "exchange_halt", 0),  # the file of February ends on its fifth
            *unchanged,
        ]
    )
    assert run(there_is, bars) == {"minutes": "changed", "bars": 4, "written": 3, "removed": 0, "unfit": 0}
    check_bars(there_is)


@pytest.mark.long
def test_quality_looks_at_history(there_is: Inbox):
    """Every day of it: what it expects of a row that came live holds for one of a file."""
    file(there_is, "2024-01", range(1, 9))
    there_is.run()
    chosen = {"table": None, "since": None, "until": None, "run": "first", "expectations": HOME / "conf/expectations"}
    found = run(there_is, quality, **chosen)
    assert (found["days"], [told for told in found["failures"] if "2024-01-05" in told]) == (2, [])  # nothing is as new as today
    assert found["as_expected"] > 30
    assert run(there_is, quality, **{**chosen, "run": "second"})["days"] == 0
