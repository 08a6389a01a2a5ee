"""An exchange of our own for tests of the socket side: frames like {"s":"btc","id":7,"at":1731000000000}."""

import json
from collections.abc import Sequence
from typing import Any

from ingest.exchanges.exchange import Exchange, Feed, Limits, Seen


def _recognise(frame: Any) -> Seen:  # noqa: ANN401 - any JSON value
    if not isinstance(frame, dict):
        return Seen("unknown")
    if "error" in frame:
        return Seen("control", error=str(frame["error"]))
    if "bye" in frame:
        return Seen("control", is_end=True)
    if "ack" in frame or "beat" in frame:
        return Seen("control", frame.get("ack"))
    if "s" in frame:
        return Seen("trade", frame["s"], frame.get("id"), frame.get("id"), frame.get("at"))
    return Seen("unknown")


def _symbol(pair: str) -> str:
    if pair.startswith("BAD"):
        raise ValueError(f"pair {pair!r}: test knows no BAD coins")
    return pair.lower().replace("-", "_")


def _subscriptions(streams: Sequence[str]) -> Sequence[str]:
    return [json.dumps({"subscribe": stream}) for stream in streams]


def exchange(**limits: Any) -> Exchange:  # noqa: ANN401 - fields of Limits
    """The exchange `test spot`, generous unless told otherwise."""
    generous: dict[str, Any] = {
        "streams_per_connection": 2,
        "messages_per_second": 1000.0,
        "connections_per_5_minutes": 1000,
        "connection_hours": None,
        "ping_seconds": None,
    }
    return Exchange(
        venue="test",
        market="spot",
        hosts=("wss://one", "wss://two"),
        feeds={"trade": Feed("trade", "trades", _symbol, dense=True)},
        limits=Limits(**{**generous, **limits}),
        time_unit="ms",
        symbol=_symbol,
        pair=lambda symbol: symbol.upper().replace("_", "-"),
        address=lambda host, streams: f"{host}/{len(streams)}",
        subscriptions=_subscriptions,
        recognise=_recognise,
        recorded={"old": Feed("old", "trades", _symbol, dense=True)},
    )


def find(venue: str, market: str) -> Exchange:
    """The registry of tests."""
    if (venue, market) != ("test", "spot"):
        raise LookupError(f"exchange {venue} {market}: not known; one of test spot")
    return exchange()
