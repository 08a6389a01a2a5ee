"""cryptofeed's Binance handler with a callback that writes lines of a gzip file. Runs where cryptofeed is installed, without ours."""

import asyncio
import gzip
import json
import sys
from pathlib import Path
from typing import Any

from cryptofeed import FeedHandler, connection
from cryptofeed.defines import TRADES
from cryptofeed.exchanges import Binance
from cryptofeed.symbols import Symbols
from websockets.asyncio.client import connect

PAIRS = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "PEPE-USDT")
LEVEL = 4  # as of the others


def plain(address: str, **options: Any) -> Any:  # noqa: ANN401 - the library's
    """It speaks TLS alone; nobody else here does, and nobody compresses."""
    return connect(address.replace("wss:", "ws:"), compression=None, **options)


def main() -> None:
    """Take so many frames."""
    port, left, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    connection.connect = plain
    Binance.websocket_endpoints = [connection.WebsocketEndpoint(f"wss://127.0.0.1:{port}")]
    Symbols.set("BINANCE", {pair: pair.replace("-", "") for pair in PAIRS}, {})  # else it asks the venue
    folder.mkdir(parents=True)
    with gzip.open(folder / "lines.jsonl.gz", "wt", compresslevel=LEVEL, encoding="utf-8") as lines:

        async def take(trade: Any, received: float) -> None:  # noqa: ANN401 - the library's
            nonlocal left
            lines.write(json.dumps({"received": received, **trade.to_dict(numeric_type=str)}) + "\n")
            left -= 1
            if not left:
                asyncio.get_running_loop().stop()

        handler = FeedHandler(config={"log": {"disabled": True}})
        handler.add_feed(Binance(symbols=list(PAIRS), channels=[TRADES], callbacks={TRADES: take}))
        handler.run()


main()
