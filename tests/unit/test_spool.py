"""The spool: nothing that was appended is lost, whatever happens next."""

import errno
import hashlib
import os
import re
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.envelope import line
from ingest.spool import records
from ingest.spool.salvage import salvage
from ingest.spool.spool import SpoolError, prepare
from tests.support.fakes import FakeTime, nothing
from tests.support.recording import file_calls
from tests.support.segments import text
from tests.support.spools import ALWAYS, EVENTS, HEAD, NOW, TRADES, Disk, landed, one, spool, texts


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "collect"
    os.close(prepare(found))
    return found


def test_a_sealed_segment_bears_the_name_of_its_object(folder):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, one(0) + one(1))
    one_spool.append(TRADES, NOW + 5, one(2))
    (sealed,) = one_spool.seal(nothing, everything=True)
    assert re.sub(r"[0-9a-f]{12}\.jsonl", "<sha12>.jsonl", sealed.name) == (
        f"landing+channel=trades+venue=test+market=spot+dt=2024-11-07+{NOW}-laptop-<sha12>.jsonl"
    )
    assert text(sealed) == one(0) + one(1) + one(2)
    assert texts(folder, "open") == []


def is_named_by(path, lines):
    return path.name.endswith(f"-{hashlib.sha256(lines).hexdigest()[:12]}.jsonl")


def test_a_segment_is_named_by_what_was_appended_so_that_what_the_disk_made_of_it_shows(folder):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, one(0))
    one_spool.append(TRADES, NOW, one(1))
    (path,) = (folder / "open").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"seq":1', b'"seq":7'))
    (sealed,) = one_spool.seal(nothing, everything=True)
    assert is_named_by(sealed, one(0) + one(1))


def test_places_have_segments_of_their_own(folder):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, b"t\n")
    one_spool.append(EVENTS, NOW, b"e\n")
    one_spool.append(TRADES, NOW, b"T\n")
    one_spool.seal(nothing, everything=True)
    assert texts(folder) == [b"e\n", b"t\nT\n"]


def test_age_seals_by_the_monotonic_clock_alone(folder):
    time = FakeTime()
    one_spool = spool(folder, time, seconds=60)
    one_spool.append(TRADES, NOW, b"a\n")
    time.wall += 10**16  # the wall clock jumps by months
    time.seconds += 59.9
    assert one_spool.seal(nothing) == []
    time.seconds += 0.1
    assert len(one_spool.seal(nothing)) == 1
    assert one_spool.seal(nothing) == []


def test_size_seals(folder):
    one_spool = spool(folder, megabytes=1)
    one_spool.append(TRADES, NOW, b"x" * 999_985 + b"\n")  # with the checksum 999,995 bytes
    assert one_spool.seal(nothing) == []
    one_spool.append(TRADES, NOW, b"y\n")
    assert len(one_spool.seal(nothing)) == 1


def test_the_day_is_that_of_the_first_receive_time(folder):
    midnight = 1_731_024_000_000_000_000  # 2024-11-08T00:00:00Z
    one_spool = spool(folder)
    one_spool.append(TRADES, midnight - 1, b"a\n")
    one_spool.append(TRADES, midnight + 1, b"b\n")
    assert "dt=2024-11-07" in one_spool.seal(nothing, everything=True)[0].name
    one_spool.append(TRADES, midnight, b"c\n")
    assert "dt=2024-11-08" in one_spool.seal(nothing, everything=True)[0].name


def test_a_segment_is_durable_before_its_name_and_its_name_before_anybody_hears_of_it(folder, monkeypatch):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, b"a\n")
    with file_calls(monkeypatch, folder) as calls:
        (sealed,) = one_spool.seal(nothing, everything=True)
    opened = "open/trades+test+spot+laptop+1.jsonl"
    assert calls == [
        ("fsync", "open"),
        ("fsync", opened),
        ("rename", f"sealed/{sealed.name}"),
        ("fsync", "sealed"),
        ("fsync", "open"),
    ]


def test_what_was_appended_is_synced_once(folder, monkeypatch):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, b"a\n")
    with file_calls(monkeypatch, folder) as calls:
        one_spool.sync()
        one_spool.sync()
        one_spool.append(TRADES, NOW, b"b\n")
        one_spool.sync()
    segment = ("fsync", "open/trades+test+spot+laptop+1.jsonl")
    assert calls == [("fsync", "open"), segment, segment]


