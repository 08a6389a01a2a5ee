"""A published file onto this disk: in pieces, gone on with where it broke off, believed only with the sha256 published beside it."""

import hashlib
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

import urllib3

from ingest.clock import Clock
from ingest.delays import Verdict, by_status, delays
from ingest.rest.pools import NO_PROXIES, pools

CONNECT_SECONDS, READ_SECONDS = 5.0, 20.0
TRIES = 8  # of one file, each going on where the last one ended, with ever longer pauses: a minute of them in all
PIECE = 1 << 20  # bytes that are in memory at a time
SIDECAR = 1000  # bytes of a checksum and a name at most
OK, PARTIAL, ABSENT, NOT_THERE = 200, 206, 404, 416
_CHECKSUM = re.compile(rb"([0-9a-fA-F]{64}) [ *](\S+)\s*")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class File:
    """A file on this disk that is what the venue published."""

    path: Path
    name: str
    sha256: str
    recv_ns: int


@dataclass(frozen=True)
class Refusal:
    """Why there is none."""

    outcome: Literal["not_published", "checksum", "unreadable", "failed"]
    detail: str


class Fetch(Protocol):
    """One HTTP GET whose body is read piece by piece. Raises what its library raises."""

    def __call__(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse: ...


def fetch(proxies: Mapping[str, str] = NO_PROXIES, connections: int = 1) -> Fetch:
    """So many connections to an address are kept; and no policy: that is ours."""
    own = {"User-Agent": "ticklake", "Accept-Encoding": "identity"}  # what is packed on the way has another length and place
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    pool = pools(proxies, maxsize=connections)

    def get(url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        told = {**own, **headers}
        return pool(url).request("GET", url, headers=told, redirect=False, retries=False, timeout=timeout, preload_content=False)

    return get


class Downloads:
    """The files of one place, each below `folder` until whoever asked for it removes it.

    `stays`: of a file that could not be fetched to its end, what has come is there for another run to go on with.
    """

    def __init__(  # noqa: PLR0913 - what a download needs of the world, by keyword
        self,
        hosts: Sequence[str],
        folder: Path,
        *,
        most_bytes: int,
        fetch: Fetch,
        clock: Clock,
        random: Callable[[], float],
        stop: threading.Event,
        stays: bool = False,
    ) -> None:
        self._hosts = hosts
        self._folder = folder
        self._most_bytes = most_bytes
        self._fetch = fetch
        self._clock = clock
        self._random = random
        self._stop = stop
        self._stays = stays
        self.bytes = 0  # that have come

    def file(self, path: str) -> File | Refusal:
        """The file, or why there is none. Nothing of what is refused stays on the disk."""
        wanted = self.checksum(path)
        if isinstance(wanted, Refusal):
            return wanted
        name = path.rpartition("/")[2]
        target = self._folder / name
        if self._stays and target.exists() and _sha256(target) == wanted:
            return File(target, name, wanted, self._clock.wall_ns())
        piece = _Piece(target, stays=self._stays)
        refusal = self._get(path, piece, self._most_bytes)
        if self._stays and refusal is not None and refusal.outcome == "failed":
            return refusal
        piece.forget()
        if refusal is None:
            recv_ns, found = self._clock.wall_ns(), _sha256(target)
            if found == wanted:
                return File(target, name, found, recv_ns)
            refusal = Refusal("checksum", f"{name} has the sha256 {found}, and {name}.CHECKSUM says {wanted}")
        target.unlink(missing_ok=True)
        return refusal

    def checksum(self, path: str) -> str | Refusal:
        """What is published as the file's sha256."""
        name = path.rpartition("/")[2]
        found = self.text(f"{path}.CHECKSUM", SIDECAR)
        if isinstance(found, Refusal):
            return found
        told = _CHECKSUM.fullmatch(found)
        if told is None or told[2].decode("utf-8", "replace") != name:
            return Refusal("checksum", f"{name}.CHECKSUM is {found[:100]!r}: a sha256 and {name} would be right")
        return told[1].decode().lower()

    def text(self, path: str, most_bytes: int) -> bytes | Refusal:
        """Something small."""
        target = self._folder / _name(path)
        try:
            return self._get(path, _Piece(target), most_bytes) or target.read_bytes()
        finally:
            target.unlink(missing_ok=True)

    def _get(self, path: str, piece: "_Piece", most_bytes: int) -> Refusal | None:
        """None: it is there. The next address is asked where one says no or has it not; the same again after what may pass."""
        name, hosts, pauses = _name(path), deque(self._hosts), delays(self._random)
        why, is_absent = "no address is left", bool(hosts)
        for _ in range(TRIES):
            found = self._try(hosts[0] + path, piece, most_bytes) if hosts else None
            if found is None:
                break
            why = found.why
            if found.action == "never":
                hosts.popleft()
                continue
            is_absent = False
            if found.action in ("other_host", "stop"):
                hosts.popleft()
                continue
            hosts.rotate(-1)
            if self._stop.wait(max(found.at_least, next(pauses))):
                return Refusal("failed", "told to stop")
        else:
            return Refusal("failed", f"{name}: {why}, {TRIES} times")
        if hosts:
            return None
        return Refusal("not_published", f"{name} is not there yet") if is_absent else Refusal("failed", f"{name}: {why}")

    def _try(self, url: str, piece: "_Piece", most_bytes: int) -> Verdict | None:
        """What to do next; None: all of it has come."""
        try:
            answer = self._fetch(url, piece.asked())
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _failed(url, error)
        try:
            if answer.status == ABSENT:
                return Verdict("never", "HTTP 404")
            if answer.status == NOT_THERE or (answer.status == PARTIAL and not piece.is_gone_on_with_by(answer)):
                piece.forget()  # it is another file by now: from its beginning
                return Verdict("again", f"HTTP {answer.status} about another version")
            if answer.status not in (OK, PARTIAL):
                told = {name.lower(): value for name, value in answer.headers.items()}
                return by_status(answer.status, told, f"HTTP {answer.status}")
            return self._taken(answer, piece, most_bytes)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _failed(url, error)
        finally:
            answer.close()  # a body that was not read to its end must not be the beginning of the next one

    def _taken(self, answer: urllib3.BaseHTTPResponse, piece: "_Piece", most_bytes: int) -> Verdict | None:
        with piece.opened(answer) as file:
            size = file.tell()
            for part in answer.stream(PIECE, decode_content=False):
                size += len(part)
                if size > most_bytes:
                    return Verdict("other_host", f"more than {most_bytes} bytes, and there is room for no more")
                file.write(part)
                self.bytes += len(part)
                if self._stop.is_set():
                    return Verdict("again", "told to stop")
        return None


class _Piece:
    """What has come of a file, and of which version of it."""

    def __init__(self, path: Path, *, stays: bool = False) -> None:
        self.path = path
        self._note = path.with_name(f"{path.name}.etag") if stays else None  # for another run
        self.etag = self._note.read_text() if self._note and self._note.exists() and path.exists() else ""

    def asked(self) -> dict[str, str]:
        """To go on where it broke off, if it still is the same file."""
        have = self.path.stat().st_size if self.etag else 0
        return {"Range": f"bytes={have}-", "If-Range": self.etag} if have else {}

    def is_gone_on_with_by(self, answer: urllib3.BaseHTTPResponse) -> bool:
        """Whether a part of a file is the part that was asked for."""
        begins = answer.headers.get("Content-Range", "").startswith(self.asked().get("Range", "-").replace("=", " "))
        return begins and answer.headers.get("ETag") == self.etag

    def opened(self, answer: urllib3.BaseHTTPResponse) -> IO[bytes]:
        if answer.status != PARTIAL:
            self.forget()
            self.path.unlink(missing_ok=True)
            self.etag = answer.headers.get("ETag", "")
            if self._note:
                self._note.write_text(self.etag)
        return self.path.open("ab")

    def forget(self) -> None:
        """Of which version it was."""
        self.etag = ""
        if self._note:
            self._note.unlink(missing_ok=True)


def _name(path: str) -> str:
    """Of the file; a question to the address itself is for its listing."""
    return path.partition("?")[0].rpartition("/")[2] or "listing"


def _failed(url: str, error: Exception) -> Verdict:
    _LOG.warning("event=download_failed url=%s error=%r", url, error)
    return Verdict("again", f"{type(error).__name__}: {error}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
