"""Lines as objects of the lake: in the landing zone, or as files of the inbox. Named by their content: a second time is the same."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import IO

from ingest.envelope import object_key
from ingest.landing import Store
from jobs.adoption.taken import Group, Taken

TEXT = 64_000_000  # bytes of lines in an object at most
MEMBER = 1_000_000  # bytes of lines in a member of its gzip, so that damage stays small
CHECKSUM = ".CHECKSUM"
LANDING, HISTORY = "landing", "history"  # where lines can go
Portion = Sequence[Taken]


def into_landing(portion: Portion, groups: Iterable[Group], collector: str, store: Store) -> int:
    """Objects of the landing zone, each of a channel, a market and a day of receipt. How many are new."""
    together: dict[tuple[str, str, str, int], list[Group]] = {}
    for group in groups:
        together.setdefault((group.channel, group.venue, group.market, group.received), []).append(group)
    new = 0
    for (channel, venue, market, day), ours in together.items():
        for lines in _texts(portion, ours):
            key = object_key(
                channel=channel,
                venue=venue,
                market=market,
                day=_day(day),
                first_recv_ns=json.loads(lines[: lines.index(b"\n")])["recv_ns"],
                collector=collector,
                sha256=hashlib.sha256(lines).hexdigest(),
            )
            new += store.create(key, packed(lines))
    return new


def into_inbox(portion: Portion, groups: Iterable[Group], store: Store) -> int:
    """Files of lines for `compact`, each of a feed and a day of trades, with its checksum. How many are new."""
    together: dict[tuple[str, str, str, str, int], list[Group]] = {}
    for group in groups:
        together.setdefault((group.venue, group.market, group.kind, group.pair, group.day), []).append(group)
    new = 0
    for (venue, market, kind, pair, day), ours in together.items():
        for lines in _texts(portion, ours):
            name = f"{_day(day)}_{_day(day)}_{hashlib.sha256(lines).hexdigest()[:12]}.jsonl.gz"
            key = f"inbox/{venue}/{market}/lines/{kind}/{pair}/{name}"
            new += _with_checksum(store, key, name, packed(lines))
    return new


def _with_checksum(store: Store, key: str, name: str, data: bytes) -> bool:
    """The checksum comes last: a file without one is not there yet."""
    is_new = store.create(key, data)
    if not is_new:
        there = store.get(key)  # by another build of the compressor it may have other bytes
        data = there[0] if there else data
    store.create(f"{key}{CHECKSUM}", f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode())
    return is_new


def packed(lines: bytes) -> bytes:
    """Whole lines as a chain of gzip members."""
    found, at = [], 0
    while at < len(lines):
        end = _end(lines, at, MEMBER)
        found.append(gzip.compress(lines[at:end], 6, mtime=0))
        at = end
    return b"".join(found)


def _end(lines: bytes | bytearray, at: int, limit: int) -> int:
    """Where the last whole line ends that a limit lets in, or the first one, however long."""
    if at + limit >= len(lines):
        return len(lines)
    return lines.rfind(b"\n", at, at + limit) + 1 or lines.find(b"\n", at) + 1 or len(lines)


def _texts(portion: Portion, groups: Sequence[Group]) -> Iterator[bytes]:
    """The lines of groups, in the order of the files, as many at a time as an object may have."""
    rest = bytearray()
    for one in portion:
        for group in groups:
            if group in one.groups:
                for piece in _pieces(one.groups[group]):
                    rest += piece
                    while len(rest) > TEXT:
                        end = _end(rest, 0, TEXT)
                        yield bytes(rest[:end])
                        del rest[:end]
    if rest:
        yield bytes(rest)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(TEXT):
        yield piece


def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()
