"""The stream killed in the middle of a batch, as by a machine that dies, and started again: the tables of an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest import landing
from ingest.landing import Store
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
from tests.support.submitted import kill, submit
from tests.support.tables import PLACE, assert_rows

# file that tells that the moment has come; the versions before are the table's creation and its checkpoint's name
MOMENTS = {
    "the first trades are there": "tables/trades/_delta_log/00000000000000000002.json",
    "the quarantine is there": "tables/quarantine/_delta_log/00000000000000000001.json",
    "the minutes are there": "tables/minute_aggregates/_delta_log/00000000000000000001.json",
    "the batch is done": "checkpoints/trades/1/commits/0",
}


# of a second batch: below this prefix comes a key that was not there, with this in it
POINTS = {
    "what it reads is chosen": ("checkpoints/trades/1/sources/0/", "1"),
    "the batch is planned": ("checkpoints/trades/1/offsets/", "1"),
    "a file of trades is written": ("tables/trades/pair=BTC-USDT/", ".parquet"),
    "trades are being committed": ("tables/trades/_delta_log/", ".json"),
    "a file of quarantine is written": ("tables/quarantine/year=2026/", ".parquet"),
    "quarantine is being committed": ("tables/quarantine/_delta_log/", ".json"),
    "a file of minutes is written": ("tables/minute_aggregates/pair=BTC-USDT/", ".parquet"),
    "minutes are being committed": ("tables/minute_aggregates/_delta_log/", ".json"),
    "the record is there": ("control/runs/trades/", "-1.json"),
    "the checkpoint is being committed": ("checkpoints/trades/1/commits/", "1"),
}
SOON = 0.25  # seconds after a point, at most


def landed(lake: Path, base: int = 0) -> list[str]:
    """Trades of some minutes, a hole, a void, a conflict, and one of the day before; ids from `base` on."""
    now, late = Collector("test-1-1"), Collector("test-1-2")
    times = {id_: f"10:{id_ // 4:02}:{id_ % 4 * 15:02}" for id_ in range(40) if id_ != 17}
    on = [now.aggregate(base + id_, at, f"{100 + id_}.00000001") for id_, at in times.items()]
    odd = [
        late.aggregate(base + 17, "10:04:15", "0", fills=(-1, -1)),
        late.aggregate(base + 3, "10:00:45", "7"),
        late.aggregate(base, "10:00:00", "100.00000001"),
        late.fill(1, "23:59:59", pair="ETH-USDT", day=BEFORE),
    ]
    return [put(lake, on), put(lake, odd)]


def wait_for(is_there: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not is_there():
        assert process.poll() is None, f"ended with {process.returncode} before: {process.communicate()[0]}"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.002)  # the machine dies while it works, not between two looks


def rows(lake: Path, table: str) -> list[dict[str, Any]]:
    return duckdb_files(lake / "tables" / table, TABLES[table])[1]


def check(lake: Path, *batches: Sequence[str]) -> None:
    """The tables in this folder are those of the plain computation, row for row."""
    oracle = Oracle()
    for keys in batches:
        oracle.batch({key: (lake / key).read_bytes() for key in keys})
    assert_rows(rows(lake, "trades"), oracle.trades, TRADES.key)
    quarantine = [{name: value for name, value in row.items() if name != "detail"} for row in rows(lake, "quarantine")]
    assert_rows(quarantine, oracle.quarantine, PLACE)
    minutes = [
        {name: value for name, value in row.items() if name != "updated_at"} | {"revision": min(row["revision"], 1)}
        for row in rows(lake, "minute_aggregates")
    ]
    assert_rows(minutes, oracle.minutes(open_too=True), MINUTE_AGGREGATES.key)


def killed_and_started_again(project: Path, conf: Path, is_there: Callable[[], bool], delay: float = 0.0) -> None:
    """It is killed as soon as it `is_there`, or a moment later; the next one ends well."""
    first = submit(project, conf, "--once")
    try:
        wait_for(is_there, first)
        time.sleep(delay)
        assert first.poll() is None, "it had ended before"
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


@dataclass(frozen=True)
class Scene:
    """A lake that a first batch has made, to be put back before each kill: checkpoints name their place."""

    store: Store
    conf: Path
    project: Path
    first: Sequence[str]
    begun: Mapping[str, bytes]

    def put_back(self) -> None:
        for key in objects(self.store):
            self.store.delete(key)
        for key, data in self.begun.items():
            assert self.store.create(key, data)

    def copy(self, folder: Path) -> None:
        for key in (*self.store.keys("landing/"), *self.store.keys("tables/")):
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes((self.store.get(key) or (b"",))[0])


def objects(store: Store) -> list[str]:
    """All keys, but for those that stand for a folder: some stores make these by themselves."""
    return [key for key in store.keys("") if not key.endswith("/")]


def scene(folder: Path, lake: Lake) -> Scene:
    project, conf, store = copy_of_project(folder / "project"), folder / "conf.yaml", landing.store(lake)
    told = {name: value for name, value in asdict(lake).items() if value is not None}
    conf.write_text(yaml.safe_dump({"lake": told, "ingest": {"collector": "test"}, "jobs": {"lease": {"ttl": "6s"}}}))
    one = Collector("begin-1-1")
    (key,) = keys = [put(folder / "first", [one.aggregate(id_, f"09:{id_}:00") for id_ in range(50, 57)])]
    assert store.create(key, (folder / "first" / key).read_bytes())
    stream = submit(project, conf, "--once")
    try:
        said, _ = stream.communicate(timeout=400)
    finally:
        kill(stream)
    assert stream.returncode == 0, said
    return Scene(store, conf, project, keys, {key: (store.get(key) or (b"",))[0] for key in objects(store)})


@pytest.fixture(scope="module")
def on_files(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    return scene(folder, Lake(str(folder / "lake")))


@pytest.fixture(scope="module")
def on_s3(tmp_path_factory: pytest.TempPathFactory, s3: S3) -> Iterator[Scene]:
    with pytest.MonkeyPatch.context() as patch:
        for key, value in s3.environment.items():
            patch.setenv(key, value)
        s3.client().create_bucket(Bucket="scene")
        yield scene(
            tmp_path_factory.mktemp("scene"), Lake("s3://scene/ticks", endpoint=s3.endpoint, region=REGION, path_style=True)
        )


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("where", ["on_files", "on_s3"])
@pytest.mark.parametrize("when", ["at once", "soon"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_of_a_later_batch(tmp_path: Path, request: pytest.FixtureRequest, where: str, when: str, point: str):
    found: Scene = request.getfixturevalue(where)
    found.put_back()
    second = landed(tmp_path / "landed", base=58)  # 57 is missing
    for key in second:
        assert found.store.create(key, (tmp_path / "landed" / key).read_bytes())
    prefix, part = POINTS[point]

    def has_come() -> bool:
        return any(part in key.removeprefix(prefix) for key in found.store.keys(prefix) if key not in found.begun)

    delay = 0.0 if when == "at once" else random.Random(f"{where} {point}").uniform(0, SOON)  # noqa: S311 - not a secret
    killed_and_started_again(found.project, found.conf, has_come, delay)
    found.copy(tmp_path / "copied")
    check(tmp_path / "copied", found.first, second)


@pytest.mark.long
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
