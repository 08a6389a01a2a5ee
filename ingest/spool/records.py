"""Lines as the spool keeps them, each behind its checksum: what a crash cut or a disk changed is known from what is whole. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from isal.isal_zlib import crc32

_HEAD = 9  # eight digits and a space
_BEGIN = re.compile(rb"[0-9a-f]{8} (?=\{)")


@dataclass(frozen=True)
class Damage:
    """Bytes that are no longer the lines they were."""

    at: int  # where they stand
    after: int  # how many whole lines stand before them
    data: bytes
    gone: int = 0  # bytes that are not even there


@dataclass(frozen=True)
class Records:
    """What a segment holds."""

    whole: Sequence[bytes]  # lines, each with its end
    damaged: Sequence[Damage]

    @property
    def text(self) -> bytes:
        """The whole lines, as they land."""
        return b"".join(self.whole)


def write(lines: bytes) -> bytes:
    """Whole lines, as a segment holds them."""
    return b"".join([b"%08x %b\n" % (crc32(line), line) for line in lines.split(b"\n")[:-1]])


def read(data: bytes) -> Records:
    """The whole lines of a segment, and what is between them."""
    whole: list[bytes] = []
    damaged: list[Damage] = []
    at = 0
    for piece in data.split(b"\n"):
        if _is_whole(piece):
            whole.append(piece[_HEAD:] + b"\n")
        elif piece:
            damaged.extend(_parts(piece, at, whole))
        at += len(piece) + 1
    return Records(whole, damaged)


def bare(pieces: Iterable[bytes]) -> bytes:
    """Lines of a segment, each with its end, without a look at their sums: whoever calls has another way to know they are whole."""
    return b"".join([piece[_HEAD:] for piece in pieces])


def _is_whole(piece: bytes) -> bool:
    return piece[:_HEAD] == b"%08x " % crc32(piece[_HEAD:]) and len(piece) > _HEAD


def _parts(piece: bytes, at: int, whole: list[bytes]) -> Iterator[Damage]:
    """A damaged piece; where only the end of its first line was damaged, the line behind that is whole."""
    for found in _BEGIN.finditer(piece, 1):
        if _is_whole(piece[found.start() :]):
            yield Damage(at, len(whole), piece[: found.start()])
            whole.append(piece[found.end() :] + b"\n")
            return
    yield Damage(at, len(whole), piece)
