"""Order books as plain Python understands them: the oracle of `order_books`, written from the venues' documentation."""

import json
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from tests.support.lines import EPOCH

PRICES, PERCENT = Decimal("1e-10"), Decimal("1e-6")


def row_of(line: bytes, object_: str) -> dict[str, Any]:
    """The row that a landing line of a book means."""
    told = json.loads(line)
    raw, recv = told["raw"], EPOCH + timedelta(microseconds=told["recv_ns"] // 1000)
    found: dict[str, Any] = _VENUES[told["venue"], told["source"]](raw, told["stream"] or "")
    bids, asks = (_summed(found[side], best_last=side == "bids") for side in ("bids", "asks"))
    bid, ask = (side[0]["price"] if side else None for side in (bids, asks))
    row = {
        **{name: told[name] for name in ("venue", "market", "pair", "source", "conn", "seq")},
        **{name: found.get(name) for name in ("sequence", "ts", "level", "levels")},
        "aggregated": found["level"] < 3,
        "recv_ts": recv,
        "object": object_,
        "year": recv.year,
        "month": recv.month,
        "bids": bids,
        "asks": asks,
        "best_bid": bid,
        "best_ask": ask,
        "state": "empty"
        if bid is ask is None
        else "one_sided"
        if bid is None or ask is None
        else "crossed"
        if bid >= ask
        else "ok",
    }
    return row | _figures(bids, asks, bid, ask)


def _figures(bids: list[Any], asks: list[Any], bid: Decimal | None, ask: Decimal | None) -> dict[str, Any]:
    names = [f"{side}_depth_{points}bp" for side in ("bid", "ask") for points in (10, 50, 100)]
    if bid is None or ask is None:
        return dict.fromkeys(("mid", "spread", "spread_pct", *names))
    with localcontext(prec=60):
        mid = ((bid + ask) / 2).quantize(PRICES, ROUND_HALF_UP)
        found = {
            "mid": mid,
            "spread": ask - bid,
            "spread_pct": ((ask - bid) * 100 / ask).quantize(PERCENT, ROUND_HALF_UP),
        }
        for side, levels in (("bid", bids), ("ask", asks)):
            for points in (10, 50, 100):
                away = mid * points / 10_000
                near = [one for one in levels if (mid - one["price"] if side == "bid" else one["price"] - mid) <= away]
                found[f"{side}_depth_{points}bp"] = sum((one["price"] * one["quantity"] for one in near), Decimal(0))
    return found


def _summed(levels: list[tuple[str, str]], *, best_last: bool) -> list[dict[str, Decimal]]:
    found: dict[Decimal, Decimal] = {}
    for price, quantity in levels:
        found[Decimal(price)] = found.get(Decimal(price), Decimal(0)) + Decimal(quantity)
    return [{"price": price, "quantity": found[price]} for price in sorted(found, reverse=best_last)]


def _number(text: str, name: str) -> int | None:
    for part in text.partition("?")[2].split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return int(value)
    return None


def _pairs(raw: Any, bids: str, asks: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {side: [(level[0], level[1]) for level in raw[name]] for side, name in (("bids", bids), ("asks", asks))}


def _spot_frame(raw: Any, stream: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    levels = int(stream.split("@")[1].removeprefix("depth"))
    return {**_pairs(raw["data"], "bids", "asks"), "sequence": raw["data"]["lastUpdateId"], "level": 2, "levels": levels}


def _binance(raw: Any, stream: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    at = EPOCH + timedelta(milliseconds=raw["T"]) if "T" in raw else None
    found = {"sequence": raw["lastUpdateId"], "level": 2, "levels": _number(stream, "limit"), "ts": at}
    return {**_pairs(raw, "bids", "asks"), **found}


def _coinbase_frame(raw: Any, _stream: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {**_pairs(raw, "bids", "asks"), "level": 2}


def _coinbase(raw: Any, stream: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    at = datetime.fromisoformat(raw["time"]).astimezone(UTC)
    return {**_pairs(raw, "bids", "asks"), "sequence": raw["sequence"], "level": _number(stream, "level"), "ts": at}


def _bitso_frame(raw: Any, _stream: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    sides = {side: [(order["r"], order["a"]) for order in raw["payload"][side]] for side in ("bids", "asks")}
    return {**sides, "level": 3, "levels": 20, "ts": EPOCH + timedelta(milliseconds=raw["sent"])}


def _bitso(raw: Any, stream: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    told = raw["payload"]
    sides = {side: [(order["price"], order["amount"]) for order in told[side]] for side in ("bids", "asks")}
    level = 3 if "aggregate=false" in stream else 2
    return {
        **sides,
        "sequence": int(told["sequence"]),
        "level": level,
        "ts": datetime.fromisoformat(told["updated_at"]).astimezone(UTC),
    }


_VENUES = {
    ("binance", "ws"): _spot_frame,
    ("binance", "rest"): _binance,
    ("coinbase", "ws"): _coinbase_frame,
    ("coinbase", "rest"): _coinbase,
    ("bitso", "ws"): _bitso_frame,
    ("bitso", "rest"): _bitso,
}
