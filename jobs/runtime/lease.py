"""Who may write a set of tables. One driver at a time: on S3 two drivers on one Delta table lose commits in silence."""

import contextlib
import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any

from ingest.landing import Files, Store

log = logging.getLogger(__name__)


class LeaseHeld(Exception):  # noqa: N818 - says what is so
    """Somebody else writes these tables."""


class LeaseLost(Exception):  # noqa: N818 - says what is so
    """We may not write any more."""


@dataclass
class Lease:
    """The right to write, kept by renewing a record under its version. On files the kernel's lock tells at once that an owner died."""

    store: Store
    name: str
    owner: str
    ttl: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    epoch: int = 0
    version: str | None = None
    renewed: float = 0.0
    lost: str | None = None
    _why: str = ""  # the last renewal failed
    _lock: IO[str] | None = None
    _end: threading.Event = field(default_factory=threading.Event)

    @property
    def key(self) -> str:
        return f"control/lease/{self.name}.json"

    def take(self) -> None:
        """Become the owner, or raise `LeaseHeld`. On S3 that takes a TTL of silence of the one before."""
        dead = self._locked()
        record, version = self._read()
        if record is not None and record["ttl"] > 0 and not dead:
            self._watch(record, version)
        self.epoch = (record or {}).get("epoch", 0) + 1
        self.version = version
        now = self.clock()
        if not self._write(self.ttl):
            raise LeaseHeld(f"{self.key}: somebody else took the lease of {self.name} at the same moment")
        self.renewed = now

    def keep(self) -> None:
        """Renew from now on, in a thread of its own, until `release`."""
        threading.Thread(target=self._renewing, name=f"lease {self.name}", daemon=True).start()

    def renew(self) -> None:
        """Tell that we are alive."""
        now = self.clock()
        if self._write(self.ttl):
            self.renewed, self._why = now, ""
        else:
            self.lost = f"{self.key} was taken by {(self._read()[0] or {}).get('owner', 'nobody: it is gone')}"

    def check(self) -> None:
        """Right before each commit: may we still write?"""
        if self.lost is None and self.clock() - self.renewed > self.ttl / 2:
            self.lost = (
                f"{self.key} could not be renewed for {self.clock() - self.renewed:.0f} s, half of its TTL of {self.ttl:.0f} s"
                f"{self._why}"
            )
        if self.lost is not None:
            raise LeaseLost(self.lost)

    def release(self) -> None:
        """Let the next one in without waiting."""
        self._end.set()
        try:
            if self.lost is None:
                self._write(0)
        except Exception as error:  # noqa: BLE001 - the next one waits; why this one ends is not to be hidden by it
            log.warning("event=lease_not_released name=%s error=%r", self.name, error)
        finally:
            if self._lock is not None:
                self._lock.close()

    def _renewing(self) -> None:
        while not self._end.wait(self.ttl / 6):
            try:
                self.renew()
            except Exception as error:  # noqa: BLE001 - whatever it is, `check` stops us when half a TTL has passed
                self._why = f": {error}"
                log.warning("event=lease_not_renewed name=%s error=%r", self.name, error)
            if self.lost is not None:
                return

    def _locked(self) -> bool:
        """On files: take the kernel's lock, so that whoever held the lease is known to be dead."""
        if not isinstance(self.store, Files):
            return False
        path = self.store.root / f"control/lease/{self.name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise LeaseHeld(f"{self.key}: {self._holder()} writes these tables; stop it first, or use another lake") from error
        self._lock = lock
        return True

    def _watch(self, record: dict[str, Any], version: str | None) -> None:
        """Wait for a TTL, by our own clock, that nothing changes."""
        began, wait = self.clock(), float(record["ttl"])
        while self.clock() - began < wait:
            self.sleep(wait / 20)
            if self._read()[1] != version:
                raise LeaseHeld(
                    f"{self.key}: {self._holder()} writes these tables and is alive; stop it first, or use another lake"
                )

    def _holder(self) -> str:
        record, _ = self._read()
        return record["owner"] if record else "another process"

    def _read(self) -> tuple[dict[str, Any] | None, str | None]:
        found = self.store.get(self.key)
        return (json.loads(found[0]), found[1]) if found else (None, None)

    def _write(self, ttl: float) -> bool:
        record = json.dumps({"owner": self.owner, "epoch": self.epoch, "ttl": ttl, "n": time.monotonic_ns()}).encode()
        written = self.store.replace(self.key, record, self.version)
        if written is None:
            # a client that tried again after a lost answer is refused by what it wrote itself
            there = self.store.get(self.key)
            written = there[1] if there is not None and there[0] == record else None
        if written is None:
            return False
        self.version = written
        return True


@contextlib.contextmanager
def held(store: Store, name: str, ttl: timedelta) -> Iterator[Lease]:
    """A lease of this process, kept until the block ends."""
    lease = Lease(store, name, f"{socket.gethostname()}:{os.getpid()}", ttl.total_seconds())
    lease.take()
    lease.keep()
    try:
        yield lease
    finally:
        lease.release()
