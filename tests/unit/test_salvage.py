"""What a crash or a disk left of a segment: whole lines land, the rest as what it is, and a crash in that changes nothing."""

import contextlib
import json
import os

import pytest

from ingest.settings import Rotate
from ingest.spool import records
from ingest.spool.salvage import Salvage, mend, salvage
from ingest.spool.spool import Spool, prepare
from tests.support.fakes import FakeTime, nothing
from tests.support.segments import text
from tests.support.spools import ALWAYS, NOW, TRADES, Disk, landed, one, spool, texts


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "collect"
    os.close(prepare(found))
    return found


def test_an_open_segment_of_a_dead_collector_is_sealed_as_it_is(folder):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, one(0) + one(1, NOW + 7))
    assert len(salvage(folder).sealed) == 1
    (sealed,) = spool(folder).sealed()
    assert sealed.name.startswith(f"landing+channel=trades+venue=test+market=spot+dt=2024-11-07+{NOW}-laptop-")
    assert text(sealed) == one(0) + one(1, NOW + 7)
    assert salvage(folder) == Salvage([], [])


def test_a_collector_that_was_renamed_keeps_the_old_name_on_what_it_finds(folder):
    Spool(folder, "before", Rotate(), 10**9, FakeTime().clock).append(TRADES, NOW, one(0))
    salvage(folder)
    assert f"+{NOW}-before-" in spool(folder).sealed()[0].name


def torn(folder, cut):
    """An open segment whose second line is cut; what is left of that."""
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, one(0) + one(1))
    (path,) = (folder / "open").iterdir()
    first = records.write(one(0))
    path.write_bytes(path.read_bytes()[: len(first) + cut])
    return len(first), records.write(one(1))[:cut].decode()


@pytest.mark.parametrize("cut", [1, 2, *range(9, len(one(1)) - 2, 17), len(one(1)) + 6, len(one(1)) + 7])
def test_a_tail_torn_anywhere_lands_as_what_it_is(folder, cut, tmp_path):
    at, rest = torn(folder, cut)
    salvage(folder)
    events, trades = sorted(landed(folder, tmp_path / "lake").items())
    assert (trades[0].split("/")[1], trades[1]) == ("channel=trades", one(0))
    assert events[0].split("/")[1] == "channel=events"
    assert json.loads(events[1]) == {
        "v": 1,
        "venue": "test",
        "market": "spot",
        "channel": "events",
        "kind": "unknown",
        "pair": None,
        "stream": None,
        "source": "ws",
        "conn": f"laptop-{NOW}-0",
        "seq": at,
        "recv_ns": NOW,
        "raw_text": rest,
    }


def test_a_last_line_that_lacks_nothing_but_its_end_is_whole(folder, tmp_path):
    torn(folder, len(one(1)) + 8)
    salvage(folder)
    assert list(landed(folder, tmp_path / "lake").values()) == [one(0) + one(1)]


def test_a_segment_of_nothing_but_garbage_lands_too(folder, tmp_path):
    path = folder / "open" / "trades+test+spot+laptop+1.jsonl"
    path.write_bytes(b"\x00\xff\n\x00")
    os.utime(path, ns=(NOW, NOW))
    salvage(folder)
    (found,) = landed(folder, tmp_path / "lake").values()
    rest = [json.loads(text) for text in found.splitlines()]
    assert [(one["channel"], one.get("raw_text"), one.get("raw_b64"), one["seq"], one["recv_ns"]) for one in rest] == [
        ("events", None, "AP8=", 0, NOW),
        ("events", "\x00", None, 3, NOW),
    ]


@pytest.mark.parametrize("place", range(10))
def test_a_crash_anywhere_in_salvaging_is_repeated_with_the_same_result(folder, monkeypatch, tmp_path, place):
    _, rest = torn(folder, 29)
    left = place

    def crash_in_time(real):
        def call(*args, **options):
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return real(*args, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("fsync", "rename"):
            patch.setattr(os, name, crash_in_time(getattr(os, name)))
        crashed = False
        try:
            salvage(folder)
        except KeyboardInterrupt:
            crashed = True
    assert crashed == (place < 8)  # eight calls in all, so each of them was the one that crashed
    salvage(folder)
    found = sorted(landed(folder, tmp_path / "lake").items())
    assert [key.split("/")[1] for key, _ in found] == ["channel=events", "channel=trades"]
    assert json.loads(found[0][1])["raw_text"] == rest
    assert found[1][1] == one(0)


def test_files_that_are_not_ours_are_left_alone_and_named(folder, caplog):
    (folder / "open" / "notes.txt").write_text("mine")
    assert salvage(folder) == Salvage([], [])
    assert "event=foreign_file" in caplog.text
    assert (folder / "open" / "notes.txt").read_text() == "mine"


def test_an_empty_segment_leaves_nothing(folder):
    (folder / "open" / "trades+test+spot+laptop+1.jsonl").write_bytes(b"")
    salvage(folder)
    assert (texts(folder, "open"), texts(folder)) == ([], [])


def test_a_segment_that_cannot_be_read_is_left_for_another_time(folder, monkeypatch, tmp_path):
    spool(folder).append(TRADES, NOW, one(0))
    (path,) = (folder / "open").iterdir()
    with monkeypatch.context() as patch:
        Disk(patch, "rename", ALWAYS)
        assert salvage(folder) == Salvage([], [path])
    found = salvage(folder, [path])
    assert (len(found.sealed), found.left) == (1, [])
    assert list(landed(folder, tmp_path / "lake").values()) == [one(0)]


def damaged(folder, *, place="sealed"):
    """A segment of three lines, the second of which the disk has changed."""
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, one(0) + one(1) + one(2))
    if place == "sealed":
        one_spool.seal(nothing, everything=True)
    (path,) = (folder / place).iterdir()
    path.write_bytes(path.read_bytes().replace(b'"seq":1', b'"seq":7'))
    return path


def assert_mended(folder, tmp_path):
    (_, events), (_, trades) = sorted(landed(folder, tmp_path / "lake").items())
    assert trades == one(0) + one(2)
    (rest,) = map(json.loads, events.splitlines())
    changed = records.write(one(1)).decode().replace('"seq":1', '"seq":7').removesuffix("\n")
    assert (rest["kind"], rest["seq"], rest["raw_text"]) == ("unknown", len(records.write(one(0))), changed)


def test_of_an_open_segment_that_changed_every_other_line_lands(folder, tmp_path):
    damaged(folder, place="open")
    salvage(folder)
    assert_mended(folder, tmp_path)


@pytest.mark.parametrize("place", range(9))
def test_of_a_sealed_segment_that_changed_every_other_line_lands_whenever_it_crashes(folder, tmp_path, monkeypatch, place):
    path = damaged(folder)
    found = records.read(path.read_bytes())
    calls = 0

    def crash_in_time(real):
        def call(*args, **options):
            nonlocal calls
            calls += 1
            if calls == place + 1:
                raise KeyboardInterrupt
            return real(*args, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("fsync", "rename", "unlink"):
            patch.setattr(os, name, crash_in_time(getattr(os, name)))
        with contextlib.suppress(KeyboardInterrupt):
            mend(folder, path, found)
    assert (calls == place + 1) == (place < 9)
    if path.exists():
        mend(folder, path, found)
    assert_mended(folder, tmp_path)
    assert not path.exists()
