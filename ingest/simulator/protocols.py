"""What a venue answers to a client: pure functions from a received text and the client's streams to texts and new streams."""

import json
import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

# what one connection may say in a second, and how many streams it may carry, as the venue documents it and nothing of ours
SPEECH: Mapping[tuple[str, str], tuple[float, float]] = {
    ("binance", "spot"): (5, 1024),
    ("binance", "usdm"): (10, 1024),  # documented before the routes were split; nobody knows of now
    ("coinbase", "spot"): (100, math.inf),
    ("bitso", "spot"): (math.inf, math.inf),
}


@dataclass(frozen=True)
class Answer:
    """What the client hears, and what it is subscribed to from now on."""

    texts: tuple[str, ...]
    streams: frozenset[str]


@dataclass(frozen=True)
class Question:
    """What the client said, and what it was subscribed to until now."""

    text: str | bytes
    streams: frozenset[str]
    offered: Container[str]
    now_ms: int


@dataclass(frozen=True)
class Route:
    """A path that a venue serves, and what comes down it."""

    venue: str
    market: str
    mutes: Callable[[str], bool] = lambda stream: False  # noqa: ARG005 - acknowledged and never sent here: on most paths nothing
    asked: frozenset[str] = frozenset()  # streams named in the address


def _is_public(stream: str) -> bool:
    """USD-M splits its streams: what the book is comes down one path, what was traded down the other."""
    return stream.partition("@")[2].startswith(("depth", "bookTicker", "rpiDepth"))


def _is_not_public(stream: str) -> bool:
    return not _is_public(stream)


_PATHS = {
    "/binance/spot/stream": Route("binance", "spot"),
    "/binance/usdm/market/stream": Route("binance", "usdm", mutes=_is_public),
    "/binance/usdm/public/stream": Route("binance", "usdm", mutes=_is_not_public),
    "/binance/usdm/stream": Route("binance", "usdm", mutes=_is_not_public),  # the former path
    "/coinbase/spot": Route("coinbase", "spot"),
    "/bitso/spot": Route("bitso", "spot"),
}


def route(path: str) -> Route | None:
    """Where a path leads; None: nowhere."""
    parts = urlsplit(path)
    found = _PATHS.get(parts.path.rstrip("/"))
    if found is None:
        return None
    names = parse_qs(parts.query).get("streams", [""])[0] if found.venue == "binance" else ""
    return Route(found.venue, found.market, found.mutes, frozenset(filter(None, names.split("/"))))


def _binance(question: Question) -> Answer:
    message = _json(question.text)
    if not isinstance(message, dict):
        return Answer((_text({"code": 3, "msg": "Invalid JSON: expected an object"}),), question.streams)
    method, params, number = message.get("method"), message.get("params", []), message.get("id")
    if method == "LIST_SUBSCRIPTIONS":
        return Answer((_text({"result": sorted(question.streams), "id": number}),), question.streams)
    if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
        refusal = f"Invalid request: unknown variant `{method}`, expected SUBSCRIBE, UNSUBSCRIBE or LIST_SUBSCRIPTIONS"
        return Answer((_text({"code": 2, "msg": refusal}),), question.streams)
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        return Answer((_text({"code": 2, "msg": "Invalid request: params must be a list of names"}),), question.streams)
    streams = question.streams | set(params) if method == "SUBSCRIBE" else question.streams - set(params)
    return Answer((_text({"result": None, "id": number}),), streams)  # a name that nobody knows is acknowledged too


_LISTED = {"level2_batch": "level2_50"}  # the venue acknowledges it by another name
_OPEN = ("matches", "heartbeat", "ticker", "ticker_batch", "level2_batch", "status", "auctionfeed")


def _coinbase(question: Question) -> Answer:
    message = _json(question.text)
    if not isinstance(message, dict) or message.get("type") not in ("subscribe", "unsubscribe"):
        return _coinbase_refusal(question, "Malformed JSON" if message is None else "Type has to be subscribe or unsubscribe")
    products, channels = message.get("product_ids", []), message.get("channels", [])
    if not isinstance(channels, list):
        return _coinbase_refusal(question, "channels has to be a list")
    asked: set[str] = set()
    for channel in channels:
        name, own = (
            (channel.get("name"), channel.get("product_ids", products)) if isinstance(channel, dict) else (channel, products)
        )
        if name not in _OPEN:
            return _coinbase_refusal(question, f"{name} is no channel, or asks for authentication")
        asked |= {f"{name}:{product}" for product in own if isinstance(product, str)} if isinstance(own, list) else set()
    for stream in asked:
        product = stream.partition(":")[2]
        if f"matches:{product}" not in question.offered:
            return _coinbase_refusal(question, f"{product} is not a valid product")
    streams = question.streams | asked if message["type"] == "subscribe" else question.streams - asked
    listed: dict[str, list[str]] = {}
    for stream in sorted(streams):
        name, _, product = stream.partition(":")
        listed.setdefault(_LISTED.get(name, name), []).append(product)
    return Answer(
        (_text({"type": "subscriptions", "channels": [{"name": n, "product_ids": p} for n, p in listed.items()]}),), streams
    )


def _coinbase_refusal(question: Question, reason: str) -> Answer:
    return Answer((_text({"type": "error", "message": "Failed to subscribe", "reason": reason}),), question.streams)


def _bitso(question: Question) -> Answer:
    message = _json(question.text)
    message = message if isinstance(message, dict) else {}
    kind, stream = message.get("type"), f"{message.get('type')}:{message.get('book')}"
    known = message.get("action") == "subscribe" and kind in ("trades", "orders", "diff-orders")
    taken = known and f"trades:{message.get('book')}" in question.offered
    answer = {"action": "subscribe", "response": "ok" if taken else "error", "time": question.now_ms, "type": kind}
    return Answer((_text(answer),), question.streams | {stream} if taken else question.streams)


def refused(venue: str, question: Question, reason: str) -> Answer:
    """A subscription that the venue refuses, in its words."""
    if venue == "coinbase":
        return _coinbase_refusal(question, reason)
    message = _json(question.text)
    message = message if isinstance(message, dict) else {}
    if venue == "bitso":
        text = _text({"action": "subscribe", "response": "error", "time": question.now_ms, "type": message.get("type")})
    else:
        text = _text({"error": {"code": 2, "msg": f"Invalid request: {reason}"}, "id": message.get("id")})
    return Answer((text,), question.streams)


ANSWERS: Mapping[str, Callable[[Question], Answer]] = {"binance": _binance, "coinbase": _coinbase, "bitso": _bitso}


def _json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except ValueError:
        return None


def _text(answer: Mapping[str, Any]) -> str:
    return json.dumps(answer, separators=(",", ":"))
