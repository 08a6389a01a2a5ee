"""One connection to a venue: subscribes, keeps the venue's rules, and hands on what arrives, with the time at which it did."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import websocket

from ingest.clock import Clock
from ingest.collector.frames import Frames, Message, Opcode
from ingest.delays import ClosedError, ProtocolError, SilenceError

POLL_SECONDS = 0.2  # how long a read waits: so often is a stop looked for, and so soon is a message sent that had to wait
QUIET_SECONDS = 10.0  # after so long without a byte we ask the venue whether it is there
DEAD_SECONDS = 30.0  # after so long it is not; a connection whose other end vanished without a word shows only so
READ_BYTES = 262_144  # one read takes what a burst left in the socket: with a read a frame the loop is five times slower
HANDSHAKE_SECONDS = 10.0


class Socket(Protocol):
    """A websocket after its handshake. What it receives is raw bytes: `Frames` makes messages of them."""

    def receive(self, size: int) -> bytes:
        """Take what is there; empty: the other side has ended it. TimeoutError: nothing came within POLL_SECONDS."""
        ...

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one message."""
        ...

    def close(self) -> None:
        """Say goodbye if that is still possible, and let go."""
        ...


Connect = Callable[[str], Socket]


class _Client:
    """websocket-client's handshake, TLS, proxy and masking; its receive loop is not used."""

    def __init__(self, address: str, proxy: str | None) -> None:
        parts = urlsplit(proxy or "")
        self._ws = websocket.create_connection(
            address,
            timeout=HANDSHAKE_SECONDS,
            enable_multithread=False,
            skip_utf8_validation=True,
            http_proxy_host=parts.hostname,
            http_proxy_port=parts.port or 0,
            proxy_type="http",
        )
        self._ws.settimeout(POLL_SECONDS)

    def receive(self, size: int) -> bytes:
        return self._ws.sock.recv(size) if self._ws.sock else b""

    def send(self, opcode: int, payload: bytes) -> None:
        self._ws.send(payload, opcode)

    def close(self) -> None:
        self._ws.close(timeout=0)


def connector(proxies: Mapping[str, str]) -> Connect:
    """Opens websockets, through a proxy where the host and port of an address have one."""
    return lambda address: _Client(address, proxies.get(urlsplit(address).netloc))


def connect(address: str) -> Socket:
    """Open a websocket."""
    return _Client(address, None)


class Connection:
    """A socket, with what is still to be said on it and when it was last heard of."""

    def __init__(
        self, socket: Socket, subscriptions: Sequence[str], *, per_second: float, frame_bytes: int, clock: Clock
    ) -> None:
        self._socket = socket
        self._frames = Frames(frame_bytes, clock.wall_ns)
        self._clock = clock
        self._unsaid = deque(text.encode() for text in subscriptions)
        self._owed: bytes | None = None  # the answer to the newest ping; older ones need none (RFC 6455, 5.5.3)
        self._spacing = 1.0 / per_second
        now = clock.monotonic()
        self._may_speak = now
        self._heard = now
        self._asked = now

    @property
    def subscribed(self) -> bool:
        """Whether everything has been asked for."""
        return not self._unsaid

    def batches(self) -> Iterator[Sequence[Message]]:
        """Yield what each read brought, empty when there was nothing in time. Ends only by raising why."""
        monotonic = self._clock.monotonic
        while True:
            self._speak(monotonic())
            try:
                data = self._socket.receive(READ_BYTES)
            except TimeoutError:
                if monotonic() - self._heard >= DEAD_SECONDS:
                    raise SilenceError(f"nothing received for {DEAD_SECONDS:.0f} s, no answer to a ping either") from None
                yield ()
                continue
            if not data:
                raise ClosedError("the connection ended without a close frame")
            self._heard = monotonic()
            batch, end = self._messages(data)
            yield batch  # whatever came before the end was received
            if end:
                raise end

    def _messages(self, data: bytes) -> tuple[Sequence[Message], Exception | None]:
        batch: list[Message] = []
        try:
            for opcode, payload in self._frames.take(data, batch):
                if opcode == Opcode.PING:
                    self._owed = payload
                elif opcode == Opcode.CLOSE:
                    return batch, ClosedError(_farewell(payload))
        except ProtocolError as error:
            return batch, error
        return batch, None

    def close(self) -> None:
        self._socket.close()

    def _speak(self, now: float) -> None:
        """Say the most urgent thing, never faster than the venue allows: pongs, pings and texts all count."""
        if now < self._may_speak:
            return
        if self._owed is not None:
            self._socket.send(Opcode.PONG, self._owed)
            self._owed = None
        elif self._unsaid:
            self._socket.send(Opcode.TEXT, self._unsaid[0])
            self._unsaid.popleft()
        elif now - max(self._heard, self._asked) >= QUIET_SECONDS:
            self._socket.send(Opcode.PING, b"")
            self._asked = now
        else:
            return
        self._may_speak = now + self._spacing


def _farewell(payload: bytes) -> str:
    code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 1005  # 1005: no code was given
    return f"closed by the venue, code {code} {payload[2:].decode('utf-8', 'replace')}".rstrip()
