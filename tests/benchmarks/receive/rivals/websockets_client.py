"""The `websockets` library before the collector's own spool, lines and landing: what another receive loop costs.

It does less: who sent what is looked up by the stream's name alone, and nobody asks which ids are missing.
"""

import asyncio
import itertools
import random
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
from websockets.asyncio.client import connect

from ingest.clock import SYSTEM
from ingest.delays import delays
from ingest.envelope import Origin, head, line
from ingest.landing import Files
from ingest.settings import Rotate
from ingest.settings import Spool as SpoolSettings
from ingest.spool.records import Records
from ingest.spool.spool import Place, Spool, prepare
from ingest.spool.upload import Uploader
from tests.benchmarks.receive.wire import streams

PLACE = Place("trades", "binance", "spot")
SUBSCRIBE = '{"method":"SUBSCRIBE","params":["all"],"id":1}'
TOGETHER = 256  # lines in one write; or what came within …
FLUSH_SECONDS = 0.2


def damaged(path: Path, found: Records) -> Sequence[Path]:
    """The disk has changed a segment: this run is of no use."""
    raise RuntimeError(f"{path}: {len(found.damaged)} damaged parts")


async def receive(port: int, wanted: int, spool: Spool) -> None:
    """Take so many frames."""
    heads = {
        stream: head(Origin("binance", "spot", "trades", "agg_trade", pair, stream, "ws", "rival-1-1"))
        for stream, pair in streams().items()
    }
    lines: list[bytes] = []
    first = flushed = 0
    seq = itertools.count()
    async with connect(f"ws://127.0.0.1:{port}/stream", compression=None, max_queue=None, ping_interval=None) as connection:
        await connection.send(SUBSCRIBE)
        await connection.recv()  # its acknowledgement
        for number in range(1, wanted + 1):
            raw = await connection.recv(decode=False)
            now = time.time_ns()
            tree = orjson.loads(raw)
            first = first or now
            lines.append(line(heads[tree["stream"]], next(seq), now, raw, is_json=True))
            if len(lines) == TOGETHER or now - flushed > FLUSH_SECONDS * 1e9 or number == wanted:
                spool.append(PLACE, first, b"".join(lines))
                lines, first, flushed = [], 0, now


def main() -> None:
    """Take, sync, seal, land; end when all has landed."""
    port, wanted, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    settings = SpoolSettings(path=folder / "spool")
    prepare(folder / "spool" / "collect")
    spool = Spool(folder / "spool" / "collect", "rival", Rotate(), settings.max_bytes, SYSTEM)
    uploader = Uploader(spool, Files(folder / "lake"), damaged, lambda: delays(random.random))
    enough = threading.Event()

    def keep() -> None:
        while not enough.wait(settings.fsync_ms / 1000):
            spool.sync()
            seal()

    def seal(*, everything: bool = False) -> None:
        for path in spool.seal(lambda: None, everything=everything):
            uploader.add(path)

    keeper, uploads = threading.Thread(target=keep), threading.Thread(target=uploader.run)
    keeper.start()
    uploads.start()
    asyncio.run(receive(port, wanted, spool))
    enough.set()
    keeper.join()
    seal(everything=True)
    uploader.finish()
    uploads.join()


main()