def test_a_segment_is_not_closed_while_somebody_else_syncs_it(folder, monkeypatch):
    one_spool, real, sealing = spool(folder), os.fsync, []
    one_spool.append(TRADES, NOW, b"a\n")

    def fsync(handle):
        if not sealing:
            sealing.append(threading.Thread(target=one_spool.seal, args=(nothing,), kwargs={"everything": True}))
            sealing[0].start()
            sealing[0].join(0.2)  # it has the time to close what we are about to sync
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    one_spool.sync()
    sealing[0].join()
    assert len(one_spool.sealed()) == 1


def test_a_write_that_fails_half_way_leaves_whole_lines_only(folder, monkeypatch):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, b"first\n")
    real = os.write

    def full(handle, data):
        if len(data) > 3:
            return real(handle, data[:3])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(SpoolError, match="No space left on device; 7 bytes were not written"):
            one_spool.append(TRADES, NOW, b"second\n")
    one_spool.append(TRADES, NOW, b"third\n")
    one_spool.seal(nothing, everything=True)
    assert texts(folder) == [b"first\nthird\n"]
    assert one_spool.bytes == len(records.write(b"first\nthird\n"))


def test_what_a_disk_failed_to_sync_is_written_once_more(folder, monkeypatch, caplog):
    """A second fsync would say yes, though the disk has dropped the pages."""
    time = FakeTime()
    one_spool = spool(folder, time)
    one_spool.append(TRADES, NOW, one(0))
    assert one_spool.sync()
    one_spool.append(TRADES, NOW + 1, one(1, NOW + 1))
    with monkeypatch.context() as patch:
        Disk(patch, "fsync", [1])
        assert one_spool.sync()
    one_spool.append(TRADES, NOW + 2, one(2, NOW + 2))
    assert sorted(map(text, (folder / "open").iterdir())) == [one(0), one(1, NOW + 1), one(2, NOW + 2)]
    one_spool.seal(nothing, everything=True)
    assert [text(path) for path in one_spool.sealed()] == [one(0), one(1, NOW + 1), one(2, NOW + 2)]
    assert all(is_named_by(path, text(path)) for path in one_spool.sealed())  # the first was cut: what it lost is not in its name
    assert one_spool.bytes == sum(path.stat().st_size for path in one_spool.sealed())
    assert "event=not_synced" in caplog.text
    assert "event=rescued" in caplog.text


def test_a_disk_that_syncs_nothing_gets_no_more_and_all_of_it_later(folder, monkeypatch):
    time = FakeTime()
    one_spool = spool(folder, time)
    one_spool.append(TRADES, NOW, one(0))
    remembered = []
    with monkeypatch.context() as patch:
        disk = Disk(patch, "fsync")
        assert not one_spool.sync()
        assert one_spool.is_full
        assert one_spool.seal(lambda: remembered.append(one_spool.sync()), everything=True) == []
        tries = disk.calls
        assert not one_spool.sync()
        assert disk.calls == tries  # not again at once
        assert (one_spool.unsealed, remembered) == (1, [])
    time.seconds += 5
    assert one_spool.sync()
    assert not one_spool.is_full
    one_spool.seal(nothing, everything=True)
    assert texts(folder) == [one(0)]
    assert one_spool.unsealed == 0


def test_a_killed_collector_whose_disk_synced_nothing_leaves_what_it_wrote(folder, monkeypatch, tmp_path):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, one(0))
    with monkeypatch.context() as patch:
        Disk(patch, "fsync")
        one_spool.sync()
    salvage(folder)
    assert list(landed(folder, tmp_path / "lake").values()) == [one(0)]


def test_what_the_marks_tell_of_is_on_the_disk_before_they_are(folder, monkeypatch):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, b"a\n")
    with file_calls(monkeypatch, folder) as calls:
        one_spool.seal(lambda: calls.append(("remember", "marks")), everything=True)
    assert [call for call, _ in calls] == ["fsync", "fsync", "remember", "rename", "fsync", "fsync"]


def test_a_segment_that_cannot_be_sealed_is_sealed_later(folder, monkeypatch):
    time = FakeTime()
    one_spool = spool(folder, time)
    one_spool.append(TRADES, NOW, one(0))
    with monkeypatch.context() as patch:
        disk = Disk(patch, "rename", ALWAYS, code=errno.ENOSPC)
        assert one_spool.seal(nothing, everything=True) == []
        one_spool.append(TRADES, NOW, one(1))
        time.seconds += 1
        assert one_spool.seal(nothing) == []
        assert disk.calls == 1
    time.seconds += 4
    assert [text(path) for path in one_spool.seal(nothing)] == [one(0)]
    assert one_spool.unsealed == 1


