"""Markets with all their trades known, as the exchange's candles and as our minutes; and the verdicts, computed plainly. No Spark."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from random import Random
from typing import Any, NamedTuple

from ingest.exchanges import EXCHANGES
from jobs.tables.klines import KLINES
from jobs.tables.trades import TRADES
from tests.support import oracle
from tests.support.lines import moment

Row = dict[str, Any]
SERIES = ("venue", "market", "feed", "pair")
MINUTE = timedelta(minutes=1)
BEGIN = moment("23:40:00")  # so that most markets go over the end of a month
FAR = 240  # minutes that a run is followed
PRICES, IDS = ("open", "high", "low", "close"), ("first_id", "last_id")
SUMS = ("volume", "quote_volume", "buy_volume", "buy_quote_volume")
# ours, the exchange's
FIGURES = {**{name: (name, name) for name in (*PRICES, "volume", "quote_volume", "trades")}}
FIGURES |= {name: (name, f"taker_{name}") for name in ("buy_volume", "buy_quote_volume")}
FIGURES |= {"first_id": ("first_trade_id", "first_id"), "last_id": ("last_trade_id", "last_id")}


class Fill(NamedTuple):
    """A trade of the exchange's, and the aggregate that it is a part of."""

    id: int
    ts: datetime
    price: Decimal
    quantity: Decimal
    side: str
    aggregate: int

    @property
    def minute(self) -> datetime:
        return self.ts.replace(second=0, microsecond=0)


# --- a market


def market(g: Random, minutes: int, *, straddles: float = 0.4, interleaved: bool = False) -> list[Fill]:
    """Some aggregates a minute, none in some; at edges some that the exchange counts in two minutes."""
    starts: list[tuple[int, list[int]]] = []  # of aggregates: milliseconds of their trades
    for number in range(minutes):
        begin = number * 60_000
        if g.random() < 0.85:
            times = sorted(g.sample(range(1000, 58_000, 200), g.choice([1, 2, 4])))
            starts += [(begin, [at + step * 30 for step in range(g.choice([1, 1, 3]))]) for at in times]
        if g.random() < straddles and number < minutes - 1:
            starts.append((begin, [59_960, *g.sample([59_980, 60_010, 60_040], 2)]))
            if interleaved and g.random() < 0.5:
                starts.append((begin, [59_970, 60_020]))
    drawn = []
    for number, (begin, parts) in enumerate(starts):
        price, side = Decimal(g.randrange(9_990, 10_010)) / 100, g.choice(["buy", "sell"])
        drawn += [(begin + at, number, price, Decimal(g.randrange(1, 10**6)) / 1000, side) for at in sorted(parts)]
    return [
        Fill(1000 + id_, BEGIN + timedelta(milliseconds=at), price, quantity, side, number)
        for id_, (at, number, price, quantity, side) in enumerate(sorted(drawn))
    ]


def trades(fills: Iterable[Fill], feed: str, **series: str) -> list[Row]:
    """Rows of `trades`: of a feed of aggregates each has the time of its first part."""
    found = []
    single = feed == "trade"
    for id_, parts in groupby(
        sorted(fills, key=lambda fill: (fill.aggregate, fill.id)), key=lambda f: f.id if single else f.aggregate
    ):
        here = list(parts)
        quantity = sum((fill.quantity for fill in here), Decimal(0))
        row = dict.fromkeys(TRADES.names) | {"venue": "binance", "market": "spot", "pair": "BTC-USDT", "feed": feed, **series}
        row |= {"trade_id": id_, "price": here[0].price, "quantity": quantity, "quote_quantity": here[0].price * quantity}
        row |= {"taker_side": here[0].side, "ts": here[0].ts}
        found.append(row | ({} if single else {"first_id": here[0].id, "last_id": here[-1].id}))
    return found


def minutes(fills: Iterable[Fill], feed: str, **series: str) -> list[Row]:
    """What the stream makes of those that reached us."""
    rows = trades(fills, feed, **series)
    return oracle.minutes(rows, set(), EXCHANGES) if rows else []


