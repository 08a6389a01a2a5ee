"""A disk that cuts or changes what a killed collector left, anywhere: the next start lands what is whole and tells what is gone."""

import gzip
import json
import os
import shutil
import threading
import time

import pytest

from ingest.alert_settings import AlertSettings
from ingest.alerts.desk import Alerts
from ingest.alerts.policy import limits
from ingest.clock import Clock
from ingest.collector.link import World
from ingest.collector.run import Collector, Times, Wanted
from ingest.journal import Journal
from ingest.landing import Files
from ingest.plan import plans
from ingest.settings import Endpoint, FeedSettings, Ingest, Rotate, Spool
from ingest.spool.marks import Marks
from ingest.spool.spool import Place, prepare
from ingest.spool.spool import Spool as Disk
from tests.support.exchanges import find
from tests.support.fakes import FakeTime, nobody, text


def nothing_traded(_):
    return []


PLACE = Place("trades", "test", "spot")
SEALED, OPEN, NEXT = range(1, 6), range(6, 11), 20  # ids in the segments, and of the first frame after the start
FASTER = 50  # times: what waits a second by the clock waits no longer than it must


def frame(number):
    return json.dumps({"s": "a_b", "id": number, "at": number * 10}).encode()


def settings(folder):
    feeds = (FeedSettings("test", "spot", "trade", ("A-B",)),)
    return Ingest("laptop", Spool(folder, fsync_ms=5), Rotate(60, 64), feeds, {"test": {"spot": Endpoint(("ws://one",))}})


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """What a killed collector left: a sealed segment, marks before and after it, an open one that they know half of; its lines."""
    folder = tmp_path_factory.mktemp("left")
    spool = folder / "collect"
    os.close(prepare(spool))
    (plan,) = plans(settings(folder), find, nothing_traded)
    marks = Marks(spool, [plan])
    journal = Journal(plan, "laptop-5-1", marks.continuities[0].feeds)
    disk = Disk(spool, "laptop", Rotate(), 10**9, FakeTime().clock)
    rows = {}
    for number in (*SEALED, *OPEN):
        taken = journal.take([(FakeTime().wall + number, frame(number))])
        ((_, recv_ns, lines),) = taken.parts
        rows[number] = lines[0].rstrip(b"\n")
        disk.append(PLACE, recv_ns, lines[0])
        for known, seen, at in taken.steps:
            marks.continuities[0].take(known, seen, at, 0.0)
        if number in (1, SEALED[-1], OPEN[2]):
            disk.sync()
            marks.save(marks.snapshot(), disk.synced())
        if number == SEALED[-1]:
            disk.seal(lambda: None, everything=True)
    return folder, rows


class Socket:
    """Sends one frame, then nothing."""

    def __init__(self) -> None:
        self.frames = [text(frame(NEXT))]
        self.closed = threading.Event()

    def receive(self, _size):
        if self.frames:
            return self.frames.pop()
        self.closed.wait(0.01)
        raise TimeoutError

    def send(self, _opcode, _payload):
        """Nobody listens."""

    def close(self):
        self.closed.set()


def started(folder, lake):
    """A start on that spool; until the next frame has come and its hole has been told."""
    stop = threading.Event()
    clock = Clock(time.time_ns, lambda: time.monotonic() * FASTER)
    world = World(clock, lambda _: Socket(), nobody, lambda: 0.0, stop)
    ingest = settings(folder)
    collector = Collector(
        ingest,
        Wanted(plans(ingest, find, nothing_traded)),
        Files(lake),
        world,
        alerts=Alerts((), limits(AlertSettings()), "laptop"),
        times=Times(grace=15.0 * FASTER, watch=0.005),
    )
    end = collector.run(lambda now: stop.set() if now.gaps and not now.holes and not now.waiting else None, 10.0 * FASTER)
    assert end.is_good, end
    assert end.gaps, end
    return end


def lines(lake, channel):
    files = Files(lake)
    return [row for key in files.keys(f"landing/channel={channel}/") for row in gzip.decompress(files.get(key)[0]).splitlines()]


