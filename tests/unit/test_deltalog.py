"""A table's log read as the plain files that it is."""

import json
from pathlib import Path

import pytest

from ingest.landing import Files
from jobs.runtime.deltalog import Commit, commit


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
