"""How far a job has come, and what a table's log tells of what changed since; and when it does not."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ingest.landing import Files
from jobs.runtime.changes import At, Taken, Untold, added, at, check, since
from jobs.transforms.spans import Span, minute_of, month
from tests.support.lines import moment

KEY = "control/progress/bars.json"
RULE = {"widths": ["1h", "5m"]}
MINUTES, BARS = At(7, "m7"), At(3, "b3")
APRIL, DECEMBER = month(2026, 4), month(2025, 12)


@pytest.fixture
def taken(lake: Path) -> Taken:
    made = Taken(Files(lake), "bars")
    made.save(RULE, {"minutes": MINUTES, "bars": BARS})
    return made


def test_the_next_run_finds_how_far_this_one_came(taken: Taken):
    assert taken.load(RULE, "bars", "minutes") == {"minutes": MINUTES, "bars": BARS}
    taken.save(RULE, {"minutes": At(8, "m8"), "bars": BARS})
    assert taken.load(RULE, "minutes") == {"minutes": At(8, "m8")}
    assert list(taken.store.keys("control/progress/")) == [KEY]


def test_nothing_is_known_before_the_first_run(lake: Path):
    with pytest.raises(Untold, match=f"{KEY} is not there"):
        Taken(Files(lake), "bars").load(RULE)


def test_what_was_made_by_another_rule_is_no_beginning(taken: Taken):
    with pytest.raises(Untold, match=r'made by {"widths": \["1h", "5m"\]}, and now it is {"widths": \["1d"\]}'):
        taken.load({"widths": ["1d"]}, "bars")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be read"),
        ('{"v": 1, "rule"', "cannot be read"),
        ("[1]", "cannot be read"),
        ("null", "cannot be read"),
        ('{"v": 1, "rule": {"widths": ["1h", "5m"]}, "tables": {}}', "cannot be read"),
        ('{"v": 1, "rule": {"widths": ["1h", "5m"]}, "tables": {"bars": {"version": 1}}}', "cannot be read"),
        (
            '{"v": 2, "rule": {"widths": ["1h", "5m"]}, "tables": {"bars": {"version": 1, "commit": "a"}}}',
            "is of format 2; .* knows 1",
        ),
    ],
)
def test_what_cannot_be_read_is_not_believed_and_does_not_stay_so(lake: Path, text: str, why: str):
    made = Taken(Files(lake), "bars")
    made.store.create(KEY, text.encode())
    with pytest.raises(Untold, match=f"{KEY} {why}"):
        made.load(RULE, "bars")
    made.save(RULE, {"bars": BARS})
    assert made.load(RULE, "bars") == {"bars": BARS}


# --- the log

Action = Mapping[str, Any]


def wrote(lake: Path, version: int, *actions: Action, name: str = "", operation: str = "WRITE", **info: object) -> None:
    told = {"commitInfo": {"operation": operation, "txnId": f"delta {version}", **info}}
    if name:
        told["commitInfo"]["userMetadata"] = json.dumps({"commit": name})
    lines = "".join(json.dumps(action) + "\n" for action in (told, *actions))
    Files(lake).create(f"tables/minutes/_delta_log/{version:020}.json", lines.encode())


def add(low: str, high: str, pair: str = "BTC-USDT", **changes: object) -> Action:
    stats = {"numRecords": 2, "minValues": {"minute": low, "first_id": 1}, "maxValues": {"minute": high, "first_id": 9}}
    return {"add": {**partition(pair, low[:4], str(int(low[5:7]))), "path": "x", "stats": json.dumps(stats), **changes}}


def remove(pair: str = "BTC-USDT", year: str = "2026", number: str = "4", **changes: object) -> Action:
    return {"remove": {**partition(pair, year, number), "path": "y", "stats": '{"numRecords":1}', **changes}}


def partition(pair: str, year: str, number: str) -> dict[str, object]:
    return {"partitionValues": {"pair": pair, "year": year, "month": number}, "dataChange": True}


def minute(text: str) -> int:
    return minute_of(moment(f"{text}:00"))


TEN, ELEVEN = "2026-04-30T10:00:00.000Z", "2026-04-30T11:00:00.000Z"
SPAN = (minute("10:00"), minute("11:00"))
NO_ROWS_DELETED = {"operation": "MERGE", "operationMetrics": {"numTargetRowsDeleted": "0"}}
CASES: Mapping[str, tuple[list[Action], dict[str, Any], Mapping[str, list[Span]]]] = {
    "rows that were added": ([add(TEN, ELEVEN)], {}, {"BTC-USDT": [SPAN]}),
    "of two pairs": ([add(TEN, ELEVEN), add(TEN, TEN, "ETH-USDT")], {}, {"BTC-USDT": [SPAN], "ETH-USDT": [(SPAN[0], SPAN[0])]}),
    "parts of seconds": ([add(TEN, "2026-04-30T11:00:59.999Z")], {}, {"BTC-USDT": [SPAN]}),
    "rows that only moved": ([add(TEN, ELEVEN, dataChange=False), remove(dataChange=False)], {"operation": "OPTIMIZE"}, {}),
    "nothing but a property": ([{"metaData": {}}], {"operation": "SET TBLPROPERTIES"}, {}),
    "rows that were merged": ([add(TEN, ELEVEN), remove()], NO_ROWS_DELETED, {"BTC-USDT": [SPAN]}),
    "a merge that deleted rows": (
        [add(TEN, ELEVEN), remove()],
        {"operation": "MERGE", "operationMetrics": {"numTargetRowsDeleted": "1"}},
        {"BTC-USDT": [APRIL]},
    ),
    "a merge that does not say": ([remove()], {"operation": "MERGE"}, {"BTC-USDT": [APRIL]}),
    "rows that were written over": (
        [add(TEN, ELEVEN), remove("ETH-USDT", "2025", "12")],
        {},
        {"BTC-USDT": [SPAN], "ETH-USDT": [DECEMBER]},
    ),
    "a file without statistics": ([add(TEN, ELEVEN, stats=None)], {}, {"BTC-USDT": [APRIL]}),
    "statistics of other columns": ([add(TEN, ELEVEN, stats='{"numRecords": 1, "minValues": {}}')], {}, {"BTC-USDT": [APRIL]}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_changed_is_what_the_log_says(lake: Path, case: str):
    actions, info, expected = CASES[case]
    wrote(lake, 4, add("2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00.000Z"), name="before")
    wrote(lake, 5, *actions, **info)
    assert since(Files(lake), "minutes", "minute", At(4, "before"), At(5, "delta 5")) == expected


def test_all_versions_in_between_count_and_spans_that_touch_are_one(lake: Path):
    for version, (low, high) in enumerate([(TEN, TEN), (TEN, ELEVEN), ("2026-04-30T11:01:00Z", "2026-04-30T11:02:00Z")], start=4):
        wrote(lake, version, add(low, high), name=f"m{version}")
    store = Files(lake)
    assert since(store, "minutes", "minute", At(4, "m4"), At(6, "m6")) == {"BTC-USDT": [(SPAN[0], SPAN[1] + 2)]}
    assert since(store, "minutes", "minute", At(6, "m6"), At(6, "m6")) == {}
    with pytest.raises(Untold, match="version 4 of minutes is another commit now"):
        since(store, "minutes", "minute", At(4, "another"), At(6, "m6"))
    store.delete(f"tables/minutes/_delta_log/{5:020}.json")
    with pytest.raises(Untold, match="the log of minutes does not tell of version 5 any more"):
        since(store, "minutes", "minute", At(4, "m4"), At(6, "m6"))


def test_files_that_came_are_told_where_nothing_was_taken_away(lake: Path):
    """Not those of the version that was taken in, nor those that hold what only moved."""
    store = Files(lake)
    for version, path in enumerate(("old", "one", "two", "three"), start=4):
        wrote(lake, version, add(TEN, TEN, path=path, dataChange=path != "three"), name=f"m{version}")
    assert added(store, "minutes", At(4, "m4"), At(7, "m7")) == ["one", "two"]
    assert added(store, "minutes", At(7, "m7"), At(7, "m7")) == []
    wrote(lake, 8, add(TEN, TEN, path="four"), remove(), name="m8")
    with pytest.raises(Untold, match="the log of minutes does not tell what version 8 added: it took rows away"):
        added(store, "minutes", At(7, "m7"), At(8, "m8"))
    store.delete(f"tables/minutes/_delta_log/{5:020}.json")
    with pytest.raises(Untold, match=r"the log of minutes does not tell what version 5 added$"):
        added(store, "minutes", At(4, "m4"), At(7, "m7"))
    with pytest.raises(Untold, match="version 4 of minutes is another commit now"):
        added(store, "minutes", At(4, "another"), At(7, "m7"))


def test_a_version_is_believed_only_while_it_is_the_same_commit(lake: Path):
    store = Files(lake)
    wrote(lake, 4, name="ours")
    wrote(lake, 5)
    assert [at(store, "minutes", version) for version in (4, 5, 6)] == [At(4, "ours"), At(5, "delta 5"), At(6, None)]
    check(store, "minutes", At(4, "ours"), At(5, "delta 5"))
    check(store, "minutes", At(5, "delta 5"), At(5, "delta 5"))
    for was, why in (
        (At(4, "another"), "version 4 of minutes is another commit now"),
        (At(5, "another"), "version 5 of minutes is another commit now"),
        (At(3, "ours"), "the log of minutes does not tell of version 3 any more"),
        (At(3, None), "the log of minutes does not tell of version 3 any more"),
        (At(6, "ours"), "minutes is at version 5, and version 6 of it was taken in"),
    ):
        with pytest.raises(Untold, match=why):
            check(store, "minutes", was, At(5, "delta 5"))
