"""A venue of bytes that were made beforehand, in a process of its own: it must not be what is measured."""

import base64
import hashlib
import re
import socket
import sys
import time
from collections.abc import Mapping

from tests.benchmarks.receive.wire import PING, SHORT, Reel, framed, texts
from tests.benchmarks.worker import private_output, serve

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
PONG_OPCODE = 10
END = b"end"
START = 60.0  # seconds in which a client must have come
PATIENCE = 600.0  # seconds; the slowest reader takes minutes for a round
ROUND = 100_000  # frames, after which a long run begins anew with higher ids
PACE = 0.005  # seconds from one sending of what has become due to the next


class Sender:
    """One connection at a time."""

    def __init__(self, frames: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(START)
        self._hour = texts(frames)
        self._connection = socket.socket()  # nobody's yet

    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def accept(self) -> None:
        """Shake hands, take the subscription and acknowledge it. Whoever names streams in the address says nothing more."""
        self._connection.close()
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(PATIENCE)
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            asked += self._received(1)
        key = re.search(rb"(?im)^sec-websocket-key: *(\S+)", asked)
        assert key, asked
        accepted = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())  # noqa: S324 - the protocol's own choice
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        self._connection.sendall(head + accepted + b"\r\n\r\n")
        if b"?streams=" not in asked.partition(b"\r\n")[0]:
            self._heard()
            self._connection.sendall(framed(b'{"result":null,"id":1}'))

    def blast(self, frames: int) -> Mapping[str, float]:
        """The first so many, as fast as they are taken; then wait until they were."""
        wire = b"".join(map(framed, self._hour[:frames]))
        began = time.monotonic()
        self._connection.sendall(wire)
        self._finish()
        return {"seconds": time.monotonic() - began}

    def pace(self, rate: float, seconds: float) -> Mapping[str, float]:
        """So many frames a second, each with the time at which it was sent. `late`: frames that were due and could not be sent."""
        text, wall = Reel(self._hour[:ROUND]).text, time.time_ns
        began, sent, latest = time.monotonic(), 0, 0
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * rate)
            latest = max(latest, due - sent - int(2 * PACE * rate))
            until = min(due, sent + int(4 * PACE * rate))  # what is behind is sent in pieces, each with its own time
            ms = wall() // 1_000_000
            self._connection.sendall(b"".join([framed(text(number, ms)) for number in range(sent, until)]))
            sent = until
            time.sleep(max(0.0, PACE - (time.monotonic() - began - passed)) if sent == due else 0.0)
        late = int(seconds * rate) - sent
        ended = time.time_ns()
        self._finish()
        return {"frames": sent, "late": max(0, late - int(2 * PACE * rate)), "latest": latest, "ended_ns": ended}

    def _finish(self) -> None:
        """Wait for the answer to a ping: it is given when all before it was read. One who has all he wanted may have gone."""
        try:
            self._connection.sendall(framed(END, PING))
            while self._heard() != (PONG_OPCODE, END):
                pass
        except OSError:
            pass

    def _heard(self) -> tuple[int, bytes]:
        """One message of the client's, without its mask."""
        first, length = self._received(2)
        size = length & 0x7F
        assert size <= SHORT, "a client of this benchmark says little"
        size = size if size < SHORT else int.from_bytes(self._received(2), "big")
        mask, payload = self._received(4), self._received(size)
        return first & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))

    def _received(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self._connection.recv(size - len(found))
            if not more:
                raise ConnectionResetError("the client has gone")
            found += more
        return found


def main() -> int:
    """Serve."""
    answers = private_output()
    sender = Sender(int(sys.argv[1]))
    serve(answers, {"port": sender.port, "accept": sender.accept, "blast": sender.blast, "pace": sender.pace})
    return 0


if __name__ == "__main__":
    sys.exit(main())
