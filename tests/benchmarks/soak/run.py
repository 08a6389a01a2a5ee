"""A real collector before venues that go wrong all the time: is anything lost, does its memory grow, is its spool empty at the end?"""

import gzip
import json
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zlib import crc32

import yaml

from ingest.simulator.market import market
from ingest.simulator.wire import Frame
from tests.benchmarks import cpu
from tests.benchmarks.receive.contest import running, said
from tests.benchmarks.runs import tell
from tests.benchmarks.soak.trouble import script
from tests.support.desk import PAST, TRADES, Desk, FeedName
from tests.support.processes import simulator

SEED = 7
SPOT = ("BTC-USDT", "ETH-USDT", "ETH-BTC", "PEPE-USDT")
PAIRS = {
    ("binance", "spot", "agg_trade"): SPOT,
    ("binance", "spot", "trade"): SPOT,
    ("binance", "usdm", "agg_trade"): ("BTC-USDT", "ETH-USDT"),
    ("coinbase", "spot", "trade"): ("BTC-USD", "ETH-USD"),
    # the quiet pair alone: the market runs twenty times as fast as Bitso's limit of a request a second was made for
    ("bitso", "spot", "trade"): ("ETH-MXN",),
}
FEEDS = {(*kind, pair) for kind, pairs in PAIRS.items() for pair in pairs}
PER_SECOND = 85.3  # frames of these feeds in a second of the market
MINUTE = 60_000_000
SETTLE = 180.0  # seconds for the repair of the last holes
PATIENCE = 60.0  # seconds for a stop
Marks = dict[FeedName, set[int]]


def soak(folder: Path, minutes: float, rate: float, every: float, seed: int, start: datetime | None = None) -> dict[str, Any]:
    """Run it, and tell."""
    speed, seconds = round(rate / PER_SECOND, 2), minutes * 60
    span = int(seconds * speed) + 1
    # long enough ago that the market's end is not ahead of the clock, and not so long that no REST would tell of it any more
    start = start or datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(seconds=span, hours=1)
    faults = script(seed, seconds, every, speed)
    (folder / "faults.yaml").write_text(yaml.safe_dump(faults), encoding="utf-8")
    options = ["--speed", speed, "--seed", SEED, "--start", start.isoformat(), "--span", f"{span}s", "--stay"]
    options += ["--faults", folder / "faults.yaml", "--wait-for", len(FEEDS)]
    begin = int(start.timestamp()) * 1_000_000
    owed, before = Marks(), Marks()
    for frame in _market(begin, span):
        marks([(_name(frame), _texts(frame))], owed if frame.at >= begin else before)
    count = sum(map(len, owed.values()))
    tell(f"{count} trades in {span} s of the market, {len(faults)} faults")
    desk = Desk(folder)
    with simulator(*options) as (_, port):
        command = [sys.executable, "-m", "ingest", "collect", "--conf", _conf(desk, port)]
        with running(command, folder) as collector:
            looks, landed = _watched(collector.pid, desk, owed, seconds)
            collector.send_signal(signal.SIGTERM)
            code = collector.wait(PATIENCE)
    landed.read()
    return {
        "bench": "soak",
        "minutes": minutes,
        "rate": rate,
        "start": start.isoformat(),
        "faults": len(faults),
        "market": count,
        "trades": sum(map(len, landed.found.values())),
        "missing": missing(owed, landed.found),
        "foreign": foreign((owed, before), landed.found),
        **landed.events(),
        **memory(looks),
        "spool_end": len(desk.in_spool("open")) + len(desk.in_spool("sealed")),
        "exit_code": code,
        "summary": said(folder).splitlines()[-1],
    }


def missing(owed: Marks, found: Marks) -> int:
    """Trades since the market began, with everybody there, that did not land."""
    return sum(len(trades - found.get(feed, set())) for feed, trades in owed.items())


def foreign(there: Sequence[Marks], found: Marks) -> int:
    """Trades that landed and that the market never had."""
    return sum(len(trades.difference(*(part.get(feed, ()) for part in there))) for feed, trades in found.items())


