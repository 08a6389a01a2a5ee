"""The spool: nothing that was appended is lost, whatever happens next."""

import gzip
import json
import os
import re
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.envelope import Origin, head, line
from ingest.landing import Files
from ingest.salvage import salvage
from ingest.settings import Rotate
from ingest.spool import Place, Spool, SpoolError, prepare
from ingest.upload import land
from tests.support.fakes import FakeTime, nothing
from tests.support.recording import file_calls

TRADES = Place("trades", "test", "spot")
EVENTS = Place("events", "test", "spot")
NOW = FakeTime().wall
HEAD = head(Origin("test", "spot", "trades", "trade", "A-B", "a_b", "ws", "laptop-5-1"))


def one(seq, recv_ns=NOW, raw=b"{}"):
    return line(HEAD, seq, recv_ns, raw, is_json=True)


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "collect"
    os.close(prepare(found))
    return found


def spool(folder, time=None, *, seconds=60, megabytes=64, max_bytes=10**9):
    return Spool(folder, "laptop", Rotate(seconds, megabytes), max_bytes, (time or FakeTime()).clock)


def names(paths):
    return [path.name for path in paths]


def texts(folder, part="sealed"):
    return sorted(path.read_bytes() for path in (folder / part).iterdir())


def landed(folder, tmp_path):
    """Everything sealed, landed: key -> text."""
    store = Files(tmp_path / "lake")
    for path in spool(folder).sealed():
        land(store, path)
    return {key: gzip.decompress(store.get(key)[0]) for key in store.keys("landing/")}


def test_a_sealed_segment_bears_the_name_of_its_object(folder):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, one(0) + one(1))
    one_spool.append(TRADES, NOW + 5, one(2))
    (sealed,) = one_spool.seal(nothing, everything=True)
    assert re.sub(r"[0-9a-f]{12}\.jsonl", "<sha12>.jsonl", sealed.name) == (
        f"landing+channel=trades+venue=test+market=spot+dt=2024-11-07+{NOW}-laptop-<sha12>.jsonl"
    )
    assert sealed.read_bytes() == one(0) + one(1) + one(2)
    assert texts(folder, "open") == []


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
    one_spool.append(TRADES, NOW, b"x" * 999_998 + b"\n")
    assert one_spool.seal(nothing) == []
    one_spool.append(TRADES, NOW, b"\n")
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
    assert calls == [("fsync", opened), ("rename", f"sealed/{sealed.name}"), ("fsync", "sealed"), ("fsync", "open")]


def test_what_was_appended_is_synced_once(folder, monkeypatch):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, b"a\n")
    with file_calls(monkeypatch, folder) as calls:
        one_spool.sync()
        one_spool.sync()
        one_spool.append(TRADES, NOW, b"b\n")
        one_spool.sync()
    assert calls == [("fsync", "open/trades+test+spot+laptop+1.jsonl")] * 2


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
    assert one_spool.bytes == len(b"first\nthird\n")


def test_the_bound_counts_everything_that_has_not_landed(folder):
    one_spool = spool(folder, max_bytes=6)
    one_spool.append(TRADES, NOW, b"abc\n")
    (sealed,) = one_spool.seal(nothing, everything=True)
    assert not one_spool.is_full
    one_spool.append(TRADES, NOW, b"d\n")
    assert one_spool.is_full
    assert spool(folder, max_bytes=6).is_full  # a restart counts what it finds
    one_spool.forget(sealed)
    assert one_spool.bytes == 2
    assert not one_spool.is_full


def test_sealed_segments_come_in_the_order_received(folder):
    one_spool = spool(folder)
    for recv_ns in (900, 10_000, 20):
        one_spool.append(TRADES, recv_ns, b"%d\n" % recv_ns)
        one_spool.seal(nothing, everything=True)
    (folder / "sealed" / "not ours.txt").write_text("x")
    assert [path.read_bytes() for path in one_spool.sealed()] == [b"20\n", b"900\n", b"10000\n"]


