"""A bar that is called complete has lost nothing: tried on the minutes of markets that lose, void and delay trades.

The bars are those of the plain computation that Spark's are held to elsewhere; the minutes are the stream's, also those that a reader sees
between its two commits, when what is above the former latest minute is written and what lies below is not corrected yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import event, given, settings
from hypothesis import strategies as st

from ingest.exchanges import EXCHANGES
from jobs.tables.trades import TRADES
from tests.support import oracle
from tests.support.bars import Row, bars, length
from tests.support.lines import moment

BEGIN = moment("10:00:00")
WIDTHS = ("1m", "5m", "1h")


class Item(NamedTuple):
    """An id that the venue gave out: of a trade or of a void; and in which batch it arrives, if ever."""

    id: int
    second: int
    is_void: bool
    batch: int | None

    @property
    def ts(self) -> Any:  # noqa: ANN401 - a time
        return BEGIN + timedelta(seconds=self.second)


pauses = st.sampled_from([0, 1, 20, 30, 40, 61, 125, 400, 86_400 * 8])
fates = st.sampled_from(["taken"] * 30 + ["late"] * 2 + ["void", "lost"])
drawn_markets = st.lists(st.tuples(pauses, fates), min_size=10, max_size=40)


def market(drawn: Sequence[tuple[int, str]], cut: int, kept: int) -> list[Item]:
    """Ids below the cut arrive in the first batch, unless they are late or lost; late is also the one before the last few of these."""
    second, found = 0, []
    for id_, (pause, fate) in enumerate(drawn):
        second += pause
        batch = None if fate == "lost" else int(id_ >= cut or id_ == cut - kept or fate == "late")
        found.append(Item(id_, second, fate == "void", batch))
    return found


def trade(item: Item) -> dict[str, Any]:
    told = dict.fromkeys(TRADES.names) | {"venue": "coinbase", "market": "spot", "feed": "trade", "pair": "BTC-USD"}
    told |= {"trade_id": item.id, "price": Decimal(100), "quantity": Decimal(1), "quote_quantity": Decimal(100), "ts": item.ts}
    return told | {"taker_side": "buy"}


def minutes(items: Iterable[Item]) -> Mapping[Any, Row]:
    here = list(items)
    trades = [trade(item) for item in here if not item.is_void]
    made = oracle.minutes(trades, {item.id for item in here}, EXCHANGES) if trades else []
    return {row["minute"]: row for row in made}


def between(before: Mapping[Any, Row], after: Mapping[Any, Row], *, is_bare: bool) -> list[Row]:
    """What a reader sees after the append of the new minutes, before the older ones are corrected."""
    top = max(before, default=BEGIN - timedelta(days=1))
    above = [row for minute, row in after.items() if minute > top or (is_bare and minute == top)]
    return [row for minute, row in before.items() if not (is_bare and minute == top)] + above


def assert_nothing_is_lost(rows: Iterable[Row], items: Sequence[Item]) -> None:
    for bar in bars(rows, WIDTHS):
        if bar["is_complete"]:
            end = bar["start"] + length(bar["width"])
            true = sum(not item.is_void for item in items if bar["start"] <= item.ts < end)
            assert bar["ticks"] == true, f"{true - bar['ticks']} trades are lost: {bar}"
            event("a complete bar")


@settings(max_examples=500)
@given(drawn_markets, st.integers(5, 30), st.integers(2, 4), st.booleans())
def test_a_complete_bar_has_lost_nothing(drawn: Sequence[tuple[int, str]], cut: int, kept: int, is_bare: bool):  # noqa: FBT001 - drawn
    items = market(drawn, cut, kept)
    before = minutes(item for item in items if item.batch == 0)
    after = minutes(item for item in items if item.batch is not None)
    assert_nothing_is_lost(before.values(), items)
    assert_nothing_is_lost(after.values(), items)
    assert_nothing_is_lost(between(before, after, is_bare=is_bare), items)


def test_without_losses_all_but_the_first_and_the_newest_bar_are_complete():
    """So that it is not kept by calling nothing complete. Without id 30 its bar is not, nor the one that the id below it lies in."""
    items = [Item(id_, id_ * 50, is_void=False, batch=int(id_ == 30)) for id_ in range(100)]
    found = {bar["start"]: bar["is_complete"] for bar in bars(minutes(items).values(), ["5m"])}
    assert [*found.values()] == [False, *[True] * (len(found) - 2), False]
    lacking = {bar["start"]: bar["is_complete"] for bar in bars(minutes(i for i in items if not i.batch).values(), ["5m"])}
    assert [start for start in found if found[start] != lacking.get(start)] == [moment("10:20:00"), moment("10:25:00")]
