"""The simulated venues inside the test's own process, on a free port; and a client that is not ours."""

import asyncio
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import Message
from http.client import HTTPConnection
from typing import Any, NamedTuple, TypeVar

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from ingest.simulator.server import run
from ingest.simulator.truth import Truth
from ingest.simulator.worlds import World

T = TypeVar("T")
DEADLINE = 30


class Venues:
    """What a test sees of them."""

    def __init__(self) -> None:
        self.address = ""
        self.listening = threading.Event()
        self.stop: Callable[[], object] = lambda: None
        self.failure: BaseException | None = None
        self._written = io.StringIO()
        self._truth = Truth(self._written)

    def play(self, world: World, wait_for: int, *, stays: bool, limits: float | None) -> None:
        """Run until all was sent, or until stopped."""

        async def main() -> None:
            stop, loop = asyncio.Event(), asyncio.get_running_loop()
            self.stop = lambda: loop.call_soon_threadsafe(stop.set)
            await run(world, self._truth, port=0, wait_for=wait_for, stays=stays, stop=stop, ready=self._ready, limits=limits)

        try:
            asyncio.run(main())
        except BaseException as failure:  # noqa: BLE001 - raised again where the test can see it
            self.failure = failure
            self.listening.set()

    def truth(self) -> list[dict[str, Any]]:
        """Every line written; complete when the venues are closed."""
        return [json.loads(line) for line in self._written.getvalue().splitlines()]

    def _ready(self, port: int) -> None:
        self.address = f"ws://127.0.0.1:{port}"
        self.listening.set()


@contextmanager
def venues(world: World, *, wait_for: int = 1, stays: bool = False, limits: float | None = None) -> Iterator[Venues]:
    """Open the venues; closed, and the truth complete, when the block ends. A failure inside them is the test's."""
    running = Venues()
    thread = threading.Thread(target=running.play, args=(world, wait_for), kwargs={"stays": stays, "limits": limits})
    thread.start()
    assert running.listening.wait(DEADLINE)
    try:
        if running.failure is None:
            yield running
    finally:
        with suppress(RuntimeError):  # they have closed by themselves
            running.stop()
        thread.join(DEADLINE)
    assert not thread.is_alive(), "the venues do not close"
    if running.failure is not None:
        raise running.failure


def within_a_minute(of_the_venues: Callable[[], T]) -> T:
    """What it gives, done again where a minute of the clock began meanwhile: Binance counts weights by the minute."""
    while True:
        minute = time.time() // 60
        found = of_the_venues()
        if time.time() // 60 == minute:
            return found


class Heard(NamedTuple):
    """What came back over HTTP."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        return json.loads(self.body)


def asked(address: str, path: str, method: str = "GET", **headers: str) -> Heard:
    """One HTTP request to the venues at a ws:// address."""
    connection = HTTPConnection(address.removeprefix("ws://"), timeout=DEADLINE)
    try:
        connection.request(
            method, path, headers={"User-Agent": "test", **{key.replace("_", "-"): headers[key] for key in headers}}
        )
        answer = connection.getresponse()
        return Heard(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


@contextmanager
def client(address: str, *say: str, max_size: int | None = None) -> Iterator[ClientConnection]:
    """A connection that has said something."""
    with connect(address, compression=None, max_size=max_size, max_queue=None) as connection:
        for text in say:
            connection.send(text)
        yield connection


def heard(connection: ClientConnection, enough: int | None = None) -> list[str]:
    """What the venue says, until it closes the connection or it is enough."""
    texts: list[str] = []
    while enough is None or len(texts) < enough:
        try:
            texts.append(str(connection.recv(timeout=DEADLINE)))
        except ConnectionClosed:
            break
    return texts


def subscribe(streams: Sequence[str]) -> str:
    """Binance's."""
    return json.dumps({"method": "SUBSCRIBE", "params": list(streams), "id": 1})
