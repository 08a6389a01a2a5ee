"""The websocket protocol's frames, from the bytes of a server (RFC 6455, no extension). Does no IO."""

from collections.abc import Callable, Iterator
from enum import IntEnum
from struct import Struct

from ingest.delays import ProtocolError


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


FIN_TEXT = 0x80 | Opcode.TEXT
FIN = 0x80
RESERVED = 0x70
MASK = 0x80
HEADER = 2  # bytes, at least
SHORT = 126  # lengths below stand in the header itself, and this one says that two bytes of length follow it
CONTROL_LIMIT = 125

ORDINARY = FIN_TEXT << 8 | SHORT  # how nearly every frame begins: a whole text of 126 to 65,535 bytes, without a mask
_BEGINNING = Struct("!HH")  # these two bytes, and the length

Message = tuple[int, bytes]  # receive time in ns, payload


class Frames:
    """Bytes in, whole messages out. One object a connection."""

    def __init__(self, limit: int, now: Callable[[], int]) -> None:
        self._limit = limit
        self._now = now
        self._chunks: list[bytes] = []  # what arrived of a message that is not whole yet
        self._have = 0
        self._need = HEADER
        self._parts: list[bytes] = []  # frames of a fragmented message

    def take(self, data: bytes, messages: list[Message]) -> Iterator[tuple[int, bytes]]:
        """Append the texts that are whole now, each with its time, and yield (opcode, payload) of the control frames between them.

        Must be exhausted before the next call. When it raises, `messages` has what came before the fault.
        """
        self._chunks.append(data)
        self._have += len(data)
        if self._have < self._need:  # joining only once what is missing is there keeps a big frame linear
            return
        buffer = b"".join(self._chunks) if len(self._chunks) > 1 else data
        at, end, limit = 0, len(buffer), self._limit
        self._need = HEADER
        while True:
            if not self._parts:
                at = self._ordinary(buffer, at, messages)
            if end - at < HEADER:
                break
            first, length, start = buffer[at], buffer[at + 1], at + 2
            if length >= SHORT:
                if length & MASK:
                    raise ProtocolError("a masked frame from a server")
                start += 2 if length == SHORT else 8
                if start > end:
                    self._need = start - at
                    break
                length = int.from_bytes(buffer[at + 2 : start], "big")
            if length > limit:
                raise ProtocolError(f"a frame of {length} bytes; at most {limit} are taken")
            stop = start + length
            if stop > end:
                self._need = stop - at
                break
            at = stop
            yield from self._frame(first, buffer[start:stop], messages)
        self._chunks = [buffer[at:]] if at < end else []
        self._have = end - at

    def _ordinary(self, buffer: bytes, at: int, messages: list[Message]) -> int:
        """Take the ordinary frames that are whole and follow each other from here on. Where they end."""
        last, limit, now, append, beginning = len(buffer) - 4, self._limit, self._now, messages.append, _BEGINNING.unpack_from
        while at <= last:
            first, length = beginning(buffer, at)
            start = at + 4
            stop = start + length
            if first != ORDINARY or length > limit or stop > last + 4:
                break
            append((now(), buffer[start:stop]))
            at = stop
        return at

    def _frame(self, first: int, payload: bytes, messages: list[Message]) -> Iterator[tuple[int, bytes]]:
        opcode = first & 0x0F
        if first & RESERVED or opcode not in Opcode.__members__.values():
            raise ProtocolError(f"a frame that starts with byte {first:#04x}")
        if opcode >= Opcode.CLOSE:
            if not first & FIN or len(payload) > CONTROL_LIMIT:
                raise ProtocolError("a control frame that is fragmented or too long")
            yield opcode, payload
            return
        if bool(self._parts) != (opcode == Opcode.CONTINUATION):
            raise ProtocolError("a fragment without its beginning, or a message inside a fragmented one")
        self._parts.append(payload)
        if sum(map(len, self._parts)) > self._limit:
            raise ProtocolError(f"a message of more than {self._limit} bytes in fragments")
        if first & FIN:
            messages.append((self._now(), b"".join(self._parts)))
            self._parts = []
