"""The stream when its store fails in every way it can, or its disk is full: what it did not commit is nothing, what it did is right."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession

from ingest import landing
from ingest.settings import Lake
from jobs import stream
from jobs.runtime.live import Live
from tests.support.disks import disk
from tests.support.lines import Collector, landed
from tests.support.oracle import Oracle
from tests.support.project import copy_of_project
from tests.support.proxy import CUT, LOSE, PASS, RESET, proxy
from tests.support.runs import assert_lake, once
from tests.support.seaweedfs import REGION, S3, known_to, seaweedfs
from tests.support.stories import BEFORE, interpret
from tests.support.submitted import kill, submit
from tests.support.taking import land

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("signals"), pytest.mark.timeout(1800)]
WRITES = r"^(PUT|POST|DELETE) "


def parts() -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    """A first batch; one with new minutes, a hole that is closed, a void, a conflict and a late one."""
    now, late = Collector("test-1-1"), Collector("test-1-2")
    first = [now.aggregate(id_, f"10:{id_:02}:00") for id_ in (1, 2, 4, 5)]
    second = [now.aggregate(id_, f"10:{id_:02}:00") for id_ in range(6, 12)]
    odd = [late.aggregate(3, "10:03:00"), late.aggregate(2, "10:02:00", "7"), late.aggregate(12, "10:12:00", "0", fills=(-1, -1))]
    before = [late.aggregate(0, "23:59:00", day=BEFORE, late=40_000), b"half a line\n"]
    return dict([landed(first)]), dict([landed(second), landed(odd), landed(before)])


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with seaweedfs(tmp_path_factory.mktemp("weed")) as found:
        yield found


@pytest.mark.parametrize("fault", ["503 SlowDown", "500 InternalError", RESET, LOSE, CUT])
def test_writes_that_fail_are_made_again_or_their_batch_is(spark: SparkSession, s3: S3, tmp_path: Path, fault: str):
    """Every second write fails, whatever it is: a table's file, its log, a checkpoint, the lease."""
    interpret(spark)
    bucket = f"test-{fault.rsplit(' ', maxsplit=1)[-1].lower()}"
    s3.client().create_bucket(Bucket=bucket)
    with proxy(s3.endpoint) as way, known_to(spark, s3, way.address):
        place = {"path": f"s3://{bucket}/ticks", "endpoint": way.address, "region": REGION, "path_style": True}
        conf = tmp_path / "conf.yaml"
        conf.write_text(yaml.safe_dump({"lake": place, "ingest": {"collector": "test"}}))
        store, oracle = landing.store(Lake(**place)), Oracle()  # type: ignore[arg-type]  # the same words
        for number, objects in enumerate(parts()):
            for key, data in objects.items():
                assert store.create(key, data)
            oracle.batch(objects)
            way.meant = WRITES
            way.next.extend([PASS, fault] * (500 if number else 0))
            assert stream.main(["--conf", str(conf), "--once"]) == 0
            way.next.clear()
        did = [request for request in way.requests if request.did == fault]
        assert len(did) > 10
        for part in ("/tables/trades/_delta_log/", "/checkpoints/", "/control/"):
            assert any(part in request.path for request in did), part
        assert_lake(spark, f"s3://{bucket}/ticks", oracle)


def patched(monkeypatch: pytest.MonkeyPatch, table: str, then: Callable[[], None]) -> None:
    """After the next append to that table something happens, once."""
    append, left = Live.append, [then]

    def appended(live: Live, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - of Live.append
        found = append(live, *arguments, **named)
        if live.table.name == table and left:
            left.pop()()
        return found

    monkeypatch.setattr(Live, "append", appended)


@pytest.mark.parametrize("when", ["before it begins", "after the trades", "after the quarantine"])
def test_a_disk_that_is_full_costs_nothing_but_a_run(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
):
    interpret(spark)
    with disk(tmp_path / "disk", 64) as small:
        lake, oracle = small.folder / "lake", Oracle()
        lake.mkdir()
        first, second = parts()
        for objects in (first, second):
            land(lake, objects)
            oracle.batch(objects)
            if objects is first:
                once(lake)
        with monkeypatch.context() as patch:
            if when == "before it begins":
                small.fill()
            else:
                patched(patch, "trades" if "trades" in when else "quarantine", small.fill)
            with pytest.raises(Exception, match="No space left on device"):
                once(lake)
        small.empty()
        once(lake)
        assert_lake(spark, lake, oracle)


def test_no_room_for_what_spark_spills_ends_the_run_and_the_next_one_is_right(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project, lake, conf, oracle = copy_of_project(tmp_path / "project"), tmp_path / "lake", tmp_path / "conf.yaml", Oracle()
    conf.write_text(f"lake: {lake}\ningest:\n  collector: test\n")
    for objects in parts():
        land(lake, objects)
    oracle.batch({key: data for objects in parts() for key, data in objects.items()})
    with disk(tmp_path / "disk", 4) as small:
        small.fill()
        monkeypatch.setenv("SPARK_LOCAL_DIRS", str(small.folder))
        process = submit(project, conf, "--once")
        try:
            said, _ = process.communicate(timeout=600)
        finally:
            kill(process)
    assert process.returncode == 1, said
    assert "No space left on device" in said
    interpret(spark)
    once(lake)
    assert_lake(spark, lake, oracle)
