"""Lines of the events channel: what a collector says becomes a row, what a venue says of a connection does not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from ingest.envelope import Origin, head
from ingest.envelope import line as landing_line
from ingest.journal import event_text
from jobs.transforms import events
from jobs.transforms.items import items
from tests.support.lines import Collector, micros
from tests.support.tables import rows_of

AT = micros("10:00:00.123456")
OBJECT = "landing/channel=events/venue=binance/market=spot/dt=2026-04-30/x.jsonl.gz"


def event(name: str, **told: Any) -> bytes:  # noqa: ANN401 - the fields of an event
    """As the collector writes it."""
    origin = Origin("binance", "spot", "events", "control", "BTC-USDT", "btcusdt@aggTrade", "ws", "test-1-1")
    return landing_line(head(origin), 7, AT * 1000, event_text(name, AT * 1000, **told), is_json=True)


def word(raw: Any, **said: Any) -> bytes:  # noqa: ANN401 - any JSON value; fields of an envelope
    return Collector().line(raw, received=AT, **{"channel": "events", "kind": "control", "pair": None, **said})


GAP = event(
    "gap",
    feed="agg_trade",
    stream="btcusdt@aggTrade",
    before_id=10,
    after_id=13,
    first_missing_id=11,
    last_missing_id=12,
    before_ts="2026-04-30T09:59:58.000000Z",
    after_ts="2026-04-30T09:59:59.500000Z",
    outcome="ids",
)
WORDS = {
    "an acknowledgement": word({"result": None, "id": 1}),
    "a heartbeat": word(
        {"type": "heartbeat", "sequence": 90, "last_trade_id": 20, "time": "2026-04-30T10:00:00Z"}, venue="coinbase"
    ),
    "an array": word([1, 2]),
    "the instruments": word({"symbols": []}, kind="instruments", source="rest"),
}
BAD = {
    "a frame of nothing known": (word({"x": 1}, kind="unknown"), "unreadable", None),
    "one that is no JSON": (word(b"<html>", kind="unknown", is_json=False), "not_json", None),
    "a trade": (word({}, kind="trade"), "unreadable", None),
    "an id that is none": (word({"event": "gap", "at": "2026-04-30T10:00:00Z", "before_id": "x"}), "event", "before_id is unfit"),
    "no time": (word({"event": "gap"}), "event", "at is missing"),
    "half a line": (b'{"v":1\n', "not_envelope", None),
}


@pytest.fixture(scope="module")
def read(spark: SparkSession) -> dict[bytes, dict[str, Any]]:
    lines = [GAP, *WORDS.values(), *(told[0] for told in BAD.values())]
    frame = spark.createDataFrame([(text.decode().rstrip("\n"), OBJECT) for text in lines], "value STRING, object STRING")
    found = {item["line"]: item for item in rows_of(items(frame, events.steps()))}
    assert len(found) == len(lines)
    return {text: found[text.decode().rstrip("\n")] for text in lines}


def test_an_event_is_a_row(read: dict[bytes, dict[str, Any]]):
    at = datetime(2026, 4, 30, 10, 0, 0, 123456, UTC)
    assert read[GAP]["row"] == {
        "channel": "events",
        "venue": "binance",
        "market": "spot",
        "pair": "BTC-USDT",
        "event": "gap",
        "feed": "agg_trade",
        "stream": "btcusdt@aggTrade",
        "at": at,
        "before_id": 10,
        "after_id": 13,
        "first_missing_id": 11,
        "last_missing_id": 12,
        "before_ts": datetime(2026, 4, 30, 9, 59, 58, tzinfo=UTC),
        "after_ts": datetime(2026, 4, 30, 9, 59, 59, 500000, UTC),
        "rows": None,
        "outcome": "ids",
        "detail": None,
        "source": "ws",
        "recv_ts": at,
        "object": OBJECT,
        "conn": "test-1-1",
        "seq": 7,
        "item": 0,
        "year": 2026,
        "month": 4,
    }
    assert (read[GAP]["reason"], read[GAP]["word"]) == (None, False)


@pytest.mark.parametrize("name", WORDS)
def test_what_a_venue_says_is_a_word(read: dict[bytes, dict[str, Any]], name: str):
    assert (read[WORDS[name]]["reason"], read[WORDS[name]]["word"]) == (None, True)


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_has_a_reason(read: dict[bytes, dict[str, Any]], name: str):
    text, reason, why = BAD[name]
    assert (read[text]["reason"], read[text]["why"], read[text]["word"]) == (reason, why, False)