def candles(fills: Sequence[Fill], *, has_ids: bool = False, width: str = "1m", **series: str) -> list[Row]:
    """The exchange's: one a minute, also where nothing was traded; its prices stand still then."""
    parts = {minute: list(here) for minute, here in groupby(fills, key=lambda fill: fill.minute)}
    found, minute, last = [], min(parts), Decimal(0)
    while minute <= max(parts):
        here = parts.get(minute, [])
        prices = [fill.price for fill in here] or [last]
        last = prices[-1]
        found.append(candle(minute, prices, here, has_ids=has_ids, width=width, **series))
        minute += MINUTE
    return found


def candle(minute: datetime, prices: Sequence[Decimal], here: Sequence[Fill], *, has_ids: bool, **series: str) -> Row:
    row = dict.fromkeys(KLINES.names) | {"venue": "binance", "market": "spot", "pair": "BTC-USDT", "width": "1m", **series}
    row |= {"open_time": minute, "open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]}
    bought = [fill for fill in here if fill.side == "buy"]
    for prefix, mine in (("", here), ("taker_buy_", bought)):
        row[f"{prefix}volume"] = sum((fill.quantity for fill in mine), Decimal(0))
        row[f"{prefix}quote_volume"] = sum((fill.price * fill.quantity for fill in mine), Decimal(0))
    if has_ids and here:
        row |= {"first_id": here[0].id, "last_id": here[-1].id}
    return row | {"trades": len(here), "year": minute.year, "month": minute.month}


def same(row: Row, **changes: Any) -> Row:  # noqa: ANN401 - columns
    """The candle that our minute equals."""
    told = dict.fromkeys(KLINES.names) | {name: row[name] for name in ("venue", "market", "pair", "year", "month")}
    told |= {theirs: row[ours] for ours, theirs in FIGURES.values()} | {"open_time": row["minute"], "width": "1m"}
    return told | changes


# --- the verdicts


def reconciled(minutes: Iterable[Row], candles: Iterable[Row]) -> list[Row]:
    """All of `reconciliation` but `revision` and `updated_at`."""
    theirs = list(candles)
    found: list[Row] = []
    ours = sorted((row for row in minutes if EXCHANGES[row["venue"], row["market"]].klines), key=_series)
    for series, own in groupby(ours, key=_series):
        by_minute = {row["minute"]: row for row in own}
        of_pair = {row["open_time"]: row for row in theirs if row["width"] == "1m" and _place(row) == (*series[:2], series[3])}
        inside = {at: row for at, row in of_pair.items() if min(by_minute) <= at <= max(by_minute)}
        key = dict(zip(SERIES, series, strict=True))
        rows = [_beside(key, at, by_minute.get(at), inside.get(at)) for at in sorted(by_minute.keys() | inside.keys())]
        found += _judged(rows)
    return found


def _series(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in SERIES)


def _place(row: Row) -> tuple[Any, ...]:
    return (row["venue"], row["market"], row["pair"])


def is_counted(row: Row) -> bool:
    return not _is_aggregate(row) or row["market"] == "spot"


def _is_aggregate(row: Row) -> bool:
    return bool(row["feed"].partition(".")[0] == "agg_trade")


def _beside(key: Row, at: datetime, own: Row | None, their: Row | None) -> Row:
    row = key | {"minute": at, "year": at.year, "month": at.month}
    for name, (ours, theirs) in FIGURES.items():
        nothing = Decimal(0) if name in SUMS else 0 if name == "trades" else None
        mine, its = own[ours] if own else nothing, their[theirs] if their else None
        left_out = name in ("trades", *IDS) and not is_counted(key)
        row |= {f"own_{name}": mine, f"exchange_{name}": its}
        row[f"{name}_diff"] = None if mine is None or its is None or left_out else mine - its
    told = own or {}
    row |= {
        "is_complete": told.get("is_complete"),
        "missing_trades": told.get("missing_trades"),
        "straddle_from": None,
        "straddle_to": None,
    }
    return row | {"?": (own, their)}


def _judged(rows: Sequence[Row]) -> list[Row]:
    """In order, of one feed."""
    for row in rows:
        own, their = row["?"]
        compared = [f"{name}_diff" for name in (*SUMS, *(["trades"] if is_counted(row) else []), *(PRICES if own else ()))]
        ids = all(row[f"{name}_diff"] in (0, None) for name in IDS)
        row["is_equal"] = their is not None and ids and all(row[name] == 0 for name in compared)
    runs = {at: run for run in _runs(rows) for at in range(run[0], run[1] + 1)}
    judged = []
    for place, row in enumerate(rows):
        verdict, ends = _verdict(rows, place, runs.get(place))
        straddle = {"straddle_from": ends[0], "straddle_to": ends[1]} if ends else {}
        judged.append(
            {name: value for name, value in row.items() if name not in ("?", "is_equal")} | straddle | {"verdict": verdict}
        )
    return judged


def _runs(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """(First, last place) of differing minutes of aggregates, one after the other."""
    found: list[tuple[int, int]] = []
    for place, row in enumerate(rows):
        if _is_aggregate(row) and row["?"][1] and not row["is_equal"]:
            goes_on = bool(found) and found[-1][1] == place - 1 and rows[place - 1]["minute"] == row["minute"] - MINUTE
            found[-1:] = [(found[-1][0], place)] if goes_on else [*found[-1:], (place, place)]
    return found


def _verdict(rows: Sequence[Row], place: int, run: tuple[int, int] | None) -> tuple[str, tuple[datetime, datetime] | None]:
    row = rows[place]
    own, their = row["?"]
    if row["is_equal"]:
        return ("equal" if is_counted(row) else "equal_uncounted"), None
    is_short = run is not None and run[1] - run[0] < FAR
    if run and is_short and None not in [row[f"{name}_diff"] for name in SUMS]:
        for low, high in _stretches([_sums(one) for one in rows[run[0] : run[1] + 1]]):
            first, last = run[0] + low, run[0] + high
            if first <= place <= last and _fits(row, is_first=place == first, is_last=place == last):
                return "straddle", (rows[first]["minute"], rows[last]["minute"])
    may_lie_over = run is not None and is_short and _may_lie_over(rows, *run) and _is_inside(row)
    rest = {
        "open": own and own["revision"] == 0,
        "no_candle": their is None,
        "missing_trades": own and own["is_complete"] is False and _is_less(row),
        "no_minute": own is None,
        "unclear": may_lie_over,
        "differs": True,
    }
    return next(verdict for verdict, holds in rest.items() if holds), None


def _sums(row: Row) -> tuple[Decimal, ...]:
    return tuple(row[f"{name}_diff"] or Decimal(0) for name in (*SUMS, "trades"))


def _added(sums: Iterable[tuple[Decimal, ...]]) -> tuple[Decimal, ...]:
    return tuple(sum(column, Decimal(0)) for column in zip(*sums, strict=True))


def _stretches(sums: Sequence[tuple[Decimal, ...]]) -> list[tuple[int, int]]:
    """From each minute the shortest stretch that adds up to nought; those with a minute in common are one."""
    found: list[tuple[int, int]] = []
    for low in range(len(sums)):
        ends = (high for high in range(low, len(sums)) if not any(_added(sums[low : high + 1])))
        if (high := next(ends, None)) is not None:
            shared = found and found[-1][1] >= low
            found[-1:] = [(found[-1][0], max(found[-1][1], high))] if shared else [*found[-1:], (low, high)]
    return found


def _no_or(value: Decimal | None, *, at_most: bool) -> bool:
    return value is None or (value <= 0 if at_most else value >= 0)


def _is_inside(row: Row) -> bool:
    return _no_or(row["high_diff"], at_most=True) and _no_or(row["low_diff"], at_most=False)


def _fits(row: Row, *, is_first: bool, is_last: bool) -> bool:
    begins = not is_first or all(row[name] in (0, None) for name in ("open_diff", "first_id_diff"))
    ends = not is_last or all(row[name] in (0, None) for name in ("close_diff", "last_id_diff"))
    return begins and ends and _is_inside(row)


def _is_less(row: Row) -> bool:
    volume, quote, bought, quote_bought, count = _sums(row)
    less = max(volume, quote, bought, quote_bought, count, volume - bought, quote - quote_bought) <= 0 and volume < 0
    inside = _no_or(row["first_id_diff"], at_most=False) and _no_or(row["last_id_diff"], at_most=True)
    return less and inside and _is_inside(row)


def _may_lie_over(rows: Sequence[Row], first: int, last: int) -> bool:
    here = rows[first : last + 1]
    for own, _ in (row["?"] for row in here):
        if own is None or own["revision"] == 0 or own["is_complete"] is False:
            return True
    before = first == 0 or not rows[first - 1]["is_equal"] or rows[first - 1]["minute"] != rows[first]["minute"] - MINUTE
    after = last + 1 == len(rows) or not rows[last + 1]["is_equal"] or rows[last + 1]["minute"] != rows[last]["minute"] + MINUTE
    sums = [_sums(row) for row in here]
    from_left = all(min(_added(sums[: place + 1])) >= 0 for place in range(len(sums)))
    from_right = all(max(_added(sums[place:])) <= 0 for place in range(len(sums)))
    return (before or after) and (before or from_left) and (after or from_right)


# --- the truth


@dataclass
class Truth:
    """Of a market of which every trade is known: those that the exchange counts in a minute, those that we do."""

    single: bool  # a feed of trades, not of aggregates
    asked: Collection[datetime]  # minutes of which there is a candle
    theirs: dict[datetime, set[Fill]] = field(default_factory=dict)
    own: dict[datetime, set[Fill]] = field(default_factory=dict)
    lost: set[datetime] = field(default_factory=set)
    crossing: set[tuple[datetime, datetime]] = field(default_factory=set)  # aggregates that lie over two minutes

    def take(self, fills: Sequence[Fill], reached: Collection[Fill]) -> None:
        begun: dict[int, datetime] = {}
        for fill in fills:
            self.theirs.setdefault(fill.minute, set()).add(fill)
            if fill not in reached:
                self.lost.add(fill.minute)
                continue
            at = fill.minute if self.single else begun.setdefault(fill.aggregate, fill.minute)
            self.own.setdefault(at, set()).add(fill)
            if at != fill.minute:
                self.crossing.add((at, fill.minute))

    def allowed(self) -> dict[datetime, set[str]]:
        """What may be said of each minute from the first to the last one that we have."""
        first, last = min(self.own), max(self.own)
        return {first + number * MINUTE: self._of(first + number * MINUTE) for number in range((last - first) // MINUTE + 1)}

    def _of(self, minute: datetime) -> set[str]:
        mine, top = self.own.get(minute, set()), max(self.own)
        if minute in self.asked and mine == self.theirs.get(minute, set()):
            return {"equal"}
        together = self._together(minute)
        if not together & self.lost and together <= set(self.asked) and max(together) <= top:
            return {"straddle"}
        if minute == top:
            return {"open"}
        if minute not in self.asked:
            return {"no_candle"} if mine else set()
        if not mine:
            return {"no_minute"}
        return {"missing_trades"} if self.single else {"missing_trades", "unclear"}

    def _together(self, minute: datetime) -> set[datetime]:
        """The minutes that aggregates join to this one."""
        found, todo = set(), [minute]
        while todo:
            at = todo.pop()
            if at not in found:
                found.add(at)
                todo += [after if before == at else before for before, after in self.crossing if at in (before, after)]
        return found
