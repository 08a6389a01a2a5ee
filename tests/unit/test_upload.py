"""From the spool into the landing zone: once, verified, and never forgotten too early."""

import gzip
import itertools
import os
import threading
from time import monotonic, sleep

import pytest

from ingest.landing import Files
from ingest.settings import Rotate
from ingest.spool import records
from ingest.spool.members import members
from ingest.spool.spool import Place, Spool, prepare
from ingest.spool.upload import LATE_SECONDS, Uploader, land
from tests.support.fakes import FakeTime, nothing
from tests.support.segments import text

TRADES = Place("trades", "test", "spot")
NOW = FakeTime().wall


@pytest.fixture
def spool(tmp_path):

    os.close(prepare(tmp_path / "spool"))
    return Spool(tmp_path / "spool", "laptop", Rotate(), 10**9, FakeTime().clock)


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "lake")


def sealed(spool, text=b"a\nb\n"):
    spool.append(TRADES, NOW, text)
    (path,) = spool.seal(nothing, everything=True)
    return path


class Flaky:
    """A store whose next calls fail, each in the way that is told; then it works."""

    def __init__(self, real, *failures) -> None:
        self._real = real
        self._failures = list(failures)
        self.calls = 0

    def create(self, key, data):
        self.calls += 1
        failure = self._failures.pop(0) if self._failures else "none"
        if failure == "lost answer":
            self._real.create(key, data)
        if failure in ("lost answer", "refused"):
            raise OSError(failure)
        return False if failure == "busy" else self._real.create(key, data)

    def __getattr__(self, name) -> object:
        return getattr(self._real, name)


def test_an_object_holds_the_lines_in_small_members(spool, files):
    lines = b"".join(b"%07d" % number + b"x" * 992 + b"\n" for number in range(2500))
    path = sealed(spool, lines)
    key, outcome = land(files, path, members(text(path)))
    data, _ = files.get(key)
    assert outcome == "landed"
    assert gzip.decompress(data) == lines
    assert data.count(b"\x1f\x8b\x08") >= 3
    assert key == f"{path.name.replace('+', '/')}.gz"


def test_what_is_there_already_is_ours_if_its_lines_are(spool, files):
    path = sealed(spool)
    key = f"{path.name.replace('+', '/')}.gz"
    files.create(key, gzip.compress(b"a\n", 9) + gzip.compress(b"b\n", 9))  # other bytes, as another zlib writes them
    assert land(files, path, members(text(path))) == (key, "there")


@pytest.mark.parametrize("data", [gzip.compress(b"other\n", mtime=0), b"no gzip", gzip.compress(b"a\nb\n", mtime=0)[:-3], b""])
def test_other_lines_under_our_name_are_a_conflict(spool, files, data):
    path = sealed(spool)
    files.create(f"{path.name.replace('+', '/')}.gz", data)
    assert land(files, path, members(text(path)))[1] == "conflict"


def test_a_write_that_was_still_under_way_is_asked_for_again(spool, files):
    flaky, path = Flaky(files, "busy", "busy"), sealed(spool)
    assert land(flaky, path, members(text(path)))[1] == "landed"
    assert land(Flaky(files, *["busy"] * 9), path, members(text(path)))[1] == "there"
    with pytest.raises(OSError, match="neither created nor there, 5 times"):
        land(Flaky(Files(files.root / "other"), *["busy"] * 9), path, members(text(path)))


def test_a_segment_that_changed_on_the_disk_is_mended_before_it_lands(spool, files):
    path = sealed(spool, b"a\nb\nc\n")
    path.write_bytes(path.read_bytes().replace(b" b", b" x"))
    mended = []

    def mend(damaged, found):
        mended.append((damaged, found))
        path.unlink()
        return [sealed(spool, found.text)]

    found = uploaded(spool, files, path, mend=mend)
    assert [gzip.decompress(files.get(key)[0]) for key in files.keys("landing/")] == [b"a\nc\n"]
    assert mended == [(path, records.Records([b"a\n", b"c\n"], [records.Damage(11, 1, b"71beeff9 x")]))]
    assert (found.objects, found.failures) == (1, 0)


@pytest.mark.parametrize(("cut", "whole"), [(0, []), (11, [b"a\n"]), (15, [b"a\n"])])
def test_a_segment_that_was_cut_is_told_by_its_name_or_its_end(spool, files, cut, whole):
    path = sealed(spool, b"a\nb\nc\n")
    path.write_bytes(path.read_bytes()[:cut])
    seen = []

    def mend(_path, found):
        seen.append((found.whole, found.damaged[-1]))
        return []

    uploaded(spool, files, path, mend=mend)
    assert seen == [(whole, records.Damage(cut, len(whole), b"", 10**9))]


def test_a_segment_that_cannot_be_read_stays_and_the_next_one_lands(spool, files, caplog):
    first, second = sealed(spool, b"a\n"), sealed(spool, b"b\n")
    first.unlink()
    first.mkdir()
    found = uploaded(spool, files, first, second)
    assert [gzip.decompress(files.get(key)[0]) for key in files.keys("landing/")] == [b"b\n"]
    assert (found.objects, found.failures, found.conflicts) == (1, 2, [])  # once in its turn, and once at the end
    assert first.exists()
    assert f"event=segment_stays segment={first.name} error=IsADirectoryError" in caplog.text