def test_a_full_disk_is_full_until_it_has_room_again(folder, monkeypatch):
    time = FakeTime()
    one_spool = spool(folder, time)
    free = [0]
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free[0]))
    with monkeypatch.context() as patch:
        Disk(patch, "write", ALWAYS, code=errno.ENOSPC)
        with pytest.raises(SpoolError, match="No space left on device"):
            one_spool.append(TRADES, NOW, one(0))
    assert one_spool.is_full
    free[0] = 2_000_000
    assert not one_spool.is_full
    one_spool.seal(nothing, everything=True)
    assert (texts(folder), texts(folder, "open"), one_spool.unsealed) == ([], [], 0)  # of the refused lines nothing is left


def test_half_a_line_that_cannot_be_cut_off_stands_before_no_other(folder, monkeypatch):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, one(0))
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: real(handle, data[:7]) if len(data) > 7 else 1 // 0)
        patch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        Disk(patch, "write", [2], code=errno.EIO)
        with pytest.raises(SpoolError, match="Input/output error"):
            one_spool.append(TRADES, NOW, one(1))
    one_spool.append(TRADES, NOW, one(2))
    one_spool.seal(nothing, everything=True)
    found = [records.read(path.read_bytes()) for path in one_spool.sealed()]
    assert sorted(([*one.whole], len(one.damaged)) for one in found) == [([one(0)], 1), ([one(2)], 0)]


def test_a_full_disk_keeps_nobody_from_starting(tmp_path, monkeypatch):
    os.close(prepare(tmp_path))
    with monkeypatch.context() as patch:
        Disk(patch, "pwrite", ALWAYS, code=errno.ENOSPC)
        Disk(patch, "fsync")
        os.close(prepare(tmp_path))


def test_the_bound_counts_everything_that_has_not_landed(folder):
    one_spool = spool(folder, max_bytes=24)
    one_spool.append(TRADES, NOW, b"abc\n")
    (sealed,) = one_spool.seal(nothing, everything=True)
    assert not one_spool.is_full
    one_spool.append(TRADES, NOW, b"d\n")
    assert one_spool.is_full
    assert spool(folder, max_bytes=24).is_full  # a restart counts what it finds
    one_spool.forget(sealed)
    assert one_spool.bytes == 11
    assert not one_spool.is_full


def test_a_spool_that_was_full_has_room_again_only_when_a_tenth_of_it_is_free(folder):
    one_spool = spool(folder, max_bytes=200)
    paths = []
    for number in range(20):
        one_spool.append(TRADES, NOW + number, b"\n" if number % 2 else b"12345678\n")  # 10 and 18 bytes
        paths += one_spool.seal(nothing, everything=True)
    assert one_spool.is_full
    left = []
    for path in paths:
        one_spool.forget(path)
        left.append((one_spool.bytes, one_spool.is_full))
    assert [is_full for _, is_full in left] == [size >= 180 for size, _ in left]


def test_sealed_segments_come_in_the_order_received(folder):
    one_spool = spool(folder)
    for recv_ns in (900, 10_000, 20):
        one_spool.append(TRADES, recv_ns, b"%d\n" % recv_ns)
        one_spool.seal(nothing, everything=True)
    (folder / "sealed" / "not ours.txt").write_text("x")
    assert [text(path) for path in one_spool.sealed()] == [b"20\n", b"900\n", b"10000\n"]


def test_a_second_collector_is_told_who_has_the_spool(tmp_path):
    handle = prepare(tmp_path / "collect")
    with pytest.raises(SpoolError, match=rf"collect: used by another collector \(process {os.getpid()}\); give this one"):
        prepare(tmp_path / "collect")
    os.close(handle)
    os.close(prepare(tmp_path / "collect"))


@settings(max_examples=40, deadline=None)
@given(
    appends=st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=4), min_size=1, max_size=12),
    seals=st.sets(st.integers(0, 11)),
    crash=st.booleans(),
)
def test_any_split_into_segments_keeps_every_line_in_order(tmp_path_factory, appends, seals, crash):
    folder = tmp_path_factory.mktemp("spool") / "collect"
    os.close(prepare(folder))
    one_spool = spool(folder)
    sent = []
    for number, raws in enumerate(appends):
        lines = [line(HEAD, len(sent) + place, NOW + len(sent) + place, raw, is_json=False) for place, raw in enumerate(raws)]
        one_spool.append(TRADES, NOW + len(sent), b"".join(lines))
        sent += lines
        if number in seals:
            one_spool.seal(nothing, everything=True)
    if crash:
        salvage(folder)
    else:
        one_spool.seal(nothing, everything=True)
    assert b"".join(map(text, one_spool.sealed())) == b"".join(sent)
    assert all(is_named_by(path, text(path)) for path in one_spool.sealed())
