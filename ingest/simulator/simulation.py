"""The simulated venues while they are open: who is subscribed, what is due, what was sent. Touches sockets and the clock."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from websockets.asyncio.server import Server, ServerConnection, broadcast
from websockets.exceptions import ConnectionClosedError
from websockets.protocol import State

from ingest.simulator.chores import CHORES, Visitor
from ingest.simulator.damage import Sending
from ingest.simulator.listings import Series
from ingest.simulator.protocols import ANSWERS, SPEECH, Question, refused, route
from ingest.simulator.script import Script
from ingest.simulator.strikes import strike
from ingest.simulator.truth import Passed, Truth
from ingest.simulator.wire import Frame, heartbeat
from ingest.simulator.worlds import Key, World

if TYPE_CHECKING:
    from ingest.simulator.live.stream import Live

BACKLOG = 1_000_000  # bytes that wait for a client: flat out the market waits for it, else it is cut off at sixteen times that
SECOND = 1_000_000


class Simulation:
    """The state of the venues while they are open."""

    def __init__(self, world: World, truth: Truth, wait_for: int) -> None:
        self.world = world
        self.truth = truth
        self.wait_for = wait_for
        self.script = Script(world.faults, world.start)
        self.clients: dict[Key, set[ServerConnection]] = {}
        self.visitors: dict[ServerConnection, Visitor] = {}
        self.live: dict[Key, Live] = {}  # what is made because somebody listens
        self.enough = asyncio.Event()
        self.now = world.start - 1  # market time: what was sent until then has passed
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []  # what is to be done at which market time
        self._planned = 0
        self.plan((world.start // SECOND + 1) * SECOND, self._beat)
        for frame in world.before:
            truth.last[frame.series] = Passed(frame, sent=False, is_before=True)
        self._look_for_enough()

    async def client(self, connection: ServerConnection) -> None:
        """One connection, from its opening to its end."""
        assert connection.request is not None
        where = route(connection.request.path)
        assert where is not None  # refused before the handshake
        most_texts, most_streams = SPEECH[where.venue, where.market]
        said: deque[float] = deque()
        visitor = self.visitors[connection] = Visitor(connection, where, self.script.age(where.venue, where.market))
        self._subscribe(visitor, where.asked)
        visitor.chores += [asyncio.create_task(chore(visitor)) for chore in CHORES[where.venue]]
        try:
            async for text in connection:
                now = asyncio.get_running_loop().time()
                said.append(now)
                while said[0] < now - 1:
                    said.popleft()
                if len(said) > most_texts:
                    await connection.close(1008, f"more than {most_texts} messages in a second")
                    break
                self._answer(visitor, text)
                if len(visitor.streams) > most_streams:
                    await connection.close(1008, f"more than {most_streams} streams")
                    break
        except ConnectionClosedError:
            pass  # the client's business
        finally:
            visitor.leave()
            self._subscribe(visitor, frozenset())
            del self.visitors[connection]

    def _answer(self, visitor: Visitor, text: str | bytes) -> None:
        where = visitor.where
        offered = {stream for venue, market, stream in self.world.offered if (venue, market) == (where.venue, where.market)}
        question = Question(text, visitor.streams, offered, time.time_ns() // 1_000_000)
        answer = ANSWERS[where.venue](question)
        new = sorted(answer.streams - visitor.streams)
        place = (where.venue, where.market)
        found = [self.world.live(place, stream) for stream in new]
        series = [self.world.offered.get((*place, stream)) for stream in new]
        refusal = self.script.refusal([*filter(None, series), *(live.series for live in found if live)], self.now)
        if refusal is not None:
            answer, series, found = refused(where.venue, question, refusal.reason), [], []
        for reply in answer.texts:
            broadcast([visitor.connection], reply)
        self._subscribe(visitor, answer.streams)
        for feed in series:
            self._tell_last(visitor.connection, feed)
        for live in found:
            if live is not None and live.first is not None:
                broadcast([visitor.connection], live.first(self.now))

    def _subscribe(self, visitor: Visitor, streams: frozenset[str]) -> None:
        where, connection = visitor.where, visitor.connection
        visitor.streams = streams
        wanted = streams if self.world.is_recorded else frozenset(stream for stream in streams if not where.mutes(stream))
        for (venue, market, stream), clients in list(self.clients.items()):
            if (venue, market) == (where.venue, where.market) and stream not in wanted:
                clients.discard(connection)
        for stream in wanted:
            self.clients.setdefault((where.venue, where.market, stream), set()).add(connection)
            self._enliven((where.venue, where.market, stream))
        self._look_for_enough()

    def _enliven(self, key: Key) -> None:
        """Begin to make a stream that is made only while somebody listens."""
        if key in self.world.offered or key in self.live:
            return
        found = self.world.live(key[:2], key[2])
        if found is not None:
            self.live[key] = found
            self.plan((self.now // found.every + 1) * found.every, partial(self._speak, key))

    def _speak(self, key: Key, at: int) -> None:
        live, listening = self.live[key], self.clients.get(key)
        if not listening:
            del self.live[key]
            return
        self.plan(at + live.every, partial(self._speak, key))
        text = live.make(at)
        if text is not None:
            frame = Frame(at, live.series, text.encode(), ())
            for sending in self.script.sendings(frame) or [Sending(frame, (frame.text,))]:
                self._broadcast(sending)

    def _look_for_enough(self) -> None:
        known = (clients for key, clients in self.clients.items() if key in self.world.offered or key in self.live)
        if sum(map(len, known)) >= self.wait_for:
            self.enough.set()

    def _tell_last(self, connection: ServerConnection, series: Series | None) -> None:
        """Coinbase begins with the last match there was; no other venue does such a thing."""
        if series is None or series.venue != "coinbase" or self.world.is_recorded or series not in self.truth.last:
            return
        last = self.truth.last[series]
        broadcast([connection], last.frame.text.replace(b'"match"', b'"last_match"', 1), text=True)
        last.sent = True

    def plan(self, at: int, act: Callable[[int], None]) -> None:
        """Do something at a moment of market time."""
        self._planned += 1
        heappush(self._agenda, (at, self._planned, act))

    def _pass(self, until: int) -> None:
        """Let market time pass."""
        while self._agenda[0][0] <= until:
            at, _, act = heappop(self._agenda)
            self.now = max(self.now, at)
            act(at)
        self.now = max(self.now, until)

    async def play(self) -> None:
        """Send everything, each frame when it is due."""
        await self.enough.wait()
        clock = asyncio.get_running_loop().time
        began, due, has_faults = clock(), 0, bool(self.world.faults)
        for number, frame in enumerate(self.world.frames):
            while frame.at > due:
                due = _due(self.world, clock() - began, time.time_ns() // 1000, frame.at)
                if frame.at > due:
                    self._pass(due)
                    await asyncio.sleep(min(0.05, max(0.001, (frame.at - due) / 1e6 / (self.world.speed or 1))))
            if frame.at >= self._agenda[0][0]:
                self._pass(frame.at)
            self.now = frame.at
            sendings = self.script.sendings(frame) if has_faults else None
            if sendings is None:
                listening = self._listening(frame.series)
                if listening:
                    broadcast(listening, frame.text, text=True)
                self.truth.passed(frame, sent=bool(listening), dropped=False)
            else:
                self._send(sendings)
            if number % 64 == 0:
                await self._breathe()
        self._send(self.script.rest())
        self._pass(self.now if self.world.end is None else self.world.end - 1)

    def _send(self, sendings: Iterable[Sending]) -> None:
        """What the faults have made of frames."""
        for sending in sendings:
            is_heard = self._broadcast(sending)
            if _key(sending.frame.series) in self.world.offered:
                self.truth.passed(sending.frame, sent=is_heard and sending.intact, dropped=not sending.texts)

    def _broadcast(self, sending: Sending) -> bool:
        """Whether anybody listens."""
        for fault in sending.strikes:
            strike(fault, self.visitors.values(), self._series, self.now, self.plan)
            for visitor in self.visitors.values():
                if visitor.is_deaf:
                    self._subscribe(visitor, frozenset())
        listening = self._listening(sending.frame.series)
        for text in sending.texts:
            broadcast(listening, text, text=not sending.is_binary)
        return bool(listening)

    def _series(self, key: Key) -> Series | None:
        found = self.live.get(key)
        return self.world.offered.get(key) if found is None else found.series

    def _listening(self, series: Series) -> list[ServerConnection]:
        clients = self.clients.get(_key(series), ())
        return [client for client in clients if client.state is State.OPEN]

    def _beat(self, at: int) -> None:
        """Coinbase tells its subscribers the last trade of each product every second."""
        self.plan(at + SECOND, self._beat)
        for (venue, _, stream), clients in self.clients.items():
            if venue != "coinbase" or not stream.startswith("heartbeat:") or not clients:
                continue
            product = stream.partition(":")[2]
            last = self.truth.last.get(self.world.offered["coinbase", "spot", f"matches:{product}"])
            if last is not None and not self.world.is_recorded:
                broadcast(clients, heartbeat(product, last.frame.trades[-1].trade_id, at))

    async def _breathe(self) -> None:
        """Let clients speak, and do not pile up what they do not read."""
        await asyncio.sleep(0)
        for client in list(self.visitors):
            while self.world.speed is None and client.transport.get_write_buffer_size() > BACKLOG:  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.001)
            if client.transport.get_write_buffer_size() > 16 * BACKLOG:
                client.transport.abort()  # reads too slowly

    def let_go(self, server: Server) -> None:
        """Cut off who would keep us from closing: who hears nothing any more, and who has not asked anything yet."""
        for visitor in self.visitors.values():
            if visitor.is_deaf:
                visitor.connection.transport.abort()
        for connection in server.all_connections:
            if connection.state is State.CONNECTING:
                connection.transport.abort()


def _key(series: Series) -> Key:
    return (series.venue, series.market, series.stream)


def _due(world: World, elapsed: float, now: int, asked: int) -> int:
    """Up to which market time frames may be sent; never ahead of the clock."""
    if world.speed is None:
        return asked
    return min(world.start + int(elapsed * world.speed * 1_000_000), now)