def test_what_could_not_be_read_for_a_moment_lands_without_another_start(tmp_path, files):
    time = FakeTime()
    os.close(prepare(tmp_path / "spool"))
    spool = Spool(tmp_path / "spool", "laptop", Rotate(), 10**9, time.clock)
    path = sealed(spool)
    hidden = path.rename(tmp_path / "hidden")
    path.mkdir()
    uploader = Uploader(spool, files, whole, lambda: itertools.repeat(0.0))
    uploader.add(path)
    thread = threading.Thread(target=uploader.run)
    thread.start()
    deadline = monotonic() + 20
    while uploader.landed.failures == 0 and monotonic() < deadline:
        sleep(0.01)
    path.rmdir()
    hidden.rename(path)
    time.advance(LATE_SECONDS)
    while uploader.landed.objects == 0 and monotonic() < deadline:
        sleep(0.01)
    assert (uploader.landed.objects, uploader.landed.failures, spool.sealed()) == (1, 1, [])
    uploader.finish()
    thread.join(10)
    assert not thread.is_alive()


def test_a_damaged_segment_for_which_there_is_no_room_keeps_no_other_waiting(spool, files):
    """To mend it takes room on a full disk; the others, once they have landed, make it."""
    first, second = sealed(spool, b"a\nb\n"), sealed(spool, b"c\n")
    first.write_bytes(first.read_bytes().replace(b"a", b"x"))
    landed = []

    def mend(path, _found):
        landed.append(len(list(files.keys("landing/"))))
        if len(landed) == 1:
            raise OSError(28, "No space left on device")
        path.unlink()
        return ()

    found = uploaded(spool, files, first, second, mend=mend)
    assert (landed, found.objects, spool.sealed()) == ([0, 1], 1, [])


def test_a_segment_that_somebody_took_away_is_said(spool, files):
    path = sealed(spool)
    path.unlink()
    assert uploaded(spool, files, path).conflicts == [f"{path} is gone, and not by us"]


def whole(path, found):
    """Nothing is to be mended."""
    raise AssertionError(path, found)


def uploaded(spool, store, *paths, mend=whole):
    uploader = Uploader(spool, store, mend, lambda: itertools.repeat(0.0), last_pause=0.0)
    for path in paths:
        uploader.add(path)
    uploader.finish()
    uploader.run()
    return uploader.landed


def test_every_segment_lands_and_is_forgotten(spool, files):
    first, second = sealed(spool, b"a\n"), sealed(spool, b"b\n")
    found = uploaded(spool, files, first, second)
    assert (found.objects, found.bytes, found.failures, found.conflicts) == (2, 4, 0, [])
    assert sorted(gzip.decompress(files.get(key)[0]) for key in files.keys("landing/")) == [b"a\n", b"b\n"]
    assert (spool.sealed(), spool.bytes) == ([], 0)


def test_a_store_that_fails_is_asked_until_it_takes_the_segment(spool, files):
    flaky = Flaky(files, "refused", "refused", "lost answer")
    found = uploaded(spool, flaky, sealed(spool, b"a\n"))
    assert (found.objects, found.failures, flaky.calls) == (1, 3, 4)
    assert [gzip.decompress(files.get(key)[0]) for key in files.keys("landing/")] == [b"a\n"]


def test_a_segment_is_kept_until_its_object_is_confirmed(spool, files):
    path = sealed(spool)
    seen = []

    class Watching(Flaky):
        def create(self, key, data):
            seen.append(path.exists())
            return super().create(key, data)

    uploaded(spool, Watching(files), path)
    assert seen == [True]
    assert not path.exists()


def test_on_a_conflict_both_are_kept_and_it_is_said(spool, files, caplog):
    path = sealed(spool, b"ours\n")
    key = f"{path.name.replace('+', '/')}.gz"
    files.create(key, gzip.compress(b"theirs\n"))
    found = uploaded(spool, files, path)
    aside = path.parent.parent / "conflict" / path.name
    assert found.conflicts == [f"{key} has other lines; ours are kept in {aside}"]
    assert text(aside) == b"ours\n"
    assert gzip.decompress(files.get(key)[0]) == b"theirs\n"
    assert (spool.sealed(), spool.bytes) == ([], 0)
    assert "event=landing_conflict" in caplog.text


def test_an_abandoned_uploader_leaves_the_rest_in_the_spool(spool, files):
    path = sealed(spool)
    gone = Flaky(files, *["refused"] * 10**6)
    uploader = Uploader(spool, gone, whole, lambda: itertools.repeat(60.0))
    uploader.add(path)
    thread = threading.Thread(target=uploader.run)
    thread.start()
    uploader.abandon()
    thread.join(10)
    assert not thread.is_alive()
    assert spool.sealed() == [path]
