"""Which months `compact` has to make, and at which ones it looks again."""

import pytest

from jobs.compact import _is_in, _portions, unpublished
from jobs.history.files import CHECKSUM, Month, inbox
from jobs.transforms.spans import month as span_of

DAYS = [f"inbox/binance/spot/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-0{day}.zip" for day in (1, 2, 3)]
MONTHLY = "inbox/binance/spot/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01.zip"
JANUARY = Month("trades", "binance", "spot", "agg_trade", "BTC-USDT", 2024, 1)
FIRST, LAST = span_of(2024, 1)


def told(here: dict[str, str], before: dict[str, str] | None, replaced: dict[str, str] | None = None) -> tuple[list[str], int]:
    """The files that January is made of, and how many months are told to lack some."""
    found = inbox([*here, *(key + CHECKSUM for key in here)])
    new, gone = unpublished(found, here, {} if before is None else {JANUARY: before}, replaced or {})
    assert [one.month for one in new] in ([], [JANUARY])
    assert all(said.startswith(f"{JANUARY.key}: ") for said in gone)
    return [file.key for one in new for file in one.taken], len(gone)


def test_a_month_is_made_when_its_files_are_others_and_only_then():
    one, two, three = ({key: f"sum of {key}"} for key in DAYS)
    assert told(one | two, None) == (DAYS[:2], 0)
    assert told(one | two, one | two) == ([], 0)
    assert told(one | two | three, one | two) == (DAYS, 0)
    assert told(one | {DAYS[1]: "put anew"}, one | two) == (DAYS[:2], 0)
    assert told(one | two | {MONTHLY: "month"}, one | two) == ([MONTHLY], 0)  # the days that it was made of are not missed
    assert told({MONTHLY: "month"}, one | two) == ([MONTHLY], 0)


def test_a_month_of_which_files_are_gone_stays_and_one_that_came_in_their_place_is_told():
    one, two, three = ({key: f"sum of {key}"} for key in DAYS)
    assert told(one, one | two) == ([], 0)
    assert told(one | three, one | two) == ([], 1)
    assert told({DAYS[0]: "put anew"}, one | two) == ([], 1)
    assert told(one | three, one | two, three) == ([], 0)  # it was in history once
    assert told(one | three, one | two, {DAYS[2]: "as it was"}) == ([], 1)
    assert told({DAYS[0]: "put anew"}, one | two, one) == ([], 1)
    assert told({DAYS[0]: "put anew"}, one | two, {DAYS[0]: "put anew"}) == ([], 1)  # history was made of the other one


@pytest.mark.parametrize(
    ("low", "high", "pair", "expected"),
    [
        (FIRST - 9, FIRST - 1, "BTC-USDT", False),
        (FIRST - 9, FIRST, "BTC-USDT", True),
        (FIRST + 5, FIRST + 6, "BTC-USDT", True),
        (FIRST - 1, LAST + 1, "BTC-USDT", True),
        (LAST, LAST + 9, "BTC-USDT", True),
        (LAST + 1, LAST + 9, "BTC-USDT", False),
        (FIRST, LAST, "ETH-USDT", False),
    ],
)
def test_a_month_is_looked_at_again_when_one_of_its_minutes_changed(low: int, high: int, pair: str, *, expected: bool):
    before = (FIRST - 99, FIRST - 98)
    assert _is_in(JANUARY, {pair: [before, (low, high)]}) is expected


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (64, [64]), (65, [64, 1]), (130, [64, 64, 2])])
def test_no_month_is_left_out_between_two_commits(count: int, sizes: list[int]):
    parts = list(_portions(range(count)))
    assert ([len(part) for part in parts], [one for part in parts for one in part]) == (sizes, list(range(count)))
