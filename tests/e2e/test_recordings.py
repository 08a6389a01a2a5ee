"""Recorded frames, replayed through a socket: what lands is what was recorded, byte by byte and in its order."""

import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest

from ingest.exchanges import EXCHANGES
from ingest.simulator.recording import recording
from tests.support.replay import replay

# file -> where it is from, the kinds whose streams we subscribe by the same names, frames of these
FILES = {
    "binance/spot_btcusdt_20240808.head10000.frames.jsonl.gz": (("binance", "spot"), ("trade", "book_top", "book_diff"), 9999),
    "binance/usdm_btcusdt_20240808.head5000.frames.jsonl.gz": (("binance", "usdm"), ("trade", "book_top"), 4593),
    "cryptofeed/BINANCE.ws.head2000.gz": (("binance", "spot"), ("agg_trade", "book_top", "book_diff", "kline"), 265),
    "cryptofeed/BINANCE_FUTURES.ws.head2000.gz": (("binance", "usdm"), ("agg_trade", "book_top", "book_diff", "kline"), 1535),
    "cryptofeed/COINBASE.ws.head2000.gz": (("coinbase", "spot"), ("trade", "book_diff"), 1968),
}


@pytest.mark.parametrize("name", FILES)
def test_what_lands_is_what_was_recorded(name: str, recordings: Path, tmp_path: Path):
    place, kinds, count = FILES[name]
    replay(recordings / name, place, tmp_path / "lake", tmp_path / "from", kinds)
    found: dict[tuple[str, str], list[tuple[int, bytes]]] = defaultdict(list)
    for path in (tmp_path / "lake" / "landing").rglob("*.gz"):
        for text in gzip.decompress(path.read_bytes()).splitlines():
            line = json.loads(text)
            if line["channel"] != "events":
                found[line["stream"], line["kind"]].append((line["seq"], text.split(b',"raw":', 1)[1].removesuffix(b"}")))
    recorded: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for frame in recording(recordings / name, EXCHANGES[place]):
        recorded[frame.series.stream, frame.series.kind].append(frame.text)
    assert found.keys() <= recorded.keys()
    for series, lines in found.items():
        assert [raw for _, raw in sorted(lines)] == recorded[series], series
    assert sum(map(len, found.values())) == count
