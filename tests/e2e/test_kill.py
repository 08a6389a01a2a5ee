"""The stream killed in the middle of a batch, as by a machine that dies, and started again: the tables of an undisturbed run."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest import landing
from ingest.settings import Lake
from jobs.tables import TABLES
from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from jobs.tables.trades import TRADES
from tests.support.lines import Collector, put
from tests.support.oracle import Oracle
from tests.support.project import copy_of_project
from tests.support.readers import duckdb_files
from tests.support.seaweedfs import REGION, S3, seaweedfs
from tests.support.stories import BEFORE
from tests.support.tables import PLACE, assert_rows

# file that tells that the moment has come; the versions before are the table's creation and its checkpoint's name
MOMENTS = {
    "the first trades are there": "tables/trades/_delta_log/00000000000000000002.json",
    "the quarantine is there": "tables/quarantine/_delta_log/00000000000000000001.json",
    "the minutes are there": "tables/minute_aggregates/_delta_log/00000000000000000001.json",
    "the batch is done": "checkpoints/trades/1/commits/0",
}


def landed(lake: Path) -> list[str]:
    """Trades of some minutes, a hole, a void, a conflict, and one of the day before."""
    now, late = Collector("test-1-1"), Collector("test-1-2")
    on = [now.aggregate(id_, f"10:{id_ // 4:02}:{id_ % 4 * 15:02}", f"{100 + id_}.00000001") for id_ in range(40) if id_ != 17]
    odd = [
        late.aggregate(17, "10:04:15", "0", fills=(-1, -1)),
        late.aggregate(3, "10:00:45", "7"),
        late.aggregate(0, "10:00:00", "100.00000001"),
        late.fill(1, "23:59:59", pair="ETH-USDT", day=BEFORE),
    ]
    return [put(lake, on), put(lake, odd)]


def submit(project: Path, conf: Path, *options: str) -> subprocess.Popen[str]:
    """The stream in a process group of its own."""
    command = [str(project / "spark-submit.sh"), "stream", "--conf", str(conf), *options]
    environment = {**os.environ, "TICKLAKE_JIT": "c1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)


def wait_for(is_there: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not is_there():
        assert process.poll() is None, f"ended with {process.returncode} before: {process.communicate()[0]}"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.002)  # the machine dies while it works, not between two looks


def kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def rows(lake: Path, table: str) -> list[dict[str, Any]]:
    return duckdb_files(lake / "tables" / table, TABLES[table])[1]


def check(lake: Path, keys: Sequence[str]) -> None:
    """The tables in this folder are those of the plain computation, row for row."""
    oracle = Oracle()
    oracle.batch({key: (lake / key).read_bytes() for key in keys})
    assert_rows(rows(lake, "trades"), oracle.trades, TRADES.key)
    quarantine = [{name: value for name, value in row.items() if name != "detail"} for row in rows(lake, "quarantine")]
    assert_rows(quarantine, oracle.quarantine, PLACE)
    minutes = [
        {name: value for name, value in row.items() if name != "updated_at"} | {"revision": min(row["revision"], 1)}
        for row in rows(lake, "minute_aggregates")
    ]
    assert_rows(minutes, oracle.minutes(open_too=True), MINUTE_AGGREGATES.key)


def killed_and_started_again(project: Path, conf: Path, is_there: Callable[[], bool]) -> None:
    """It is killed as soon as it `is_there`; the next one ends well."""
    first = submit(project, conf, "--once")
    try:
        wait_for(is_there, first)
    finally:
        kill(first)
    again = submit(project, conf, "--once")
    try:
        said, _ = again.communicate(timeout=400)
    finally:
        kill(again)
    assert again.returncode == 0, said


@pytest.mark.timeout(900)  # two starts of Spark
@pytest.mark.parametrize(
    "moment", [pytest.param(moment, marks=() if "first" in moment else pytest.mark.long) for moment in MOMENTS]
)
def test_a_killed_stream_started_again_leaves_no_trace(tmp_path: Path, moment: str):
    project, lake, conf = copy_of_project(tmp_path / "project"), tmp_path / "lake", tmp_path / "conf.yaml"
    conf.write_text(f"lake: {lake}\ningest:\n  collector: test\n")
    keys = landed(lake)
    killed_and_started_again(project, conf, (lake / MOMENTS[moment]).exists)
    check(lake, keys)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with seaweedfs(tmp_path_factory.mktemp("weed")) as found:
        yield found


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_same_on_s3(tmp_path: Path, s3: S3, moment: str, monkeypatch: pytest.MonkeyPatch):
    """Landing zone, tables and checkpoints; the next driver waits until the lease of the dead one has been silent for long."""
    for key, value in s3.environment.items():
        monkeypatch.setenv(key, value)
    bucket, place = f"lake-{list(MOMENTS).index(moment)}", {"endpoint": s3.endpoint, "region": REGION, "path_style": True}
    s3.client().create_bucket(Bucket=bucket)
    store = landing.store(Lake(f"s3://{bucket}/ticks", **place))
    keys = landed(tmp_path / "landed")
    for key in keys:
        assert store.create(key, (tmp_path / "landed" / key).read_bytes())
    project, conf = copy_of_project(tmp_path / "project"), tmp_path / "conf.yaml"
    lake = {"path": f"s3://{bucket}/ticks", **place}
    conf.write_text(yaml.safe_dump({"lake": lake, "ingest": {"collector": "test"}, "jobs": {"lease": {"ttl": "6s"}}}))
    killed_and_started_again(project, conf, lambda: store.get(MOMENTS[moment]) is not None)
    copied = tmp_path / "copied"
    for folder in ("landing/", "tables/"):
        for key in store.keys(folder):
            (copied / key).parent.mkdir(parents=True, exist_ok=True)
            (copied / key).write_bytes((store.get(key) or (b"",))[0])
    check(copied, keys)


@pytest.mark.timeout(900)
def test_a_stream_that_is_asked_to_stop_ends_well_though_only_its_first_process_hears_of_it(tmp_path: Path):
    """As by `kill`: the JVM gets the signal, and the Python below it does the work."""
    project, lake, conf = copy_of_project(tmp_path / "project"), tmp_path / "lake", tmp_path / "conf.yaml"
    conf.write_text(f"lake: {lake}\ningest:\n  collector: test\n")
    landed(lake)
    stream = submit(project, conf, "--run", "asked")
    try:
        wait_for((lake / MOMENTS["the batch is done"]).exists, stream)
        os.kill(stream.pid, signal.SIGTERM)
        said, _ = stream.communicate(timeout=60)
    finally:
        kill(stream)
    assert (stream.returncode, said.splitlines()[-1]) == (0, "stream: 1 batches, 43 items, 40 fresh"), said
    record = json.loads((lake / "control/runs/stream/asked.json").read_text())
    assert {name: record[name] for name in ("code", "batches", "items", "fresh")} == {
        "code": 0,
        "batches": 1,
        "items": 43,
        "fresh": 40,
    }
    assert json.loads((lake / "control/lease/stream.json").read_text())["ttl"] == 0, "given back"
