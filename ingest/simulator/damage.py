"""What a fault makes of a frame: pure functions from a text to the texts that are sent in its place."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ingest.simulator.faults import Fault
from ingest.simulator.wire import Frame

_PRICES = {"binance": "p", "coinbase": "price", "bitso": "r"}
_SIDES: Mapping[str, tuple[str, Mapping[Any, Any]]] = {
    "binance": ("m", {True: False, False: True}),
    "coinbase": ("side", {"buy": "sell", "sell": "buy"}),
    "bitso": ("t", {0: 1, 1: 0}),
}
_HERE = "\x00here\x00"


@dataclass(frozen=True)
class Sending:
    """What is sent of a frame."""

    frame: Frame
    texts: tuple[bytes, ...]
    intact: bool = True  # is at least one of the texts what the venue wanted to say?
    is_binary: bool = False
    strikes: tuple[Fault, ...] = ()  # what happens to connections before it is sent


def damaged(sending: Sending, fault: Fault) -> Sending:
    """The sending after one more fault."""
    return _FAULTS[fault.fault](sending, fault)


def _none(sending: Sending, _fault: Fault) -> Sending:
    return replace(sending, texts=(), intact=False)


def _twice(sending: Sending, _fault: Fault) -> Sending:
    return replace(sending, texts=sending.texts * 2)


def _broken(change: Callable[[bytes], bytes]) -> Callable[[Sending, Fault], Sending]:
    return lambda sending, _fault: replace(sending, texts=tuple(change(text) for text in sending.texts), intact=False)


def _changed(change: Callable[[dict[str, Any], str, Fault], None], *, intact: bool) -> Callable[[Sending, Fault], Sending]:
    """A fault that changes fields: of the object that tells the trade, or of the first of several."""

    def make(sending: Sending, fault: Fault) -> Sending:
        venue = sending.frame.series.venue
        texts = []
        for text in sending.texts:
            try:
                whole = json.loads(text)
            except ValueError:  # another fault has broken it; there are no fields to change any more
                texts.append(text)
                continue
            change(_item(whole), venue, fault)
            texts.append(json.dumps(whole, separators=(",", ":")).replace(json.dumps(_HERE), fault.value).encode())
        return replace(sending, texts=tuple(texts), intact=sending.intact and intact)

    return make


def _item(whole: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = whole.get("data", whole)
    payload = inner.get("payload")
    first: dict[str, Any] = payload[0] if isinstance(payload, list) and payload else inner
    return first


def _put_number(item: dict[str, Any], venue: str, fault: Fault) -> None:
    item[fault.name or _PRICES[venue]] = _HERE


def _lose_field(item: dict[str, Any], venue: str, fault: Fault) -> None:
    item.pop(fault.name or _PRICES[venue], None)


def _add_field(item: dict[str, Any], _venue: str, _fault: Fault) -> None:
    item["zz"] = {"new": [1, None, "\u00e9"]}


def _pad(item: dict[str, Any], _venue: str, fault: Fault) -> None:
    item["zz"] = "x" * fault.size


def _flip_side(item: dict[str, Any], venue: str, _fault: Fault) -> None:
    name, other = _SIDES[venue]
    if name in item:  # whatever another fault may have made of it
        item[name] = next((new for old, new in other.items() if (type(old), old) == (type(item[name]), item[name])), item[name])


def _as_bytes(sending: Sending, _fault: Fault) -> Sending:
    return replace(sending, is_binary=True, intact=False)


_FAULTS: Mapping[str, Callable[[Sending, Fault], Sending]] = {
    "drop": _none,
    "mute": _none,
    "duplicate": _twice,
    "truncate": _broken(lambda text: text[: len(text) // 2]),
    "not-utf8": _broken(lambda text: text[:-2] + b"\xc3\x28" + text[-2:]),
    "bad-number": _changed(_put_number, intact=False),
    "binary": _as_bytes,
    "huge": _changed(_pad, intact=False),
    "new-field": _changed(_add_field, intact=True),
    "lost-field": _changed(_lose_field, intact=False),
    "flip-side": _changed(_flip_side, intact=False),
}
