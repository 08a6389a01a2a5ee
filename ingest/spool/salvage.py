"""What a crash or a disk left of a segment, finished without a human: whole lines land, and so does the rest, as what it is."""

import logging
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.envelope import Origin, head, line
from ingest.spool import records
from ingest.spool.segment import OPEN, SEALED, Name, Place, of_open, of_sealed, seal

_RECV_NS = re.compile(rb'"seq":\d+,"recv_ns":(\d{1,19}),')
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Salvage:
    """What became of segments."""

    sealed: Sequence[Path]
    left: Sequence[Path]  # the disk did not let them be read or sealed: to be tried again


def salvage(folder: Path, paths: Iterable[Path] | None = None) -> Salvage:
    """Seal every segment that was open, or these. The spool's lock must be held.

    A crash in here repeats it with the same result: what is no line is sealed under its content's name before it is cut off.
    """
    sealed, left = list[Path](), list[Path]()
    for path in sorted((folder / OPEN).iterdir() if paths is None else paths):
        try:
            sealed.extend(_finish(folder, path))
        except OSError as error:
            _LOG.error("event=not_salvaged path=%s error=%r", path, error)
            left.append(path)
    return Salvage(sealed, left)


def mend(folder: Path, path: Path, found: records.Records) -> Sequence[Path]:
    """In the place of a sealed segment that the disk has changed: its whole lines, and what is none. The same again after a crash."""
    name = of_sealed(path)
    assert name is not None
    _LOG.error("event=damaged_segment path=%s lines=%d damaged=%d", path, len(found.whole), len(found.damaged))
    parts = [_seal_rest(folder, name, found.damaged)]
    if found.whole:
        parts.append(_seal_again(folder, name, found.text))
    if path not in parts:
        path.unlink()
    return parts


def _finish(folder: Path, path: Path) -> Iterable[Path]:
    try:
        place, collector = of_open(path)
    except ValueError:
        _LOG.warning("event=foreign_file path=%s detail=left_alone", path)
        return
    data = path.read_bytes()
    found = records.read(data)
    first = _RECV_NS.search(found.text or data)
    name = Name(place, collector, int(first[1]) if first else path.stat().st_mtime_ns)
    if found.damaged:
        size = sum(len(damage.data) for damage in found.damaged)
        _LOG.warning("event=torn_segment path=%s whole_lines=%d torn_bytes=%d", path, len(found.whole), size)
        yield _seal_rest(folder, name, found.damaged)
    if not found.whole:
        path.unlink()
        return
    whole = records.write(found.text)
    if data.startswith(whole):  # a torn end is cut off where it is: that needs no room, and the disk may have none
        with path.open("r+b") as handle:
            handle.truncate(len(whole))
            os.fsync(handle.fileno())
        yield seal(folder, path, name)
    else:
        yield _seal_again(folder, name, found.text)
        path.unlink()
    _LOG.info("event=salvaged lines=%d path=%s", len(found.whole), path.name)


def _seal_again(folder: Path, name: Name, lines: bytes) -> Path:
    return seal(folder, _part(folder, records.write(lines)), name)


def _seal_rest(folder: Path, name: Name, damaged: Sequence[records.Damage]) -> Path:
    """What is no line, as frames that belong to nothing known: they land, and are quarantined. `seq` is where each began."""
    place, at = name.place, name.first_recv_ns
    origin = Origin(place.venue, place.market, "events", "unknown", None, None, "ws", f"{name.collector}-{at}-0")
    lines = [line(head(origin), damage.at, at, damage.data, is_json=False) for damage in damaged]
    part = _part(folder, records.write(b"".join(lines)))
    return seal(folder, part, Name(Place("events", place.venue, place.market), name.collector, at))


def _part(folder: Path, data: bytes) -> Path:
    """Written over by the next start if this one crashes: what it holds is still where it came from."""
    part = folder / SEALED / "salvage.part"
    with part.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    return part
