"""A venue on this machine for tests of the collector: a real websocket server of another library, with a script a connection."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

Script = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Venue:
    """A running server. Connection number n is played by `scripts[n]`, later ones by the last."""

    address: str
    received: list[str] = field(default_factory=list)
    connections: int = 0
    refusals: list[int] = field(default_factory=list)  # HTTP statuses to answer the next attempts with


@contextlib.contextmanager
def venue(*scripts: Script, refusals: tuple[int, ...] = ()) -> Iterator[Venue]:
    """Serve until the block ends. The connection is closed when its script returns."""
    listener = socket.create_server(("127.0.0.1", 0))
    found = Venue(f"ws://127.0.0.1:{listener.getsockname()[1]}", refusals=list(refusals))
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def refuse(connection: ServerConnection, _: Request) -> Response | None:
        return connection.respond(found.refusals.pop(0), "no") if found.refusals else None

    async def play(connection: ServerConnection) -> None:
        script = scripts[min(found.connections, len(scripts) - 1)]
        found.connections += 1

        async def listen() -> None:
            with contextlib.suppress(Exception):  # the client may go as it likes
                async for message in connection:
                    found.received.append(str(message))

        listening = asyncio.create_task(listen())
        with contextlib.suppress(Exception):
            await script(connection)
        listening.cancel()

    async def run() -> None:
        async with serve(play, sock=listener, process_request=refuse, ping_interval=None, compression=None, close_timeout=0.2):
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def sends(*frames: str | bytes, then: str = "wait") -> Script:
    """Send these frames at once; then `wait` for the client to go, `close`, or `break` the connection without a word."""

    async def script(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame, text=True)
        if then == "wait":
            await connection.wait_closed()
        elif then == "break":
            connection.transport.abort()

    return script
