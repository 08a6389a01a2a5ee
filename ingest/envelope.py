"""The line of a landing object: what arrived, spliced in unchanged, with where it came from around it."""

import base64
import json
from dataclasses import dataclass

VERSION = 1
LF, CR = 10, 13  # numbers: looking for one in bytes takes a seventh of the time of looking for bytes


@dataclass(frozen=True)
class Origin:
    """What all lines of one stream on one connection share."""

    venue: str
    market: str
    channel: str
    kind: str
    pair: str | None
    stream: str | None
    source: str
    conn: str


def head(origin: Origin) -> bytes:
    """The part of a line that does not change along a stream; made once, spliced in front of every frame."""
    fields = {
        "v": VERSION,
        "venue": origin.venue,
        "market": origin.market,
        "channel": origin.channel,
        "kind": origin.kind,
        "pair": origin.pair,
        "stream": origin.stream,
        "source": origin.source,
        "conn": origin.conn,
    }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()[:-1]


def line(head: bytes, seq: int, recv_ns: int, raw: bytes, *, is_json: bool) -> bytes:
    """One landing line. `is_json` says that somebody parsed `raw` and it was JSON; only then is it spliced in as it is."""
    if is_json and LF not in raw and CR not in raw:
        return b'%b,"seq":%d,"recv_ns":%d,"raw":%b}\n' % (head, seq, recv_ns, raw)
    return b'%b,"seq":%d,"recv_ns":%d,%b}\n' % (head, seq, recv_ns, _escaped(raw))


def _escaped(raw: bytes) -> bytes:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return b'"raw_b64":"' + base64.b64encode(raw) + b'"'
    return b'"raw_text":' + json.dumps(text, ensure_ascii=False).encode()


def object_key(  # noqa: PLR0913 - the parts of a name, all by keyword
    *, channel: str, venue: str, market: str, day: str, first_recv_ns: int, collector: str, sha256: str
) -> str:
    """Name a landing object, below the lake, by the sha256 of its lines, so that a retry writes the same object."""
    name = f"{first_recv_ns}-{collector}-{sha256[:12]}.jsonl.gz"
    return f"landing/channel={channel}/venue={venue}/market={market}/dt={day}/{name}"