def memory(looks: list[int]) -> Mapping[str, Any]:
    """The most; the median of each fifth; by how much the last one is above the second: the first is the start."""
    size = max(1, len(looks) // 5)
    fifths = [median(looks[part * size : (part + 1) * size] or looks) for part in range(4)] + [median(looks[-size:])]
    growth = fifths[4] - fifths[1]
    return {"rss_mb": _mb(max(looks)), "rss_fifths_mb": [_mb(one) for one in fifths], "rss_growth_mb": _mb(growth)}


def _mb(size: float) -> float:
    return round(size / 1e6, 1)


def is_good(told: Mapping[str, Any]) -> bool:
    """Nothing lost, nothing invented, memory small and flat, spool empty."""
    lost = told["missing"] or told["foreign"] or told["spool_end"] or told["exit_code"]
    return not lost and told["rss_mb"] < 200 and told["rss_growth_mb"] < 20


class Landed:
    """The trades in a lake, read as they come."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._keys: set[str] = set()
        self.found: Marks = {}

    def read(self) -> None:
        """Objects that were not there before."""
        for key in self._desk.files.keys("landing/channel=trades/"):
            there = None if key in self._keys else self._desk.files.get(key)
            if there:
                self._keys.add(key)
                marks(self._trades(gzip.decompress(there[0])), self.found)

    def events(self) -> Mapping[str, int]:
        """What the collector told of: gaps, repairs that ended well, disconnects."""
        told = [line["raw"] for line in self._desk.lines("events") if isinstance(line.get("raw"), dict)]
        named = [(raw.get("event"), raw.get("outcome")) for raw in told]
        return {
            "gaps": sum(event == "gap" for event, _ in named),
            "repaired": named.count(("repair", "repaired")),
            "disconnects": sum(event == "disconnect" for event, _ in named),
        }

    def _trades(self, text: bytes) -> Iterable[tuple[FeedName, list[tuple[int, str, str]]]]:
        for line in map(json.loads, text.splitlines()):
            if "raw" in line:  # else a frame that was damaged on purpose
                texts = _trades(line)
                feed = line["venue"], line["market"], line["kind"], line["pair"]
                yield feed, [trade for trade in texts if None not in trade]


def _trades(line: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    """What a line says, written out here and not by way of the exchange's readings. Single trades have other names than aggregates."""
    raw, is_frame = line["raw"], line["source"] == "ws"
    if (line["venue"], line["kind"]) == ("binance", "trade"):
        return (
            [(raw["data"].get("t"), raw["data"]["p"], raw["data"]["q"])]
            if is_frame
            else [(item["id"], item["price"], item["qty"]) for item in raw]
        )
    return list((TRADES if is_frame else PAST)[line["venue"]](raw))


def _watched(process: int, desk: Desk, owed: Marks, seconds: float) -> tuple[list[int], Landed]:
    """Look at the memory each second, and read what lands, until nothing is missing or it is too late."""
    looks, landed, began = list[int](), Landed(desk), time.monotonic()
    while (passed := time.monotonic() - began) < seconds + SETTLE:
        with suppress(FileNotFoundError):
            looks.append(cpu.resident(process))
        if len(looks) % 10 == 0:
            landed.read()
            if passed > seconds and not missing(owed, landed.found):
                break
        time.sleep(1)
    return looks, landed


def _conf(desk: Desk, port: int) -> Path:
    feeds = [
        f"    - {{venue: {venue}, market: {market}, kind: {kind}, pairs: [{', '.join(pairs)}]}}"
        for (venue, market, kind), pairs in PAIRS.items()
    ]
    more = "silence: {at_least: 2s}\n  repair: {audit_every: 20s, weight_share: 0.8}"
    path = desk.conf(port, feeds="\n" + "\n".join(feeds), has_rest=True, more=more)
    path.write_text(path.read_text(encoding="utf-8").replace("seconds: 1,", "seconds: 10,"), encoding="utf-8")
    return path


def _market(begin: int, seconds: int) -> Iterable[Frame]:
    """From a moment (microseconds) on, with the minute before: Coinbase begins with the last match that there was."""
    end = begin + seconds * 1_000_000
    return market(SEED, begin - MINUTE, end, wanted=lambda series: (*series[:3], series.pair) in FEEDS)


def _name(frame: Frame) -> FeedName:
    series = frame.series
    return series.venue, series.market, series.kind, series.pair


def _texts(frame: Frame) -> list[tuple[int, str, str]]:
    return [(trade.trade_id, trade.price, trade.quantity) for trade in frame.trades]


def marks(trades: Iterable[tuple[FeedName, list[tuple[int, str, str]]]], found: Marks | None = None) -> Marks:
    """Each trade as one number, ordered as its id and told by price and quantity as well: millions have to fit into memory."""
    found = {} if found is None else found
    for feed, texts in trades:
        found.setdefault(feed, set()).update(
            number << 32 | crc32(f"{price} {quantity}".encode()) for number, price, quantity in texts
        )
    return found
