"""What a crash left in the spool, finished without a human: every whole line lands, and so does the torn rest, as what it is."""

import logging
import os
import re
from pathlib import Path

from ingest.envelope import Origin, head, line
from ingest.spool import OPEN, SEALED, Place, place_of, seal

_RECV_NS = re.compile(rb'"seq":\d+,"recv_ns":(\d{1,19}),')
_LOG = logging.getLogger(__name__)


def salvage(folder: Path) -> int:
    """Seal every segment that was open; returns how many. The spool's lock must be held.

    A crash in here repeats it with the same result: the torn rest is sealed under its content's name before it is cut off.
    """
    return sum(_finish(folder, path) for path in sorted((folder / OPEN).iterdir()))


def _finish(folder: Path, path: Path) -> bool:
    try:
        place, collector = place_of(path)
    except ValueError:
        _LOG.warning("event=foreign_file path=%s detail=left_alone", path)
        return False
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    first = _RECV_NS.search(data)
    first_recv_ns = int(first[1]) if first else path.stat().st_mtime_ns
    if whole < len(data):
        _LOG.warning("event=torn_segment path=%s whole_bytes=%d torn_bytes=%d", path, whole, len(data) - whole)
        text = _as_frame(place, f"{collector}-{first_recv_ns}-0", first_recv_ns, whole, data[whole:])
        _seal_rest(folder, place, collector, first_recv_ns, text)
        os.truncate(path, whole)
    if whole == 0:
        path.unlink()
        return False
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
    sealed = seal(folder, path, place, collector, first_recv_ns)
    _LOG.info("event=salvaged bytes=%d segment=%s", whole, sealed.name)
    return True


def _seal_rest(folder: Path, place: Place, collector: str, recv_ns: int, text: bytes) -> None:
    part = folder / SEALED / "torn.part"  # written over by the next start if this one crashes: the rest is still in its segment
    with part.open("wb") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    seal(folder, part, Place("events", place.venue, place.market), collector, recv_ns)


def _as_frame(place: Place, conn: str, recv_ns: int, at: int, rest: bytes) -> bytes:
    """Half a line as a frame that belongs to nothing known: it lands, and is quarantined there. `seq` is where it began."""
    origin = Origin(place.venue, place.market, "events", "unknown", None, None, "ws", conn)
    return line(head(origin), at, recv_ns, rest, is_json=False)
