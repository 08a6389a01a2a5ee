"""Where published files are handed out: below /dumps, with their listing and their checksums."""

import asyncio
from collections.abc import Mapping

from ingest.exchanges import find_exchange
from ingest.simulator.dumps.names import find_dump, listing
from ingest.simulator.dumps.shelf import Shelf
from ingest.simulator.rest.ask import Reply
from ingest.simulator.worlds import World

ROOT = "/dumps"
_CHECKSUM = ".CHECKSUM"


class Desk:
    """The files of a made market; a recording has none."""

    def __init__(self, world: World, closing: asyncio.Event) -> None:
        self._shelf = None if world.seed is None else Shelf(world.seed, closing)
        self._listings = {
            (listing.market, find_exchange("binance", listing.market).symbol(listing.pair)): listing
            for listing in world.listings
            if listing.venue == "binance"
        }
        self._symbols: dict[str, list[str]] = {}
        for market, symbol in self._listings:
            self._symbols.setdefault(market, []).append(symbol)

    def close(self) -> None:
        if self._shelf is not None:
            self._shelf.close()

    async def reply(self, path: str, query: Mapping[str, str], now: int) -> Reply:
        """A file, its checksum, or which files there are at this moment of market time."""
        key = path.removeprefix(ROOT).strip("/")
        if self._shelf is not None and not key:
            return Reply(200, listing(self._symbols, now, query).encode(), kind="application/xml")
        dump = find_dump(key.removesuffix(_CHECKSUM), self._symbols, now)
        if dump is None or self._shelf is None:
            body = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>'
            return Reply(404, body.encode(), kind="application/xml")
        file, digest = await self._shelf.file(dump, self._listings[dump.market, dump.symbol])
        if key.endswith(_CHECKSUM):
            return Reply(200, f"{digest}  {dump.name}.zip\n".encode(), kind="text/plain")
        return Reply(200, b"", {"Accept-Ranges": "bytes", "ETag": f'"{digest[:32]}"'}, "application/zip", file)


def market_of(path: str) -> str:
    """Whose files lie there."""
    return "usdm" if "/futures/" in path else "spot"
