"""The counter of the venues: HTTP requests, answered one at a connection. Touches the clock, for the limits are on the real one."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from ingest.exchanges import find_exchange
from ingest.simulator.faults import Fault
from ingest.simulator.protocols import Route
from ingest.simulator.rest import find_endpoint
from ingest.simulator.rest.ask import Ask, Endpoint, RefusedError, Reply, Text
from ingest.simulator.rest.limits import limits
from ingest.simulator.rest.refusals import refusal
from ingest.simulator.script import Script
from ingest.simulator.worlds import World

_MICROSECONDS = 1_000_000
_PLAIN = "text/plain; charset=utf-8"


class Counter:
    """Who asks what, and how much they have asked."""

    def __init__(self, world: World, script: Script, factor: float | None) -> None:
        self._world = world
        self._script = script
        self._factor = factor
        self._limits = limits(factor)
        self._closing = asyncio.Event()
        self._symbols: dict[tuple[str, str], dict[str, str]] = {}
        for feed in world.offered.values():
            exchange = find_exchange(feed.venue, feed.market)
            self._symbols.setdefault((feed.venue, feed.market), {})[exchange.symbol(feed.pair)] = feed.pair

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closing.set()

    def refusal(self, where: Route, now: int) -> Response | None:
        """What a client hears that must not open a websocket; None: it may."""
        fault = self._script.handshake(where.venue, where.market, now)
        return None if fault is None else response(_refusal(where.venue, fault))

    async def answer(self, request: Request, now: int) -> Response:
        """What the venue answers at this moment of market time."""
        parts = urlsplit(request.path)
        path = unquote(parts.path)
        found = find_endpoint(path)
        if found is None or found[0] not in self._symbols:
            return response(Reply(404, f"{request.path}: no venue here\n".encode(), kind=_PLAIN))
        if request.method not in ("GET", "HEAD"):
            return response(Reply(405, b"GET is answered here\n", {"Allow": "GET, HEAD"}, _PLAIN))
        (venue, market), endpoint, names = found
        faults = {fault.fault: fault for fault in self._script.request(venue, market, path, now)}
        if "slow" in faults:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), faults["slow"].delay.total_seconds())
        ask = Ask(
            venue=venue,
            market=market,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in request.headers.raw_items()},
            path=names,
            now=now - int(faults["stale"].behind.total_seconds() * _MICROSECONDS) if "stale" in faults else now,
            past=self._world.past,
            symbols=self._symbols[venue, market],
            listings={
                listing.pair: listing for listing in self._world.listings if (listing.venue, listing.market) == (venue, market)
            },
            seed=self._world.seed,
            factor=self._factor,
        )
        if "refuse-request" in faults:
            reply = _refusal(venue, faults["refuse-request"])
        else:
            reply = await self._reply(endpoint, ask)
        if "not-json" in faults:
            reply = replace(reply, body=reply.body[: len(reply.body) // 2])
        return response(reply, has_body=request.method != "HEAD", is_cut="cut" in faults)

    async def _reply(self, endpoint: Endpoint, ask: Ask) -> Reply:
        headers: Text = {}
        if (ask.venue, ask.market) in self._limits:
            verdict = self._limits[ask.venue, ask.market](time.time(), endpoint.weight(ask))
            if verdict.refusal is not None:
                return verdict.refusal
            headers = verdict.headers
        try:
            reply = await asyncio.to_thread(
                endpoint.answer, ask
            )  # a thread: the market goes on while a venue looks into its past
        except RefusedError as refused:
            reply = refused.reply
        return replace(reply, headers={**headers, **reply.headers})


def _refusal(venue: str, fault: Fault) -> Reply:
    return refusal(venue, fault.status, None if fault.retry_after is None else int(fault.retry_after.total_seconds()))


def response(reply: Reply, *, has_body: bool = True, is_cut: bool = False) -> Response:
    """A reply as it goes over the line; the connection ends with it."""
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Type": reply.kind,
            "Content-Length": str(len(reply.body)),
            **reply.headers,
        }
    )
    body = reply.body[: len(reply.body) // 2] if is_cut else reply.body
    return Response(reply.status, HTTPStatus(reply.status).phrase, headers, body if has_body else b"")
