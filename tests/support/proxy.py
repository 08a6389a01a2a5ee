"""A proxy in front of an S3 that loses, cuts, delays and refuses as told: one request a connection, each written down."""

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PASS = "pass"  # noqa: S105 - a way through, no secret
# what else may happen to a request; a status with a code, such as "503 SlowDown", is answered in the place of the S3
RESET, CUT, LOSE, STALL, SLOW = "reset", "cut", "lose", "stall", "slow"
SLOW_SECONDS = 1.0


@dataclass(frozen=True)
class Request:
    """One that came, what was done to it, and the status that the client got; 0: none."""

    method: str
    path: str
    did: str
    status: int


@dataclass
class Proxy:
    """In front of one address."""

    upstream: str
    port: int = 0
    always: str = PASS  # what happens to requests that nothing else is meant for
    next: deque[str] = field(default_factory=deque)  # what happens to the next ones
    meant: str = ""  # only to those whose "METHOD path" has this expression somewhere
    requests: list[Request] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Until told to stop."""
        server = await asyncio.start_server(self._one, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.decode("latin-1").split(" ", 2)
            is_meant = re.search(self.meant, f"{method} {path}") is not None
            did = self.next.popleft() if self.next and is_meant else self.always
            status = 0
            if did == STALL:
                await reader.read()  # until the client has had enough
            elif did != RESET:
                body = await _body(head, reader, writer)
                status = await self._answer(did, head, body, writer)
            self.requests.append(Request(method, path, did, status))
            if not status:
                linger = struct.pack("ii", 1, 0)  # closed by a reset, not by an orderly end
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    async def _answer(self, did: str, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> int:
        """The status that the client got."""
        if did[0].isdigit():
            answer = _refusal(*did.split(" "))
        else:
            answer = await self._asked(head, body[: len(body) // 2] if did == CUT else body, is_cut=did == CUT)
            if did in (LOSE, CUT):
                return 0
            if did == SLOW:
                await asyncio.sleep(SLOW_SECONDS)
        writer.write(answer)
        await writer.drain()
        return int(answer[9:12])

    async def _asked(self, head: bytes, body: bytes, *, is_cut: bool) -> bytes:
        there = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(there.hostname, there.port)
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"expect:", b"connection:"))]
        writer.write(b"\r\n".join([lines[0], b"Connection: close", *lines[1:]]) + body)
        await writer.drain()
        if is_cut:
            writer.close()
            return b""
        answer = await reader.read()
        writer.close()
        return answer


async def _body(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])}
    if b"expect" in fields:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    return await reader.readexactly(int(fields.get(b"content-length", b"0")))


def _refusal(status: str, code: str) -> bytes:
    text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>as told</Message></Error>'.encode()
    head = (
        f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + text


@contextlib.contextmanager
def proxy(upstream: str, port: int = 0) -> Iterator[Proxy]:
    """Run one on a free port, or on the one of an earlier one, until the block ends; then nobody listens there."""
    found = Proxy(upstream, port)
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    def run() -> None:
        loop.run_until_complete(found.serve(ready, stop))
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=run, name="proxy")
    thread.start()
    ready.wait(10)
    try:
        yield found
    finally:
        found.always = PASS
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
