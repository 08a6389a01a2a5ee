"""A collector's desk: its configuration, its spool, and what it landed in a lake on files."""

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ingest.landing import Files, Store
from tests.support.processes import Process

Line = dict[str, Any]
FeedName = tuple[str, str, str, str]  # venue, market, kind, pair
TradeText = tuple[int, str, str]  # id, price, quantity
FEEDS = """
    - {venue: binance, market: spot, kind: agg_trade, pairs: [BTC-USDT, ETH-USDT]}
    - {venue: binance, market: usdm, kind: agg_trade, pairs: [BTC-USDT]}
    - {venue: coinbase, market: spot, kind: trade, pairs: [BTC-USD]}
    - {venue: bitso, market: spot, kind: trade, pairs: [BTC-MXN]}"""
# what frames and responses say, written out here and not by way of the exchange's readings
TRADES: Mapping[str, Callable[[Any], list[TradeText]]] = {
    "binance": lambda raw: [(raw["data"].get("a"), raw["data"]["p"], raw["data"]["q"])],
    "coinbase": lambda raw: [(raw.get("trade_id"), raw["price"], raw["size"])],
    "bitso": lambda raw: [(item["i"], item["r"], item["a"]) for item in raw["payload"]],
}
PAST: Mapping[str, Callable[[Any], list[TradeText]]] = {
    "binance": lambda raw: [(item["a"], item["p"], item["q"]) for item in raw],
    "coinbase": lambda raw: [(item["trade_id"], item["price"], item["size"]) for item in raw],
    "bitso": lambda raw: [(item["tid"], item["price"], item["amount"]) for item in raw["payload"]],
}
DUMPS: Mapping[str, Callable[[Any], list[TradeText]]] = {"binance": lambda raw: [(int(raw["a"]), raw["p"], raw["q"])]}
SOURCES = {"ws": TRADES, "rest": PAST, "dump": DUMPS}
MARKETS = (("binance", "spot"), ("binance", "usdm"), ("coinbase", "spot"), ("bitso", "spot"))


class Desk:
    """A folder with a configuration, a spool and a lake."""

    def __init__(self, folder: Path, collector: str = "laptop", lake: Path | None = None) -> None:
        self.folder = folder
        self.collector = collector
        self.lake = lake or folder / "lake"
        self.files: Store = Files(self.lake)
        self.spool = folder / "spool" / "collect"

    def conf(
        self,
        port: int,
        lake: str | None = None,
        feeds: str = FEEDS,
        *,
        has_rest: bool = False,
        dumps: str | None = None,
        more: str = "",
    ) -> Path:
        """A configuration whose venues are the simulator's."""
        endpoints: dict[str, dict[str, dict[str, list[str]]]] = {}
        for venue, market in MARKETS:
            found = {"websocket": [f"ws://127.0.0.1:{port}/{venue}/{market}"]}
            rest = {"rest": [f"http://127.0.0.1:{port}/{venue}/{market}"]} if has_rest else {}
            files = {"dumps": [dumps]} if dumps else {}
            endpoints.setdefault(venue, {})[market] = found | rest | files
        text = f"""
lake: {lake or self.lake}
ingest:
  collector: {self.collector}
  spool: {{path: "{self.folder / "spool"}"}}
  limits: {{path: "{self.folder / "limits"}"}}
  rotate: {{seconds: 1, megabytes: 1}}
  feeds: {feeds}
  endpoints: {json.dumps(endpoints)}
  {more}
"""
        path = self.folder / "conf.yaml"
        path.write_text(text)
        return path

    def objects(self, prefix: str = "landing/") -> dict[str, bytes]:
        """Key and text of each object."""
        found = ((key, self.files.get(key)) for key in self.files.keys(prefix))
        return {key: gzip.decompress(there[0]) for key, there in found if there}

    def lines(self, channel: str = "trades") -> list[Line]:
        """The lines of a channel, each place's in the order received."""
        return [json.loads(line) for text in self.objects(f"landing/channel={channel}/").values() for line in text.splitlines()]

    def in_spool(self, part: str) -> list[Path]:
        """Segments that hold something."""
        folder = self.spool / part
        return [path for path in folder.iterdir() if size(path)] if folder.is_dir() else []


def size(path: Path) -> int:
    """In bytes; 0 where it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # it was sealed, or it has landed, since the folder was listed


def ended(process: Process, seconds: float = 20) -> tuple[int, str, str]:
    """Exit code, last line of what was said, errors."""
    output, errors = process.communicate(timeout=seconds)
    return process.returncode, output.splitlines()[-1] if output else "", errors


def by_feed(rows: Iterable[tuple[FeedName, TradeText]]) -> dict[FeedName, list[TradeText]]:
    """What belongs to each feed, in order."""
    found: dict[FeedName, list[TradeText]] = {}
    for feed, trade in rows:
        found.setdefault(feed, []).append(trade)
    return found


def collected(lines: Iterable[Line]) -> dict[FeedName, list[TradeText]]:
    """The trades of landing lines, streamed or asked for, in order."""
    return by_feed(
        ((line["venue"], line["market"], line["kind"], line["pair"]), trade)
        for line in lines
        for trade in SOURCES[line["source"]][line["venue"]](line["raw"])
    )
