"""A table's log read as the plain files that it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.landing import Files
from jobs.runtime.deltalog import Commit, commit
from jobs.runtime.live import Foreign, Live
from jobs.tables.trades import TRADES


def wrote(lake: Path, version: int, *actions: dict[str, object]):
    lines = "".join(json.dumps(action) + "\n" for action in actions)
    Files(lake).create(f"tables/trades/_delta_log/{version:020}.json", lines.encode())


def test_a_version_that_is_not_there(lake: Path):
    assert commit(Files(lake), "trades", 3) is None


def test_a_commit_of_ours_tells_its_id_and_the_files_with_new_rows(lake: Path):
    wrote(
        lake,
        3,
        {"commitInfo": {"userMetadata": '{"commit": "abc", "epoch": 4}'}},
        {"add": {"path": "pair=A-B/one.parquet", "dataChange": True}},
        {"add": {"path": "pair=A-B/compacted.parquet", "dataChange": False}},
    )
    found = commit(Files(lake), "trades", 3)
    assert found == Commit(3, {"commit": "abc", "epoch": 4}, ["pair=A-B/one.parquet"], removed=False)
    assert found.id == "abc"


OURS = {"commitInfo": {"userMetadata": '{"commit": "abc", "epoch": 4}'}}
OTHERS: dict[str, object] = {"commitInfo": {}}


def table(lake: Path, *commits: tuple[dict[str, object], dict[str, object]]) -> Live:
    """A table that was at version 3, and these commits."""
    for version, actions in enumerate(commits, start=4):
        wrote(lake, version, *actions)
    nothing: Any = None  # neither Spark nor a lease has a part in this
    return Live(nothing, Files(lake), nothing, TRADES, "lake/tables/trades", version=3 + len(commits))


def file(name: str, *, action: str = "add", changed: bool = True) -> dict[str, object]:
    return {action: {"path": name, "dataChange": changed}}


def test_a_start_takes_what_any_driver_of_ours_has_added(lake: Path):
    moved = (OTHERS, file("moved", changed=False))  # OPTIMIZE by hand
    found = table(lake, (OURS, file("one")), moved, (OURS, file("two")))
    found.check_after(3)
    assert found.added_after(3) == ["one", "two"]


@pytest.mark.parametrize("action", ["add", "remove"])
def test_a_start_refuses_rows_that_were_changed_without_a_lease(lake: Path, action: str):
    """Also behind a commit of ours that took rows away, as a MERGE does."""
    found = table(lake, (OURS, file("one", action="remove")), (OTHERS, file("two", action=action)))
    with pytest.raises(Foreign, match=r"lake/tables/trades: version 5 was written by somebody else \(no word of whom\)"):
        found.check_after(3)
    found.check_after(5)


def test_a_start_does_not_guess_where_rows_were_taken_away_or_the_log_is_gone(lake: Path):
    found = table(lake, (OURS, file("one")), (OURS, file("one", action="remove")))
    assert found.added_after(3) is None
    assert found.added_after(5) == []
    Files(lake).delete("tables/trades/_delta_log/00000000000000000005.json")
    assert found.added_after(4) is None


@pytest.mark.parametrize(("data_change", "removed"), [(True, True), (False, False)])
def test_only_a_commit_that_changed_data_took_some_away(lake: Path, data_change: bool, removed: bool):  # noqa: FBT001 - parametrised
    wrote(lake, 0, {"remove": {"path": "one.parquet", "dataChange": data_change}})
    assert commit(Files(lake), "trades", 0) == Commit(0, {}, [], removed=removed)


@pytest.mark.parametrize("told", [{}, {"userMetadata": "by hand"}, {"userMetadata": "[1]"}, {"userMetadata": None}])
def test_a_commit_of_somebody_else_has_no_id(lake: Path, told: dict[str, object]):
    wrote(lake, 0, {"commitInfo": told})
    found = commit(Files(lake), "trades", 0)
    assert found is not None
    assert (found.metadata, found.id) == ({}, None)
