"""One writer at a time: on a fake clock and a store without a kernel's lock, as S3; and with the lock, as on files."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.landing import Files
from jobs.runtime import lease as leases
from jobs.runtime.lease import Lease, LeaseHeld, LeaseLost

KEY = "control/lease/stream.json"
TTL = 30.0
TTL_TIME = timedelta(seconds=TTL)


@dataclass
class FakeStore:
    """Conditional writes, and nothing else."""

    held: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    writes: int = 0
    before_write: Callable[[], None] = lambda: None
    failure: Exception | None = None

    def get(self, key: str) -> tuple[bytes, str] | None:
        return self.held.get(key)

    def replace(self, key: str, data: bytes, version: str | None) -> str | None:
        self.before_write()
        if self.failure is not None:
            raise self.failure
        there = self.held.get(key)
        if (there[1] if there else None) != version:
            return None
        self.writes += 1
        self.held[key] = (data, str(self.writes))
        return str(self.writes)


@dataclass
class Time:
    """Moves only when told to; what happens meanwhile is a function."""

    now: float = 0.0
    meanwhile: Callable[[float], None] = lambda _: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile(self.now)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def clock() -> Time:
    return Time()


def lease(store, clock: Time, owner: str = "me", ttl: float = TTL) -> Lease:
    return Lease(store, "stream", owner, ttl, clock=lambda: clock.now, sleep=clock.sleep)


def record(store) -> dict[str, object]:
    found = json.loads(store.get(KEY)[0])
    del found["n"]
    return found


def test_the_first_one_has_it_at_once(store, clock):
    mine = lease(store, clock)
    mine.take()
    mine.check()
    assert (record(store), clock.now) == ({"owner": "me", "epoch": 1, "ttl": TTL}, 0)


def test_the_next_one_waits_for_a_ttl_of_silence_and_its_epoch_is_greater(store, clock):
    lease(store, clock, "before").take()
    mine = lease(store, clock)
    mine.take()
    assert TTL <= clock.now < TTL * 1.1
    assert record(store) == {"owner": "me", "epoch": 2, "ttl": TTL}


def test_it_waits_for_the_ttl_of_the_one_before_not_for_its_own(store, clock):
    lease(store, clock, "before", ttl=300).take()
    lease(store, clock, ttl=2).take()
    assert clock.now >= 300


def test_one_that_is_alive_is_left_alone(store, clock):
    alive = lease(store, clock, "alive:17")
    alive.take()
    clock.meanwhile = lambda now: alive.renew() if now > TTL - 2 else None  # at the last moment
    with pytest.raises(LeaseHeld, match=r"alive:17 .* stop it first"):
        lease(store, clock).take()
    alive.check()
    assert record(store) == {"owner": "alive:17", "epoch": 1, "ttl": TTL}


def test_after_a_release_nobody_waits(store, clock):
    before = lease(store, clock, "before")
    before.take()
    before.release()
    lease(store, clock).take()
    assert (clock.now, record(store)) == (0, {"owner": "me", "epoch": 2, "ttl": TTL})


def test_of_two_that_wait_one_has_it(store, clock):
    lease(store, clock, "dead").take()
    mine, other = lease(store, clock), lease(store, clock, "other")

    def faster() -> None:
        store.before_write = lambda: None
        other.version, other.epoch = mine.version, 2
        assert other._write(TTL)

    store.before_write = faster
    with pytest.raises(LeaseHeld, match="at the same moment"):
        mine.take()
    assert record(store) == {"owner": "other", "epoch": 2, "ttl": TTL}


def test_half_a_ttl_without_renewal_stops_the_owner_for_good(store, clock):
    mine = lease(store, clock)
    mine.take()
    clock.now = TTL / 2
    mine.check()
    clock.now += 0.1
    with pytest.raises(LeaseLost, match="could not be renewed for 15 s, half of its TTL of 30 s"):
        mine.check()
    mine.renew()
    with pytest.raises(LeaseLost):
        mine.check()


def test_a_renewal_counts_from_before_it_was_asked_for(store, clock):
    mine = lease(store, clock)
    mine.take()

    def slow() -> None:
        clock.now = 10.0

    clock.now, store.before_write = 1.0, slow
    mine.renew()
    assert mine.renewed == 1.0


def test_a_write_whose_answer_was_lost_is_seen_to_be_ours(store, clock):
    """boto3 tries again by itself; the second try is refused, by what the first one wrote."""
    real = store.replace
    store.replace = lambda *arguments: real(*arguments) and None
    mine = lease(store, clock)
    mine.take()
    clock.sleep(TTL / 6)
    mine.renew()
    mine.check()
    assert (record(store), mine.version, mine.renewed) == ({"owner": "me", "epoch": 1, "ttl": TTL}, "2", TTL / 6)


def test_one_whose_lease_was_taken_stops_and_does_not_release_what_is_anothers(store, clock):
    mine = lease(store, clock)
    mine.take()
    lease(store, clock, "other").take()
    mine.renew()
    with pytest.raises(LeaseLost, match="was taken by other"):
        mine.check()
    mine.release()
    assert record(store) == {"owner": "other", "epoch": 2, "ttl": TTL}


def test_one_whose_lease_is_gone_says_so(store, clock):
    mine = lease(store, clock)
    mine.take()
    store.held.clear()
    mine.renew()
    with pytest.raises(LeaseLost, match="nobody: it is gone"):
        mine.check()


def until(happened: Callable[[], bool]) -> None:
    """Another thread does it."""
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_it_is_kept_by_a_thread_that_survives_errors(store):
    mine = Lease(store, "stream", "me", ttl=0.3)
    mine.take()
    mine.keep()
    try:
        until(lambda: store.writes >= 3)
        store.failure = OSError("no network")
        failed = threading.Event()
        store.before_write = failed.set
        assert failed.wait(20)
        store.failure, seen = None, store.writes
        until(lambda: store.writes > seen)
    finally:
        mine.release()


@pytest.fixture
def held(lake: Path) -> Iterator[Lease]:
    mine = Lease(Files(lake), "stream", "holder:1", TTL)
    mine.take()
    yield mine
    if mine._lock is not None:
        mine._lock.close()


def test_on_files_a_second_one_is_refused_at_once(held: Lease, clock: Time):
    with pytest.raises(LeaseHeld, match=r"control/lease/stream\.json: holder:1 writes these tables"):
        lease(held.store, clock).take()
    assert clock.now == 0
    held.check()


def test_on_files_nobody_waits_for_one_that_died(held: Lease, clock: Time):
    assert held._lock is not None
    held._lock.close()  # what the kernel does when a process ends
    mine = lease(held.store, clock)
    mine.take()
    assert (clock.now, mine.epoch) == (0, 2)
    mine.release()


def test_two_sets_of_tables_have_a_lease_each(held: Lease, clock: Time):
    other = Lease(held.store, "bars", "me", TTL, clock=lambda: clock.now, sleep=clock.sleep)
    other.take()
    other.release()


def test_who_could_not_renew_says_why(store, clock):
    mine = lease(store, clock, ttl=0.06)
    mine.take()
    store.failure = OSError(28, "No space left on device")
    mine.keep()
    try:
        until(lambda: mine._why != "")
        clock.now += 1
        with pytest.raises(LeaseLost, match=r"half of its TTL of 0 s: \[Errno 28\] No space left on device"):
            mine.check()
    finally:
        mine.release()


def test_a_lease_that_cannot_be_given_back_hides_nothing_and_keeps_nobody_out(lake: Path, monkeypatch: pytest.MonkeyPatch):
    """A full disk, say: the error of the block is the one that is seen, and the kernel's lock goes."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def run() -> None:
        with leases.held(Files(lake), "stream", TTL_TIME):
            raise ValueError("the batch")

    release = Lease.release

    def released(mine: Lease) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Files, "replace", full)
            release(mine)

    monkeypatch.setattr(Lease, "release", released)
    with pytest.raises(ValueError, match="the batch"):
        run()
    with leases.held(Files(lake), "stream", TTL_TIME) as next_one:
        assert next_one.epoch == 2
