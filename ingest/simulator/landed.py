"""The simulated market as it would lie in the landing zone: for tests and benchmarks that are not about sockets."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from ingest.envelope import Origin, head, line, object_key
from ingest.simulator.ticks import MINUTE
from ingest.simulator.wire import Frame
from ingest.spool.members import members

if TYPE_CHECKING:
    from ingest.simulator.listings import Series


def objects(frames: Iterable[Frame], collector: str = "simulated") -> Iterator[tuple[str, bytes]]:
    """Key and bytes of each landing object: one a venue, market and minute, as a collector writes them that misses nothing.

    A frame is received at the moment at which it is sent.
    """
    write = envelopes(collector)
    for _, minute in groupby(frames, lambda frame: frame.at // MINUTE):
        places: dict[tuple[str, str], list[Frame]] = {}
        for frame in minute:
            places.setdefault((frame.series.venue, frame.series.market), []).append(frame)
        for (venue, market), sent in places.items():
            lines = b"".join([write(frame) for frame in sent])
            first = sent[0].at
            key = object_key(
                channel="trades",
                venue=venue,
                market=market,
                day=f"{datetime.fromtimestamp(first // 1_000_000, UTC):%Y-%m-%d}",
                first_recv_ns=first * 1000,
                collector=collector,
                sha256=hashlib.sha256(lines).hexdigest(),
            )
            yield key, members(lines)


def envelopes(collector: str) -> Callable[[Frame], bytes]:
    """Frame -> landing line, with one connection a venue and market and its sequence numbers."""
    heads: dict[Series, bytes] = {}
    conns: dict[tuple[str, str], str] = {}
    seqs: dict[str, int] = {}

    def write(frame: Frame) -> bytes:
        series = frame.series
        conn = conns.setdefault((series.venue, series.market), f"{collector}-{frame.at * 1000}-{len(conns) + 1}")
        if series not in heads:
            heads[series] = head(Origin(*series[:2], "trades", *series[2:], source="ws", conn=conn))
        seqs[conn] = seqs.get(conn, 0) + 1
        return line(heads[series], seqs[conn], frame.at * 1000, frame.text, is_json=True)

    return write