def test_a_second_collector_is_told_who_has_the_spool(tmp_path):
    handle = prepare(tmp_path / "collect")
    with pytest.raises(SpoolError, match=rf"collect: used by another collector \(process {os.getpid()}\); give this one"):
        prepare(tmp_path / "collect")
    os.close(handle)
    os.close(prepare(tmp_path / "collect"))


def test_an_open_segment_of_a_dead_collector_is_sealed_as_it_is(folder):
    one_spool = spool(folder)
    one_spool.append(TRADES, NOW, one(0) + one(1, NOW + 7))
    assert salvage(folder) == 1
    (sealed,) = spool(folder).sealed()
    assert sealed.name.startswith(f"landing+channel=trades+venue=test+market=spot+dt=2024-11-07+{NOW}-laptop-")
    assert sealed.read_bytes() == one(0) + one(1, NOW + 7)
    assert salvage(folder) == 0


def test_a_collector_that_was_renamed_keeps_the_old_name_on_what_it_finds(folder):
    Spool(folder, "before", Rotate(), 10**9, FakeTime().clock).append(TRADES, NOW, one(0))
    salvage(folder)
    assert f"+{NOW}-before-" in spool(folder).sealed()[0].name


@pytest.mark.parametrize("cut", [1, 2, *range(9, len(one(1)) - 2, 17), len(one(1)) - 2, len(one(1)) - 1])
def test_a_tail_torn_anywhere_lands_as_what_it_is(folder, cut, tmp_path):
    spool(folder).append(TRADES, NOW, one(0) + one(1)[:cut])
    salvage(folder)
    events, trades = sorted(landed(folder, tmp_path).items())
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
        "seq": len(one(0)),
        "recv_ns": NOW,
        "raw_text": one(1)[:cut].decode(),
    }


def test_a_segment_of_nothing_but_garbage_lands_too(folder, tmp_path):
    path = folder / "open" / "trades+test+spot+laptop+1.jsonl"
    path.write_bytes(b"\x00\xff\n\x00")
    os.utime(path, ns=(NOW, NOW))
    salvage(folder)
    found = landed(folder, tmp_path)
    (rest,) = [json.loads(text) for text in found.values() if text != b"\x00\xff\n"]
    assert len(found) == 2
    assert (rest["channel"], rest["raw_text"], rest["recv_ns"]) == ("events", "\x00", NOW)


@pytest.mark.parametrize("place", range(10))
def test_a_crash_anywhere_in_salvaging_is_repeated_with_the_same_result(folder, monkeypatch, tmp_path, place):
    spool(folder).append(TRADES, NOW, one(0) + one(1)[:20])
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
        for name in ("fsync", "rename", "truncate"):
            patch.setattr(os, name, crash_in_time(getattr(os, name)))
        crashed = False
        try:
            salvage(folder)
        except KeyboardInterrupt:
            crashed = True
    assert crashed == (place < 9)  # nine calls in all, so each of them was the one that crashed
    salvage(folder)
    found = sorted(landed(folder, tmp_path).items())
    assert [key.split("/")[1] for key, _ in found] == ["channel=events", "channel=trades"]
    assert json.loads(found[0][1])["raw_text"] == one(1)[:20].decode()
    assert found[1][1] == one(0)


def test_files_that_are_not_ours_are_left_alone_and_named(folder, caplog):
    (folder / "open" / "notes.txt").write_text("mine")
    assert salvage(folder) == 0
    assert "event=foreign_file" in caplog.text
    assert texts(folder, "open") == [b"mine"]


def test_an_empty_segment_leaves_nothing(folder):
    (folder / "open" / "trades+test+spot+laptop+1.jsonl").write_bytes(b"")
    salvage(folder)
    assert (texts(folder, "open"), texts(folder)) == ([], [])


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
    assert b"".join(path.read_bytes() for path in one_spool.sealed()) == b"".join(sent)
