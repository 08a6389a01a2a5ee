"""Closed days in large objects: nothing is lost on the way, whenever it is cut, and each object comes back as it was."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingest.landing import Files, Store
from jobs.runtime import archive
from jobs.runtime.archive import ArchiveError, Done
from tests.support.lines import Collector, landed

LANDING = "landing/channel=trades/venue=binance/market=spot/dt=2026-04-30/"
FOLDER = "archive/channel=trades/venue=binance/market=spot/dt=2026-04-30/"


def never() -> bool:
    return False


def some(lake: Path, count: int = 3, start: int = 0) -> dict[str, bytes]:
    """Landing objects of one day, of one, two, three … lines."""
    found = {}
    for number in range(start, start + count):
        one = Collector(f"test-1-{number}")
        key, data = landed([one.aggregate(number * 100 + id_) for id_ in range(number + 1)])
        Files(lake).create(key, data)
        found[key] = data
    return found


def left(lake: Path) -> list[str]:
    return list(Files(lake).keys("landing/"))


def read(lake: Path) -> dict[str, bytes]:
    """What the archive gives back."""
    store = Files(lake)
    return dict(archive.contents(store, archive.archived(store, "trades").values()))


def test_a_day_is_one_part_and_its_index(lake: Path):
    objects = some(lake)
    assert archive.seal(Files(lake), list(objects), stopping=never) == Done(parts=1, objects=3)
    assert left(lake) == []
    assert sorted(path.name for path in (lake / FOLDER).iterdir()) == ["part-1.index.json", "part-1.jsonl.gz"]
    part, index = (lake / FOLDER / "part-1.jsonl.gz").read_bytes(), json.loads((lake / FOLDER / "part-1.index.json").read_text())
    in_order = sorted(objects)
    assert part == b"".join(objects[key] for key in in_order)
    assert (index["v"], index["part"], [one["object"] for one in index["objects"]]) == (1, "part-1.jsonl.gz", in_order)
    assert [part[one["offset"] : one["offset"] + one["bytes"]] for one in index["objects"]] == [objects[key] for key in in_order]
    assert [one["lines"] for one in index["objects"]] == [gzip.decompress(objects[key]).count(b"\n") for key in in_order]
    assert gzip.decompress(part).count(b"\n") == 1 + 2 + 3
    assert read(lake) == objects


def test_a_part_has_so_many_bytes_at_most_and_one_object_at_least(lake: Path):
    objects = some(lake, 4)
    sizes = [len(objects[key]) for key in sorted(objects)]
    assert archive.seal(Files(lake), list(objects), stopping=never, largest=sizes[0] + sizes[1]).parts == 3
    parts = [len((lake / FOLDER / f"part-{number}.jsonl.gz").read_bytes()) for number in (1, 2, 3)]
    assert sum(parts) == sum(sizes)
    assert parts[0] == sizes[0] + sizes[1]
    assert read(lake) == objects
    assert archive.seal(Files(lake), list(some(lake, 1, start=9)), stopping=never, largest=1) == Done(parts=1, objects=1)


def test_what_comes_later_adds_a_part(lake: Path):
    objects = some(lake)
    archive.seal(Files(lake), list(objects), stopping=never)
    before = (lake / FOLDER / "part-1.jsonl.gz").read_bytes()
    late = some(lake, 2, start=5)
    assert archive.seal(Files(lake), list(late), stopping=never) == Done(parts=1, objects=2)
    assert (lake / FOLDER / "part-1.jsonl.gz").read_bytes() == before
    assert {one.part for one in archive.archived(Files(lake), "trades").values()} == {
        f"{FOLDER}part-1.jsonl.gz",
        f"{FOLDER}part-2.jsonl.gz",
    }
    assert read(lake) == objects | late


def test_each_day_and_venue_has_its_own(lake: Path):
    one, two = Collector("a"), Collector("b")
    objects = dict(
        [
            landed([one.aggregate(1)]),
            landed([one.aggregate(2, day="2026-05-01")], day="2026-05-01"),
            landed([two.bitso([1])], venue="bitso"),
            landed([one.book("1")], channel="books"),
        ]
    )
    for key, data in objects.items():
        Files(lake).create(key, data)
    assert archive.seal(Files(lake), list(objects), stopping=never) == Done(parts=4, objects=4)
    assert sorted(read(lake)) == sorted(key for key in objects if "channel=trades" in key)
    assert (archive.has(Files(lake), "books"), archive.has(Files(lake), "events")) == (True, False)


@dataclass
class Dying:
    """A store whose owner dies before its nth change, or right after it."""

    store: Files
    at: int = 0
    after: bool = False
    changes: int = 0

    def _change(self, made):
        self.changes += 1
        if self.changes == self.at and not self.after:
            raise KeyboardInterrupt
        answer = made()
        if self.changes == self.at:
            raise KeyboardInterrupt
        return answer

    def create(self, key: str, data: bytes) -> bool:
        return self._change(lambda: self.store.create(key, data))

    def delete(self, key: str) -> None:
        self._change(lambda: self.store.delete(key))

    def get(self, key: str) -> tuple[bytes, str] | None:
        return self.store.get(key)

    def replace(self, key: str, data: bytes, version: str | None) -> str | None:
        return self._change(lambda: self.store.replace(key, data, version))

    def keys(self, prefix: str) -> Iterator[str]:
        return self.store.keys(prefix)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 10))
def test_a_death_at_any_change_loses_nothing_and_the_next_run_ends_it(lake: Path, at: int, when: str):
    objects = some(lake, 4)  # two parts: two changes each, and the removal of four
    store: Store = Dying(Files(lake), at, when == "after")
    sizes = sorted(len(data) for data in objects.values())
    arguments = {"stopping": never, "largest": sizes[-1] + sizes[-2]}
    if at <= 8:
        with pytest.raises(KeyboardInterrupt):
            archive.seal(store, list(objects), **arguments)
    else:
        assert archive.seal(store, list(objects), **arguments) == Done(parts=2, objects=4)
    there = {key: (lake / key).read_bytes() for key in left(lake)}
    assert read(lake) | there == objects
    archive.seal(Files(lake), list(objects), **arguments)
    assert left(lake) == []
    assert read(lake) == objects
    names = {path.name for path in (lake / FOLDER).iterdir()}
    assert {name.replace("jsonl.gz", "index.json") for name in names} == {name for name in names if "index" in name}


@dataclass
class Cutting(Dying):
    """A store that keeps less than it was given, and says that all is well."""

    def create(self, key: str, data: bytes) -> bool:
        return self.store.create(key, data[:-1])


def test_a_part_that_was_not_written_whole_takes_no_object_away(lake: Path):
    objects = some(lake)
    with pytest.raises(ArchiveError, match=f"part-1.jsonl.gz is not what its index says, at .*: {max(objects)} cannot be read"):
        archive.seal(Cutting(Files(lake)), list(objects), stopping=never)
    assert {key: (lake / key).read_bytes() for key in left(lake)} == objects
    assert archive.seal(Files(lake), list(objects), stopping=never) == Done(parts=1, objects=3)
    assert read(lake) == objects


def test_a_damaged_object_stays_where_it_is(lake: Path):
    objects = some(lake)
    rotten = sorted(objects)[1]
    (lake / rotten).write_bytes(objects[rotten][:-9] + b"\0" + objects[rotten][-8:])
    assert archive.seal(Files(lake), list(objects), stopping=never) == Done(parts=1, objects=2, damaged=1)
    assert left(lake) == [rotten]
    assert sorted(read(lake)) == sorted(set(objects) - {rotten})


def test_an_object_with_the_name_of_a_sealed_one_goes_only_if_it_is_that(lake: Path):
    objects = some(lake)
    first, second, _ = sorted(objects)
    archive.seal(Files(lake), list(objects), stopping=never)
    assert archive.bring_back(Files(lake), first)
    assert (lake / first).read_bytes() == objects[first]
    (lake / second).write_bytes(objects[first])
    assert archive.seal(Files(lake), [first, second], stopping=never) == Done(objects=1, damaged=1)
    assert left(lake) == [second]
    assert not archive.bring_back(Files(lake), f"{LANDING}1-test-000000000000.jsonl.gz")


def test_a_part_that_is_not_what_its_index_says_is_named(lake: Path):
    objects = some(lake)
    archive.seal(Files(lake), list(objects), stopping=never)
    part = lake / FOLDER / "part-1.jsonl.gz"
    data = part.read_bytes()
    part.write_bytes(data[:-1] + b"\1")
    with pytest.raises(ArchiveError, match=rf"{FOLDER}part-1.jsonl.gz is not what its index says, at \d+: {max(objects)} "):
        read(lake)
    part.unlink()
    with pytest.raises(ArchiveError, match=r"part-1\.jsonl\.gz is not there: put it back; 3 landing objects lie in it"):
        read(lake)
    (lake / FOLDER / "part-1.index.json").write_text('{"v": 2}')
    with pytest.raises(ArchiveError, match="the index has format 2; this program knows 1"):
        read(lake)


def test_it_stops_between_parts_when_asked(lake: Path):
    objects = some(lake)
    asked = iter([False, False, True])
    assert archive.seal(Files(lake), list(objects), stopping=lambda: next(asked), largest=1) == Done(parts=1, objects=1)
    assert len(left(lake)) == 2


@pytest.mark.parametrize(
    ("now", "is_"), [("2026-05-02T23:59:59", "open"), ("2026-05-03T00:00:00", "closed"), ("2026-06-01T00:00:00", "closed")]
)
def test_a_day_is_closed_so_long_after_its_end(now: str, is_: str):
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert archive.is_closed(date(2026, 4, 30), moment, timedelta(days=2)) is (is_ == "closed")