def assert_told(folder, rows, lake):
    """Every line that landed as a trade is one that was written; every id that is gone is in a hole. What was odd."""
    started(folder, lake)
    trades = [row for row in lines(lake, "trades") if json.loads(row)["raw"]["id"] != NEXT]
    assert set(trades) <= set(rows.values())
    assert len(trades) == len(set(trades))
    events = list(map(json.loads, lines(lake, "events")))
    gaps = [event["raw"] for event in events if event.get("raw", {}).get("event") == "gap"]
    spans = [(gap["first_missing_id"], gap["last_missing_id"]) for gap in gaps if gap["outcome"] == "ids"]
    gone = {number for number, row in rows.items() if row not in trades}
    told = {number for number in (*gone, *range(OPEN[-1] + 1, NEXT)) if any(low <= number <= high for low, high in spans)}
    if any(gap["outcome"] == "forgotten" for gap in gaps):  # where nothing is left nobody knows which they were
        assert not any(rows[number] in trades for number in SEALED)
        told |= gone
    assert told == gone | set(range(OPEN[-1] + 1, NEXT)), (gone, spans)
    return gone, [event for event in events if event["kind"] == "unknown"]


def files(folder):
    return sorted(
        path for path in (folder / "collect").rglob("*") if path.is_file() and path.stat().st_size and path.name != "lock"
    )


def damaged(left, tmp_path, part, change):
    """A copy of what was left, one file of it changed."""
    folder = tmp_path / "spool"
    shutil.copytree(left, folder)
    path = next(path for path in files(folder) if path.relative_to(folder / "collect").as_posix().startswith(part))
    path.write_bytes(change(path.read_bytes()))
    return folder


def flipped(place, bit):
    def change(data):
        found = bytearray(data)
        found[place] ^= 1 << bit
        return bytes(found)

    return change


def size(left, part):
    return next(path.stat().st_size for path in files(left) if path.relative_to(left / "collect").as_posix().startswith(part))


def is_sum(left, part, place):
    """Whether a byte is of the sum before a line, not of the line."""
    path = next(path for path in files(left) if path.relative_to(left / "collect").as_posix().startswith(part))
    return place - (path.read_bytes().rfind(b"\n", 0, place) + 1) < 9


def sweep(left, tmp_path, part, step, start=0):
    """A flipped bit in each step-th byte, a cut before it."""
    folder, rows = left
    for place in range(start, size(folder, part), step):
        at = tmp_path / f"{place}"
        gone, odd = assert_told(damaged(folder, at / "flip", part, flipped(place, place % 8)), rows, at / "flip" / "lake")
        is_marks = part.startswith("marks")
        is_nothing = is_marks or (
            part == "sealed" and is_sum(folder, part, place)
        )  # the name has the sum of all lines, and it is right
        assert (len(gone), bool(odd)) == ((0, False) if is_nothing else (1, True)), place
        gone, odd = assert_told(
            damaged(folder, at / "cut", part, lambda data, place=place: data[:place]), rows, at / "cut" / "lake"
        )
        assert bool(gone) != (is_marks or place == size(folder, part) - 1), place  # the last byte is but the end of a line
        shutil.rmtree(at)


def test_nothing_is_gone_where_nothing_is_damaged(left, tmp_path):
    folder, rows = left
    shutil.copytree(folder, tmp_path / "spool")
    assert assert_told(tmp_path / "spool", rows, tmp_path / "lake") == (set(), [])


@pytest.mark.parametrize("part", ["open", "sealed", "marks.json"])
def test_damage_anywhere_is_told(left, tmp_path, part):
    sweep(left, tmp_path, part, step=149)


@pytest.mark.long
@pytest.mark.parametrize("start", range(8))
@pytest.mark.parametrize("part", ["open", "sealed", "marks.json"])
def test_damage_in_every_byte_is_told(left, tmp_path, part, start):
    sweep(left, tmp_path, part, step=8, start=start)
