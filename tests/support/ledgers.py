"""Tables of a few feeds written as the stream would, and the job that keeps the ledger of their holes."""

import argparse
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingest.exchanges import EXCHANGES
from ingest.settings import settings
from jobs import gaps
from jobs.runtime import lake as lakes
from jobs.tables import COLLECTOR_EVENTS, GAPS, MINUTE_AGGREGATES, QUARANTINE, TRADES
from tests.support.lines import moment
from tests.support.oracle import minutes as minutes_of
from tests.support.tables import rows_of
from tests.support.written import Row, Written

Series = tuple[str, str, str, str]
SERIES = ("venue", "market", "feed", "pair")
BITCOIN: Series = ("binance", "spot", "trade", "BTC-USDT")
ETHER: Series = ("binance", "usdm", "agg_trade", "ETH-USDT")
MEXICO: Series = ("bitso", "spot", "trade", "BTC-MXN")
COINBASE: Series = ("coinbase", "spot", "trade", "BTC-USD")
SOLANA: Series = ("binance", "usdm", "agg_trade", "SOL-USDT")
BEGIN = moment("10:00:00")
NOW_OR_THEN = ("detected_at", "closed_at", "year", "month")  # what a clock has a say in


def time_of(id_: int) -> datetime:
    """A trade every ten seconds: ids tell the time."""
    return BEGIN + timedelta(seconds=10 * id_)


def trade(series: Series, id_: int, source: str = "ws", **said: Any) -> Row:  # noqa: ANN401 - columns
    """A trade of a feed."""
    ts = said.get("ts", time_of(id_))
    told: Row = {**dict.fromkeys(TRADES.names), **dict(zip(SERIES, series, strict=True)), "trade_id": id_, "source": source}
    told |= {"price": Decimal(100), "quantity": Decimal(1), "quote_quantity": Decimal(100), "taker_side": "buy", "ts": ts}
    told |= {"first_id": id_, "last_id": id_} if series[2].startswith("agg") else {}
    return told | {"recv_ts": ts, "object": "o", "conn": "c", "seq": id_, "item": 0, "year": ts.year, "month": ts.month} | said


def trades(series: Series, *ids: int, source: str = "ws", later: timedelta = timedelta(0)) -> list[Row]:
    """Some of them, at their times or later."""
    return [trade(series, id_, source, ts=time_of(id_) + later) for id_ in ids]


def event(series: Series, name: str, before: int | None, after: int | None, **said: Any) -> Row:  # noqa: ANN401 - columns
    """A hole as a collector tells it, with the ids that are missing where they are dense."""
    told: Row = {**dict.fromkeys(COLLECTOR_EVENTS.names), **dict(zip(SERIES, series, strict=True)), "channel": "events"}
    told |= {"event": name, "before_id": before, "after_id": after, "outcome": "ids" if name == "gap" else "repaired"}
    times = {"before_ts": None if before is None else time_of(before), "after_ts": None if after is None else time_of(after)}
    if before is not None and after is not None and after > before + 1 and series != MEXICO:
        told |= {"first_missing_id": before + 1, "last_missing_id": after - 1}
    at = said.get("at") or times["after_ts"] or times["before_ts"]
    told |= times | {"at": at, "recv_ts": at, "object": "o", "conn": "c", "item": 0, "source": "ws", "year": 2026, "month": 4}
    return told | said


@dataclass
class Tape:
    """What the tables hold."""

    spark: SparkSession
    lake: Path
    seen: dict[Series, set[int]] = field(default_factory=dict)  # ids that are none of trades

    def __post_init__(self) -> None:
        self.tables = [
            Written(self.spark, self.lake, table) for table in (TRADES, QUARANTINE, MINUTE_AGGREGATES, COLLECTOR_EVENTS)
        ]
        self.trades, self.quarantine, self.minutes, self.events = self.tables

    def copied(self, lake: Path) -> "Tape":
        """The same, in a copy of its lake."""
        shutil.copytree(self.lake, lake, dirs_exist_ok=True)
        made = Tape(self.spark, lake, {series: set(ids) for series, ids in self.seen.items()})
        for mine, other in zip(self.tables, made.tables, strict=True):
            other.take(mine.rows.values())
        return made

    # --- what comes

    def take(self, *rows: Row) -> None:
        """These trades are committed, and the minutes follow."""
        self.trades.append(rows)
        there: dict[Series, list[Row]] = {}
        for row in self.trades.rows.values():
            there.setdefault(tuple(row[name] for name in SERIES), []).append(row)
        exchanges = dict(EXCHANGES)
        made = [
            minute | {"updated_at": BEGIN}
            for series, traded in there.items()
            for minute in minutes_of(traded, self.seen.get(series, set()), exchanges)
            if minute["revision"]  # those that are closed
        ]
        changed = [row for row in made if row not in self.minutes.rows.values()]
        if changed:
            self.minutes.merge(changed)

    def void(self, series: Series, *ids: int) -> None:
        """These ids are none of trades. The minutes follow with the next trades."""
        self.seen.setdefault(series, set()).update(ids)
        told = {
            **dict.fromkeys(QUARANTINE.names),
            **dict(zip(SERIES, series, strict=True)),
            "channel": "trades",
            "reason": "void",
        }
        self.quarantine.append(told | {"seq": id_, "trade_id": id_, "year": 2026, "month": 4} for id_ in ids)

    def say(self, *rows: Row) -> None:
        """These events are committed."""
        self.events.append([row | {"seq": number} for number, row in enumerate(rows, len(self.events.rows))])

    # --- the ledger

    def run(self, *, full: bool = False, **said: Any) -> Mapping[str, Any]:  # noqa: ANN401 - keys of `jobs.gaps`
        """The job, once."""
        told = settings({"lake": str(self.lake), "ingest": {"collector": "test"}, "jobs": {"gaps": said}})
        return gaps.run(told, lakes.place(told.lake), argparse.Namespace(full=full))

    @property
    def ledger(self) -> list[Row]:
        """All rows of `gaps`."""
        return rows_of(self.spark.read.format("delta").load(f"{self.lake}/tables/gaps"))

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of each row, by series and id."""
        ordered = sorted(self.ledger, key=lambda row: tuple(row[name] for name in GAPS.key))
        return [tuple(row[name] for name in columns) for row in ordered]

    @property
    def version(self) -> int:
        """Of the ledger."""
        return max(int(path.stem) for path in (self.lake / "tables/gaps/_delta_log").glob("*.json"))

    @property
    def published(self) -> dict[str, Any]:
        """`control/open-gaps.json`."""
        found: dict[str, Any] = json.loads((self.lake / "control/open-gaps.json").read_text())
        return found

    def missing(self) -> int:
        """As the minutes say."""
        return sum(row["missing_trades"] or 0 for row in self.minutes.rows.values())
