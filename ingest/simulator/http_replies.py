"""Replies as they go over the line. A connection ends with its reply."""

import re
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Response

from ingest.simulator.rest.ask import Reply

_PIECE = 65_536


def response(reply: Reply, *, has_body: bool = True, is_cut: bool = False) -> Response:
    """A reply that is in memory, or the head of one that is not."""
    length = len(reply.body) if reply.file is None else reply.file.stat().st_size
    body = reply.body[: len(reply.body) // 2] if is_cut else reply.body
    return _response(reply, length, body if has_body else b"")


async def pour(connection: ServerConnection, reply: Reply, wanted: str | None, *, is_cut: bool) -> Response:
    """Send a file, or from a byte on (`Range: bytes=N-`), as fast as it is read; what is returned is no longer sent."""
    path = reply.file
    assert path is not None
    size = path.stat().st_size
    asked = re.fullmatch(r"bytes=(\d+)-", wanted or "")
    start = int(asked[1]) if asked else 0
    if asked and start >= size:
        return response(Reply(416, b"", {"Content-Range": f"bytes */{size}"}, reply.kind))
    if asked:
        reply = replace(reply, status=206, headers={**reply.headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"})
    head = _response(reply, size - start, b"")
    left = (size - start) // 2 if is_cut else size - start
    connection.transport.write(head.serialize())
    with path.open("rb") as file:
        file.seek(start)
        while left > 0 and not connection.transport.is_closing():
            piece = file.read(min(_PIECE, left))
            left -= len(piece)
            connection.transport.write(piece)
            await connection.drain()
    connection.transport.close()
    await connection.wait_closed()
    return head


def _response(reply: Reply, length: int, body: bytes) -> Response:
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Type": reply.kind,
            "Content-Length": str(length),
            **reply.headers,
        }
    )
    return Response(reply.status, HTTPStatus(reply.status).phrase, headers, body)
