"""Files of trades of the past, and what they mean by a plain computation: a line at a time, in Decimal."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from jobs.transforms.ranges import Mark, Range, Ranges

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# written out here, and not by way of the exchange's value: places of id, price, quantity, first, last, time, is the buyer the maker
PLACES = {
    ("agg_trade", 8): (0, 1, 2, 3, 4, 5, 6),
    ("agg_trade", 7): (0, 1, 2, 3, 4, 5, 6),
    ("trade", 7): (0, 1, 2, None, None, 4, 5),
    ("trade", 6): (0, 1, 2, None, None, 4, 5),
}


@dataclass(frozen=True)
class Meant:
    """What a file says."""

    rows: Sequence[dict[str, Any]]
    rejects: Sequence[tuple[int, str, str, int | None]]  # line, reason, text, the id where it is one that has no trade


def at(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def meant(text: str, kind: str, columns: int, since: datetime, until: datetime, *, named: bool = False) -> Meant:
    """Each line, by itself. `named`: the first one holds names."""
    rows, rejects = [], []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        raw = line.rstrip("\r")
        if not raw or (named and number == 1):
            continue
        found = _row(raw.replace('"', "").split(","), kind, columns, since, until)
        if isinstance(found, str):
            id_ = int(raw.replace('"', "").split(",")[0]) if found in ("void", "overflow") else None
            rejects.append((number, found, line, id_))
        else:
            rows.append({**found, "seq": number})
    return Meant(rows, rejects)


def _row(values: Sequence[str], kind: str, columns: int, since: datetime, until: datetime) -> dict[str, Any] | str:
    if len(values) != columns:
        return "columns"
    number, price, quantity, first, last, time, maker = (
        None if place is None else values[place].strip() for place in PLACES[kind, columns]
    )
    prices, quantities = _decimal(price, 10, 10), _decimal(quantity, 14, 8)
    checks = (
        ("trade_id", _is_whole(number)),
        ("price", prices is not None),
        ("quantity", quantities is not None),
        ("void", bool(prices and quantities and prices > 0 and quantities > 0)),
        ("ts", _is_whole(time)),
        ("taker_side", str(maker).lower() in ("true", "false")),
        ("aggregate", all(one is None or _is_whole(one) for one in (first, last))),
    )
    for reason, is_right in checks:
        if not is_right:
            return reason
    assert number is not None
    assert time is not None
    assert prices is not None
    assert quantities is not None
    exact = at(int(time)) if len(time) >= 15 else at(int(time) * 1000)
    if not since <= exact < until:
        return "ts"
    with localcontext(prec=60):
        amount = prices * quantities
    if amount >= Decimal(10) ** 20:
        return "overflow"
    return {
        "trade_id": int(number),
        "first_id": None if first is None else int(first),
        "last_id": None if last is None else int(last),
        "price": prices,
        "quantity": quantities,
        "quote_quantity": amount,
        "taker_side": "sell" if str(maker).lower() == "true" else "buy",
        "ts": exact.replace(microsecond=exact.microsecond // 1000 * 1000),
    }


def runs(trades: Iterable[tuple[int, int]], void: Iterable[int] = ()) -> Ranges:
    """The runs of ids without a break, of (id, time) and of ids that are seen and no trades: one after the other."""
    at: dict[int, int | None] = {**dict.fromkeys(void), **dict(trades)}
    found: list[list[int]] = []
    for id_ in sorted(at):
        if found and found[-1][-1] + 1 == id_:
            found[-1].append(id_)
        else:
            found.append([id_])
    made = []
    for ids in found:
        marks = [Mark(id_, time) for id_ in ids if (time := at[id_]) is not None]
        made.append(Range(ids[0], ids[-1], *((marks[0], marks[-1]) if marks else (None, None))))
    return Ranges(made)


def _is_whole(text: str | None) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,18}", text or ""))


def _decimal(text: str | None, whole: int, places: int) -> Decimal | None:
    if not text or not text.isascii() or "_" in text:
        return None
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    if not found.is_finite() or abs(found) >= Decimal(10) ** whole:
        return None
    with localcontext(prec=60):
        return found if found == found.quantize(Decimal(1).scaleb(-places)) else None


def agg_csv(rows: Iterable[tuple[int, str, str, int, bool]], end: str = ",True\n") -> str:
    """Aggregates: id, price, quantity, time, is the buyer the maker. Each is of two trades."""
    return "".join(f"{n},{p},{q},{2 * n},{2 * n + 1},{t},{m}{end}" for n, p, q, t, m in rows)
