"""Order books of a test, as rows of their table, and what walking them comes to: computed plainly, level by level. No Spark."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from jobs.tables.order_books import ORDER_BOOKS
from tests.support.bars import percent
from tests.support.lines import moment
from tests.support.oracle import quotient

Row = dict[str, Any]
LEAST = Decimal("1e-8")
FIGURES = ("average_price", "worst_price", "filled", "levels", "cost", "slippage_pct")


def book(at: str, bids: Sequence[str], asks: Sequence[str], *, day: str = "2026-04-30", **said: Any) -> Row:  # noqa: ANN401 - columns
    """A book received at that time; a level is written `price quantity`, or `price` for a quantity of 1. All levels were asked for."""
    sides = {"bids": _levels(bids), "asks": _levels(asks)}
    bid, ask = (levels[0]["price"] if levels else None for levels in sides.values())
    received = moment(at, day)
    told: Row = dict.fromkeys(ORDER_BOOKS.names) | sides | {"venue": "binance", "market": "spot", "pair": "BTC-USDT"}
    told |= {"recv_ts": received, "ts": received, "level": 2, "aggregated": True, "state": _state(bid, ask)}
    told |= {"best_bid": bid, "best_ask": ask}
    if bid is not None and ask is not None:
        told["mid"] = ((bid + ask) / 2).quantize(Decimal("1e-10"), ROUND_HALF_UP)
    return told | {"source": "rest", "conn": "a-1-1", "seq": 1, "year": received.year, "month": received.month} | said


def _levels(texts: Iterable[str]) -> list[dict[str, Decimal]]:
    parts = (text.partition(" ") for text in texts)
    return [{"price": Decimal(price), "quantity": Decimal(quantity or 1)} for price, _, quantity in parts]


def _state(bid: Decimal | None, ask: Decimal | None) -> str:
    if bid is None or ask is None:
        return "empty" if bid is ask else "one_sided"
    return "crossed" if bid >= ask else "ok"


def fills(books: Iterable[Row], notionals: Iterable[str]) -> list[Row]:
    """All of `fills`."""
    amounts = [Decimal(text) for text in notionals]
    return [_fill(told, side, notional) for told in books for side in ("buy", "sell") for notional in amounts]


def _fill(told: Row, side: str, notional: Decimal) -> Row:
    names = ("venue", "market", "pair", "recv_ts", "ts", "level", "mid", "state", "year", "month")
    row = {name: told[name] for name in names} | {"side": side, "notional": notional}
    if told["state"] == "crossed":
        return row | dict.fromkeys(FIGURES) | {"is_full": False, "is_cut": False}
    levels = told["asks" if side == "buy" else "bids"]
    with localcontext(prec=80):
        row |= _walked(levels, notional)
        average, mid = quotient(row["cost"], row["filled"]), told["mid"]
        worse = None if average is None or mid is None else average - mid if side == "buy" else mid - average
        row |= {"average_price": average, "slippage_pct": None if worse is None else percent(worse, mid)}
    return row | {"is_cut": not row["is_full"] and _ends_as_asked(told["level"], told["levels"], len(levels))}


def _ends_as_asked(level: int, asked: int | None, there: int) -> bool:
    if level == 1 and asked is None:
        return there == 1
    if level == 3 and asked is not None:  # each order, of which those of one price are one level
        return there > 0
    return asked is not None and there >= asked


def _walked(levels: Iterable[Mapping[str, Decimal]], notional: Decimal) -> Row:
    """Each level gives what it has, or the whole 0.00000001 that the rest of the notional pays for."""
    filled, cost, taken, is_full = Decimal(0), Decimal(0), list[Decimal](), False
    for level in levels:
        price, there = level["price"], level["quantity"]
        pays_for = ((notional - cost) / price).quantize(LEAST, ROUND_DOWN)
        quantity = min(there, pays_for)
        filled, cost = filled + quantity, cost + price * quantity
        taken += [price] if quantity else []
        if pays_for < there:
            is_full = True
            break
    is_full = bool(taken) and (is_full or cost == notional)
    return {"filled": filled, "cost": cost, "levels": len(taken), "worst_price": taken[-1] if taken else None, "is_full": is_full}
