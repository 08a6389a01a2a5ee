"""Minutes of a test, as rows of their table, and what bars they make: computed plainly, with Decimal, lists and days. No Spark."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import groupby, pairwise
from typing import Any

from jobs.tables.minute_aggregates import MINUTE_AGGREGATES
from tests.support.items import AMOUNT
from tests.support.lines import moment
from tests.support.oracle import VOLUME, quotient

Row = dict[str, Any]
SERIES = ("venue", "market", "feed", "pair")
WEEK, MINUTE, DAY = timedelta(days=7), timedelta(minutes=1), timedelta(days=1)
LIMITS = {"volume": VOLUME, "quote_volume": AMOUNT}
NOW = moment("12:00:00", "2026-06-01")


def minute(at: str, first: int, last: int, *prices: str, day: str = "2026-04-30", **said: Any) -> Row:  # noqa: ANN401 - columns
    """A minute of `first` to `last`, whose trades were at these prices (open, close, and others between), one unit each.

    Complete, dense, of Binance's trades unless told otherwise.
    """
    known = [Decimal(price) for price in prices or ("100",)]
    told: Row = dict.fromkeys(MINUTE_AGGREGATES.names) | {
        "venue": "binance",
        "market": "spot",
        "feed": "trade",
        "pair": "BTC-USDT",
    }
    start = moment(f"{at}:00", day)
    told |= {"minute": start, "open": known[0], "close": known[-1], "high": max(known), "low": min(known)}
    count = last - first + 1
    told |= {"first_id": first, "last_id": last, "first_trade_id": first, "last_trade_id": last, "ticks": count}
    told |= {"trades": count, "buy_trades": count - 1, "sell_trades": 1}
    told |= {"first_ts": start + timedelta(seconds=1), "last_ts": start + timedelta(seconds=59), "missing_trades": 0}
    told |= {"is_complete": True, "revision": 1, "updated_at": NOW, "year": start.year, "month": start.month}
    with localcontext(prec=60):
        told |= {"buy_volume": Decimal(count - 1), "sell_volume": Decimal(1)}
        told |= {"buy_quote_volume": known[0] * (count - 1), "sell_quote_volume": known[-1]}
        told |= said
        return told | {name: told.get(name) if name in said else whole(told, name) for name in LIMITS} | averages(told)


def whole(told: Row, name: str) -> Decimal | None:
    """What takers bought and sold."""
    parts = [told[f"{side}_{name}"] for side in ("buy", "sell")]
    return None if None in parts else fits(sum(parts, Decimal(0)), LIMITS[name])


def averages(told: Row) -> Row:
    return {f"avg_{side}_price": quotient(told[f"{side}_quote_volume"], told[f"{side}_volume"]) for side in ("buy", "sell")}


def fits(value: Decimal, limit: Decimal) -> Decimal | None:
    return value if abs(value) < limit else None


def length(width: str) -> timedelta:
    return int(width[:-1]) * {"m": MINUTE, "h": 60 * MINUTE, "d": DAY}[width[-1]]


def start_of(time: datetime, width: str) -> datetime:
    """Parts of a day from midnight; days from a Monday."""
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    if length(width) < DAY:
        return midnight + (time - midnight) // length(width) * length(width)
    monday = moment("00:00:00", "1970-01-05")
    return monday + (midnight - monday) // length(width) * length(width)


def bars(minutes: Iterable[Row], widths: Sequence[str]) -> list[Row]:
    """All of `bars` but `revision` and `updated_at`."""
    found: list[Row] = []
    ordered = sorted(minutes, key=lambda row: [*(row[name] for name in SERIES), row["minute"]])
    for series, rows in groupby(ordered, key=lambda row: tuple(row[name] for name in SERIES)):
        flagged = list(_joined(list(rows)))
        for width in widths:
            for start, here in groupby(flagged, key=lambda one: start_of(one[0]["minute"], width)):
                found.append(dict(zip(SERIES, series, strict=True)) | {"width": width} | _bar(start, list(here)))
    return found


def _joined(rows: Sequence[Row]) -> Iterable[tuple[Row, bool]]:
    """Each row, and whether it is complete and its ids meet those of both neighbours."""
    meets = [False, *(b["first_id"] == a["last_id"] + 1 and b["minute"] - a["minute"] <= WEEK for a, b in pairwise(rows)), False]
    return [
        (row, bool(row["is_complete"]) and before and after) for row, (before, after) in zip(rows, pairwise(meets), strict=True)
    ]


def _bar(start: datetime, flagged: Sequence[tuple[Row, bool]]) -> Row:
    rows = [row for row, _ in flagged]
    by_id = sorted(rows, key=lambda row: row["first_id"])
    first, last = by_id[0]["open"], max(rows, key=lambda row: row["last_id"])["close"]
    told: Row = {"start": start, "year": start.year, "month": start.month, "open": first, "close": last, "minutes": len(rows)}
    told |= {name: max(row[name] for row in rows) for name in ("high", "last_id", "last_ts")}
    told |= {name: min(row[name] for row in rows) for name in ("low", "first_id", "first_ts")}
    told |= {name: sum(row[name] for row in rows) for name in ("trades", "buy_trades", "sell_trades", "ticks")}
    told |= {"price_diff": last - first, "price_change": percent(last - first, first)}
    for name, limit in LIMITS.items():
        for column in (name, f"buy_{name}", f"sell_{name}"):
            told[column] = _sum(rows, column, limit)
    told |= {"vwap": quotient(told["quote_volume"], told["volume"])} | averages(told)
    told |= {"missing_trades": _all(rows, "missing_trades", sum), "first_trade_id": _all(rows, "first_trade_id", min)}
    is_whole = all(good for _, good in flagged)
    return told | {
        "last_trade_id": _all(rows, "last_trade_id", max),
        "is_complete": _all(rows, "is_complete", lambda _: is_whole),
    }


def _sum(rows: Iterable[Row], name: str, limit: Decimal) -> Any:  # noqa: ANN401 - a Decimal, or None
    with localcontext(prec=60):
        found: Decimal | None = _all(rows, name, lambda values: fits(sum(values, Decimal(0)), limit))
        return found


def _all(rows: Iterable[Row], name: str, of: Any) -> Any:  # noqa: ANN401 - any function of values
    """None where a minute has none."""
    found = [row[name] for row in rows]
    return None if None in found else of(found)


def percent(part: Decimal, of: Decimal) -> Decimal | None:
    """Half up to 23 decimals (38 digits), then to six (12 digits)."""
    if not of:
        return None
    with localcontext(prec=120):
        exact = (part * 100 / of).quantize(Decimal("1e-23"), ROUND_HALF_UP)
        found = exact.quantize(Decimal("1e-6"), ROUND_HALF_UP)
    return found if abs(exact) < Decimal(10) ** 15 and abs(found) < Decimal(10) ** 6 else None
