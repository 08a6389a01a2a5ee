"""The simulated venues on one port: who is subscribed, what is due, what was sent. Touches sockets and the clock."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosedError
from websockets.http11 import Request, Response
from websockets.protocol import State

from ingest.exchanges import find_exchange
from ingest.simulator.counter import Counter
from ingest.simulator.listings import Series
from ingest.simulator.protocols import ANSWERS, Question, Route, route
from ingest.simulator.truth import Passed, Truth
from ingest.simulator.wire import iso, sequence
from ingest.simulator.worlds import Key, World

BACKLOG = 1_000_000  # bytes that wait for a client: flat out the market waits for it, else it is cut off at sixteen times that


@dataclass
class Simulation:
    """The state of the venues while they are open."""

    world: World
    truth: Truth
    wait_for: int
    clients: dict[Key, set[ServerConnection]] = field(default_factory=dict)
    streams: dict[ServerConnection, frozenset[str]] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    now: int = 0  # market time: what was sent until then has passed

    def __post_init__(self) -> None:
        self.now = self.world.start - 1
        for frame in self.world.before:
            self.truth.last[frame.series] = Passed(frame, sent=False, is_before=True)
        self._look_for_enough()

    async def client(self, connection: ServerConnection) -> None:
        """One connection, from its opening to its end."""
        where = route(_path(connection))
        assert where is not None  # refused before the handshake
        limits = find_exchange(where.venue, where.market).limits
        said: deque[float] = deque()
        self._subscribe(connection, where, where.asked)
        chores = [asyncio.create_task(chore(self, connection)) for chore in _CHORES.get(where.venue, ())]
        try:
            async for text in connection:
                now = asyncio.get_running_loop().time()
                said.append(now)
                while said[0] < now - 1:
                    said.popleft()
                if len(said) > limits.messages_per_second:
                    await connection.close(1008, f"more than {limits.messages_per_second:g} messages in a second")
                    break
                self._answer(connection, where, text)
                if len(self.streams[connection]) > 2 * limits.streams_per_connection:  # a heartbeat beside each
                    await connection.close(1008, f"more than {limits.streams_per_connection} streams")
                    break
        except ConnectionClosedError:
            pass  # the client's business
        finally:
            for chore in chores:
                chore.cancel()
            self._subscribe(connection, where, frozenset())
            del self.streams[connection]

    def _answer(self, connection: ServerConnection, where: Route, text: str | bytes) -> None:
        offered = {stream for venue, market, stream in self.world.offered if (venue, market) == (where.venue, where.market)}
        answer = ANSWERS[where.venue](Question(text, self.streams[connection], offered, time.time_ns() // 1_000_000))
        for reply in answer.texts:
            broadcast([connection], reply)
        new = answer.streams - self.streams[connection]
        self._subscribe(connection, where, answer.streams)
        for stream in sorted(new):
            self._tell_last(connection, self.world.offered.get((where.venue, where.market, stream)))

    def _subscribe(self, connection: ServerConnection, where: Route, streams: frozenset[str]) -> None:
        self.streams[connection] = streams
        wanted = streams if self.world.is_recorded or not where.is_mute else frozenset[str]()
        for (venue, market, stream), clients in list(self.clients.items()):
            if (venue, market) == (where.venue, where.market) and stream not in wanted:
                clients.discard(connection)
        for stream in wanted:
            self.clients.setdefault((where.venue, where.market, stream), set()).add(connection)
        self._look_for_enough()

    def _look_for_enough(self) -> None:
        if sum(len(clients) for key, clients in self.clients.items() if key in self.world.offered) >= self.wait_for:
            self.enough.set()

    def _tell_last(self, connection: ServerConnection, series: Series | None) -> None:
        """Coinbase begins with the last match there was; no other venue does such a thing."""
        if series is None or series.venue != "coinbase" or self.world.is_recorded or series not in self.truth.last:
            return
        last = self.truth.last[series]
        broadcast([connection], last.frame.text.replace(b'"match"', b'"last_match"', 1), text=True)
        last.sent = True

    async def play(self) -> None:
        """Send everything, each frame when it is due."""
        await self.enough.wait()
        clock = asyncio.get_running_loop().time
        began, due, second = clock(), 0, self.world.start // 1_000_000
        for number, (frame, dropped) in enumerate(self.world.frames):
            while frame.at > due:
                due = _due(self.world, clock() - began, time.time_ns() // 1000, frame.at)
                if frame.at > due:
                    self.now = max(self.now, due)
                    await asyncio.sleep(min(0.05, max(0.001, (frame.at - due) / 1e6 / (self.world.speed or 1))))
            while second < frame.at // 1_000_000:
                second += 1
                self._beat(second)
            self.now = frame.at
            series = frame.series
            clients = self.clients.get((series.venue, series.market, series.stream), ())
            listening = [] if dropped else [client for client in clients if client.state is State.OPEN]
            broadcast(listening, frame.text, text=True)
            self.truth.passed(frame, sent=bool(listening), dropped=dropped)
            if number % 64 == 0:
                await self._breathe()
        self.now = self.now if self.world.end is None else self.world.end - 1

    def _beat(self, second: int) -> None:
        """Coinbase tells its subscribers the last trade of each product every second."""
        for (venue, _, stream), clients in self.clients.items():
            if venue != "coinbase" or not stream.startswith("heartbeat:") or not clients:
                continue
            product = stream.partition(":")[2]
            last = self.truth.last.get(self.world.offered["coinbase", "spot", f"matches:{product}"])
            if last is not None and not self.world.is_recorded:
                number = last.frame.trades[-1].trade_id
                broadcast(
                    clients,
                    f'{{"type":"heartbeat","sequence":{sequence(number) + 1},"last_trade_id":{number},'
                    f'"product_id":"{product}","time":"{iso(second * 1_000_000)}"}}',
                )

    async def _breathe(self) -> None:
        """Let clients speak, and do not pile up what they do not read."""
        await asyncio.sleep(0)
        for client in list(self.streams):
            while self.world.speed is None and client.transport.get_write_buffer_size() > BACKLOG:  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.001)
            if client.transport.get_write_buffer_size() > 16 * BACKLOG:
                client.transport.abort()  # reads too slowly


async def run(  # noqa: PLR0913 - by keyword
    world: World,
    truth: Truth,
    *,
    port: int,
    wait_for: int,
    stays: bool,
    stop: asyncio.Event,
    ready: Callable[[int], None],
    limits: float | None = 1.0,
) -> None:
    """Open the venues on 127.0.0.1, play the world, close politely when all was sent or `stop` is set."""
    simulation = Simulation(world, truth, wait_for)
    counter = Counter(world, limits)

    async def answer(_connection: ServerConnection, request: Request) -> Response | None:
        return None if route(request.path) is not None else await counter.answer(request, simulation.now)

    async with serve(simulation.client, "127.0.0.1", port, compression=None, process_request=answer, ping_timeout=60) as server:
        ready(next(iter(server.sockets)).getsockname()[1])
        stopping = asyncio.create_task(stop.wait())
        playing = asyncio.create_task(simulation.play())
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()  # what went wrong there goes wrong here
            if stays:
                await stopping
        for task in (playing, stopping):
            task.cancel()
    truth.close()


def _due(world: World, elapsed: float, now: int, asked: int) -> int:
    """Up to which market time frames may be sent; never ahead of the clock."""
    if world.speed is None:
        return asked
    return min(world.start + int(elapsed * world.speed * 1_000_000), now)


async def _cut_when_idle(simulation: Simulation, connection: ServerConnection) -> None:
    """Coinbase wants a subscription within five seconds."""
    await asyncio.sleep(5)
    if not simulation.streams[connection]:
        await connection.close(1008, "no subscription within 5 seconds")


async def _keep_alive(_simulation: Simulation, connection: ServerConnection) -> None:
    """Bitso says that it is there."""
    while True:
        await asyncio.sleep(5)
        broadcast([connection], '{"type":"ka"}')


_CHORES = {"coinbase": (_cut_when_idle,), "bitso": (_keep_alive,)}


def _path(connection: ServerConnection) -> str:
    assert connection.request is not None
    return connection.request.path
