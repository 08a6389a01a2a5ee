"""A venue that is reached through a proxy, and others that are not."""

import asyncio
import contextlib
import threading

import pytest

from ingest.collector.feed import connector
from ingest.exchanges import find_exchange
from ingest.plan import proxies
from ingest.rest.client import get
from ingest.settings import Endpoint, Ingest
from tests.support.exchange_server import sends, venue


class Proxy:
    """An HTTP proxy on this machine: tunnels, and hands on plain requests."""

    def __init__(self) -> None:
        self.asked = []
        self.address = ""
        self._ready = threading.Event()

    def run(self, loop, stop):
        async def main():
            async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
                self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
                self._ready.set()
                await stop.wait()

        loop.run_until_complete(main())

    def ready(self):
        assert self._ready.wait(10)
        return self

    async def _serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        self.asked.append(f"{method.decode()} {target.decode()}")
        if method != b"CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
            await writer.drain()
            writer.close()
            return
        host, port = target.decode().split(":")
        there, on = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(self._copy(reader, on), self._copy(there, writer))

    async def _copy(self, source, target):
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()


@pytest.fixture
def proxy():
    found, loop, stop = Proxy(), asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=found.run, args=(loop, stop), daemon=True)
    thread.start()
    yield found.ready()
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()


def place(address):
    return address.partition("//")[2].rstrip("/")


def test_a_websocket_goes_through_the_proxy_of_its_address_alone(proxy):
    with venue(sends("hello")) as far, venue(sends("hello")) as near:
        connect = connector({place(far.address): proxy.address})
        for there in (far, near):
            socket = connect(there.address)
            assert b"hello" in socket.receive(1000)
            socket.close()
    assert proxy.asked == [f"CONNECT {place(far.address)}"]


def test_rest_goes_through_the_proxy_of_its_address(proxy):
    assert get({"one.example": proxy.address})("http://one.example/x?y=1").data == b"[]"
    assert proxy.asked == ["GET http://one.example/x?y=1"]


def test_the_proxy_of_a_market_is_that_of_all_its_addresses():
    own = Endpoint(("ws://here:1/a",), ("http://here:2/b",), ("http://here:3/c",), "http://proxy:8080")
    endpoints = {"binance": {"spot": own}, "coinbase": {"spot": Endpoint(proxy="http://proxy:8081")}}
    found = proxies(Ingest("laptop", endpoints=endpoints), find_exchange)
    assert found == {
        **dict.fromkeys(("here:1", "here:2", "here:3"), "http://proxy:8080"),
        **dict.fromkeys(("ws-feed.exchange.coinbase.com", "api.exchange.coinbase.com"), "http://proxy:8081"),
    }
