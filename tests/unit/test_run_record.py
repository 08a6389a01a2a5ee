"""What a job leaves of its run, however it ends: a cluster's deploy mode swallows exit codes."""

import argparse
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import Settings, SettingsError
from jobs.runtime import cli
from jobs.runtime.lake import Place
from jobs.runtime.lease import LeaseHeld


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """The handler that a job installs would stay."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)


def run(
    folder: Path, outcome: Mapping[str, Any] | BaseException, verdict: cli.Verdict = cli.nothing_wrong
) -> tuple[int, dict[str, Any]]:
    conf = folder / "conf.yaml"
    conf.write_text(f"lake: {folder}/lake\ningest:\n  collector: test\n")

    def work(_: Settings, __: Place, ___: argparse.Namespace) -> Mapping[str, Any]:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    code = cli.main("stream", cli.parser("stream", "", ""), work, ["--conf", str(conf), "--run", "first"], verdict)
    told = json.loads((folder / "lake/control/runs/stream/first.json").read_text())
    del told["started"]
    return code, told


def test_a_run_that_is_done_says_what_it_did(tmp_path, capsys):
    assert run(tmp_path, {"batches": 2, "items": 7}) == (
        0,
        {"job": "stream", "run": "first", "code": 0, "batches": 2, "items": 7},
    )
    assert capsys.readouterr().out == "stream: 2 batches, 7 items\n"


def test_data_that_is_not_right_is_the_third_exit_code(tmp_path, capsys):
    found = run(tmp_path, {"open": 2}, lambda summary: f"{summary['open']} gaps are open")
    assert found == (3, {"job": "stream", "run": "first", "code": 3, "open": 2})
    assert capsys.readouterr() == ("stream: 2 open\n", "stream: 2 gaps are open\n")


def test_a_list_is_for_the_record_and_not_for_the_line(tmp_path, capsys):
    assert run(tmp_path, {"failed": 2, "failures": ["a", "b"]})[1]["failures"] == ["a", "b"]
    assert capsys.readouterr().out == "stream: 2 failed\n"


def test_a_file_that_is_not_right_is_a_wrong_command_also_when_the_job_finds_it(tmp_path, capsys):
    assert run(tmp_path, SettingsError("x.json: not JSON")) == (
        2,
        {"job": "stream", "run": "first", "code": 2, "error": "x.json: not JSON"},
    )
    assert capsys.readouterr() == ("", "stream: x.json: not JSON\n")


def test_a_job_is_told_the_name_of_its_run(tmp_path):
    (tmp_path / "conf.yaml").write_text(f"lake: {tmp_path}/lake\ningest:\n  collector: test\n")
    names: list[str] = []

    def work(_: Settings, __: Place, chosen: argparse.Namespace) -> Mapping[str, Any]:
        names.append(chosen.run)
        return {}

    cli.main("stream", cli.parser("stream", "", ""), work, ["--conf", str(tmp_path / "conf.yaml")])
    assert names == [path.stem for path in (tmp_path / "lake/control/runs/stream").iterdir()]


def test_a_failure_that_was_foreseen_is_one_line(tmp_path, capsys, caplog):
    why = "control/lease/stream.json: desk:7 writes these tables"
    assert run(tmp_path, LeaseHeld(why)) == (1, {"job": "stream", "run": "first", "code": 1, "error": why})
    assert capsys.readouterr() == ("", f"stream: {why}\n")
    assert caplog.messages == []


def test_a_failure_that_nobody_foresaw_is_in_the_record_by_name_and_in_the_log_with_its_trace(tmp_path, caplog):
    code, told = run(tmp_path, ZeroDivisionError("division by zero\nand more"))
    assert (code, told["error"]) == (1, "ZeroDivisionError: division by zero")
    assert caplog.messages == ["event=failed job=stream"]
    exc_info = caplog.records[0].exc_info
    assert exc_info is not None
    assert exc_info[0] is ZeroDivisionError


def test_a_dry_run_leaves_nothing_and_needs_no_lake(tmp_path, capsys):
    conf = tmp_path / "conf.yaml"
    conf.write_text(f"lake: {tmp_path}/lake\ningest:\n  collector: test\n")
    made = cli.parser("adopt", "", "", dry_run="say what it would do")
    assert cli.main("adopt", made, lambda *_: {"files": 2}, ["--conf", str(conf), "--dry-run"]) == 0
    assert (capsys.readouterr().out, (tmp_path / "lake").exists()) == ("adopt: 2 files\n", False)
    assert cli.main("adopt", made, lambda *_: {"files": 2}, ["--conf", str(conf)]) == 0
    lake = tmp_path / "lake/control/lake.json"
    lake.write_text('{"layout": 99}')
    assert cli.main("adopt", made, lambda *_: {"files": 2}, ["--conf", str(conf), "--dry-run"]) == 2
