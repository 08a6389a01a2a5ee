"""What a venue does for a connection beside sending frames, on the real clock: it cuts off, and says that it is there."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.protocol import State

from ingest.exchanges import find_exchange
from ingest.simulator.protocols import Route


@dataclass
class Visitor:
    """A connection, where it leads, and what it is subscribed to."""

    connection: ServerConnection
    where: Route
    age: float | None  # seconds after which it ends; None: when the venue says
    streams: frozenset[str] = frozenset()
    chores: list[asyncio.Task[None]] = field(default_factory=list)
    is_deaf: bool = False  # it hears nothing and is told nothing, not even the end

    def leave(self) -> None:
        for chore in self.chores:
            chore.cancel()

    def deafen(self) -> None:
        """From now on nothing comes and nothing is read: no frames, no pongs, no FIN."""
        self.is_deaf = True
        self.leave()
        self.connection.transport.pause_reading()
        if self.connection.keepalive_task is not None:
            self.connection.keepalive_task.cancel()

    def close(self, code: int, reason: str) -> None:
        """Say so at once: no frame comes after it, however many are due."""
        if self.connection.state is not State.OPEN:
            return
        self.connection.protocol.send_close(code, reason)
        self.connection.send_data()
        self.chores.append(asyncio.create_task(self.connection.close(code, reason)))


async def _cut_when_idle(visitor: Visitor) -> None:
    """Coinbase wants a subscription within five seconds."""
    await asyncio.sleep(5)
    if not visitor.streams:
        await visitor.connection.close(1008, "no subscription within 5 seconds")


async def _keep_alive(visitor: Visitor) -> None:
    """Bitso says that it is there."""
    while True:
        await asyncio.sleep(5)
        broadcast([visitor.connection], '{"type":"ka"}')


async def _cut_when_old(visitor: Visitor) -> None:
    """Binance ends a connection after a day."""
    hours = find_exchange(visitor.where.venue, visitor.where.market).limits.connection_hours
    seconds = visitor.age if visitor.age is not None else None if hours is None else hours * 3600
    if seconds is not None:
        await asyncio.sleep(seconds)
        visitor.close(1001, f"connected for {seconds:g} seconds")


CHORES: Mapping[str, Sequence[Callable[[Visitor], Coroutine[None, None, None]]]] = {
    "binance": (_cut_when_old,),
    "coinbase": (_cut_when_idle, _cut_when_old),
    "bitso": (_keep_alive, _cut_when_old),
}
