"""The counter of the venues: HTTP requests, answered one at a connection. Touches the clock, for the limits are on the real one."""

import asyncio
import time
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from ingest.exchanges import find_exchange
from ingest.simulator.rest import find_endpoint
from ingest.simulator.rest.ask import Ask, RefusedError, Reply, Text
from ingest.simulator.rest.limits import limits
from ingest.simulator.worlds import World


class Counter:
    """Who asks what, and how much they have asked."""

    def __init__(self, world: World, factor: float | None) -> None:
        self._world = world
        self._factor = factor
        self._limits = limits(factor)
        self._symbols: dict[tuple[str, str], dict[str, str]] = {}
        for feed in world.offered.values():
            exchange = find_exchange(feed.venue, feed.market)
            self._symbols.setdefault((feed.venue, feed.market), {})[exchange.symbol(feed.pair)] = feed.pair

    async def answer(self, request: Request, now: int) -> Response:
        """What the venue answers at this moment of market time."""
        reply = await self._reply(request, now)
        return response(reply, has_body=request.method != "HEAD")

    async def _reply(self, request: Request, now: int) -> Reply:
        parts = urlsplit(request.path)
        found = find_endpoint(unquote(parts.path))
        if found is None or found[0] not in self._symbols:
            return Reply(404, f"{request.path}: no venue here\n".encode(), kind="text/plain; charset=utf-8")
        if request.method not in ("GET", "HEAD"):
            return Reply(405, b"GET is answered here\n", {"Allow": "GET, HEAD"}, kind="text/plain; charset=utf-8")
        place, endpoint, path = found
        ask = Ask(
            venue=place[0],
            market=place[1],
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in request.headers.raw_items()},
            path=path,
            now=now,
            past=self._world.past,
            symbols=self._symbols[place],
            listings={listing.pair: listing for listing in self._world.listings if (listing.venue, listing.market) == place},
            factor=self._factor,
        )
        headers: Text = {}
        if place in self._limits:
            verdict = self._limits[place](time.time(), endpoint.weight(ask))
            if verdict.refusal is not None:
                return verdict.refusal
            headers = verdict.headers
        try:
            reply = await asyncio.to_thread(
                endpoint.answer, ask
            )  # a thread: the market goes on while a venue looks into its past
        except RefusedError as refused:
            reply = refused.reply
        return Reply(reply.status, reply.body, {**headers, **reply.headers}, reply.kind)


def response(reply: Reply, *, has_body: bool = True) -> Response:
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
    return Response(reply.status, HTTPStatus(reply.status).phrase, headers, reply.body if has_body else b"")
