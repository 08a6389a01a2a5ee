"""The counter of the venues: HTTP requests, answered one at a connection. Touches the clock, for the limits are on the real one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Container
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from ingest.exchanges import find_exchange
from ingest.simulator.aside import ClosingError, aside
from ingest.simulator.dumps.desk import ROOT, Desk, market_of
from ingest.simulator.faults import Fault
from ingest.simulator.http_replies import pour, response
from ingest.simulator.protocols import Route
from ingest.simulator.rest import find_endpoint
from ingest.simulator.rest.ask import Ask, RefusedError, Reply, Text
from ingest.simulator.rest.limits import attempts, limits
from ingest.simulator.rest.refusals import refusal
from ingest.simulator.script import Script
from ingest.simulator.worlds import World

_MICROSECONDS = 1_000_000
_PLAIN = "text/plain; charset=utf-8"
Make = Callable[[int], Awaitable[Reply]]  # market time -> what is answered


class Counter:
    """Who asks what, and how much they have asked."""

    def __init__(self, world: World, script: Script, factor: float | None) -> None:
        self._world = world
        self._script = script
        self._factor = factor
        self._limits = limits(factor)
        self._attempts = attempts(factor)
        self._closing = asyncio.Event()
        self._dumps = Desk(world, self._closing)
        self._symbols: dict[tuple[str, str], dict[str, str]] = {}
        for feed in world.offered.values():
            exchange = find_exchange(feed.venue, feed.market)
            self._symbols.setdefault((feed.venue, feed.market), {})[exchange.symbol(feed.pair)] = feed.pair

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self._closing.set()

    def close(self) -> None:
        self._dumps.close()

    def refusal(self, where: Route, now: int) -> Response | None:
        """What a client hears that must not open a websocket; None: it may."""
        place = (where.venue, where.market)
        fault = self._script.handshake(*place, now)
        if fault is not None:
            return response(_refusal(where.venue, fault))
        refused = self._attempts[place](time.time(), 1).refusal if place in self._attempts else None
        return None if refused is None else response(refused)

    async def answer(self, connection: ServerConnection, request: Request, now: int) -> Response:
        """What the venue answers at this moment of market time."""
        path = unquote(urlsplit(request.path).path)
        found = self._find(path, request)
        if found is None:
            return response(Reply(404, f"{request.path}: no venue here\n".encode(), kind=_PLAIN))
        if request.method not in ("GET", "HEAD"):
            return response(Reply(405, b"GET is answered here\n", {"Allow": "GET, HEAD"}, _PLAIN))
        venue, market, make = found
        faults = {fault.fault: fault for fault in self._script.request(venue, market, path, now)}
        if "slow" in faults:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), faults["slow"].delay.total_seconds())
        if "refuse-request" in faults:
            reply = _refusal(venue, faults["refuse-request"])
        else:
            behind = int(faults["stale"].behind.total_seconds() * _MICROSECONDS) if "stale" in faults else 0
            try:
                reply = await make(now - behind)
            except ClosingError:
                reply = refusal(venue, HTTPStatus.SERVICE_UNAVAILABLE, None)
        reply = _spoiled(reply, faults)
        if reply.file is not None and request.method == "GET":
            return await pour(connection, reply, request.headers.get("Range"), is_cut="cut" in faults)
        return response(reply, has_body=request.method == "GET", is_cut="cut" in faults)

    def _find(self, path: str, request: Request) -> tuple[str, str, Make] | None:
        query = dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))
        if path == ROOT or path.startswith(ROOT + "/"):
            return "binance", market_of(path), lambda now: self._dumps.reply(path, query, now)
        found = find_endpoint(path)
        if found is None or found[0] not in self._symbols:
            return None
        place, endpoint, names = found

        async def make(now: int) -> Reply:
            ask = self._ask(place, query, request, names, now)
            headers: Text = {}
            if place in self._limits:
                verdict = self._limits[place](time.time(), endpoint.weight(ask))
                if verdict.refusal is not None:
                    return verdict.refusal
                headers = verdict.headers
            try:
                reply = await aside(partial(endpoint.answer, ask), self._closing)
            except RefusedError as refused:
                reply = refused.reply
            return replace(reply, headers={**headers, **reply.headers})

        return *place, make

    def _ask(self, place: tuple[str, str], query: Text, request: Request, names: Text, now: int) -> Ask:
        return Ask(
            venue=place[0],
            market=place[1],
            query=query,
            headers={name.lower(): value for name, value in request.headers.raw_items()},
            path=names,
            now=now,
            past=self._world.past,
            symbols=self._symbols[place],
            listings={listing.pair: listing for listing in self._world.listings if (listing.venue, listing.market) == place},
            seed=self._world.seed,
            factor=self._factor,
        )


def _spoiled(reply: Reply, faults: Container[str]) -> Reply:
    if "not-json" in faults:
        reply = replace(reply, body=reply.body[: len(reply.body) // 2])
    if "wrong-checksum" in faults:
        digest, _, name = reply.body.partition(b" ")
        reply = replace(reply, body=digest[::-1] + b" " + name)
    return reply


def _refusal(venue: str, fault: Fault) -> Reply:
    return refusal(venue, fault.status, None if fault.retry_after is None else int(fault.retry_after.total_seconds()))
